package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	maxAnswer  = 64 << 10 // bytes read of an answer, so that the connection is used again
	maxExcerpt = 256      // bytes of them that go into an error
)

// post is one try for one target. It runs in a goroutine of its own.
type post struct {
	q        *Queue
	rec      *record // only what does not change, and load
	url      string
	attempts int // this one counted
}

// send posts, judges the answer and calls the hook if that settles the target.
func (p post) send(ctx context.Context) verdict {
	start := time.Now()
	v := p.try(ctx)
	if ctx.Err() != nil && v.kind == paused {
		return verdict{kind: aborted} // our hurry is not the host's fault
	}
	switch v.kind {
	case delivered, gone, dead, dropped:
		p.tell(ctx, v, time.Since(start))
	}
	return v
}

func (p post) try(ctx context.Context) verdict {
	_, host, _ := originOf(p.url)
	if p.q.Allow != nil {
		if err := p.q.Allow(ctx, host); errors.Is(err, ErrRefused) {
			return verdict{kind: dropped, err: err}
		} else if err != nil {
			return verdict{kind: paused, local: true, err: err}
		}
	}
	body, err := p.rec.load(ctx, p.q.Store)
	if errors.Is(err, ErrUnknown) {
		return verdict{kind: vanished}
	} else if err != nil {
		return verdict{kind: paused, local: true, err: err}
	}
	transport := p.q.base
	if p.q.Transport != nil {
		if transport, err = p.q.Transport(p.rec.Sender); err == nil && transport == nil {
			err = errors.New("Config.Transport returned nil")
		}
		if errors.Is(err, ErrRefused) {
			return verdict{kind: dropped, err: err}
		} else if err != nil {
			return p.q.Policy.again(verdict{err: err}, p.attempts)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.q.Policy.Timeout)
	defer cancel()
	req, err := p.request(ctx, body)
	if err != nil {
		return verdict{kind: dead, err: err}
	}
	// Not through an http.Client: it would follow a redirect, and a POST that moves is
	// not what was signed.
	resp, err := transport.RoundTrip(req)
	if err == nil && resp == nil {
		err = fmt.Errorf("no answer and no error: %w", ErrLocal)
	}
	if err != nil {
		return p.q.Policy.judgeError(err, p.attempts)
	}
	now := time.Now()
	v := p.q.Policy.judge(resp.StatusCode, resp.Header, p.attempts, p.rec.age(now), now)
	excerpt := answer(resp)
	if v.kind != delivered {
		v.err = fmt.Errorf("answered %d %s%s", resp.StatusCode, http.StatusText(resp.StatusCode), excerpt)
	}
	return v
}

// request makes the POST (ActivityPub §7.1).
func (p post) request(ctx context.Context, body []byte) (*http.Request, error) {
	// A bytes.Reader gives the request a length and a GetBody.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", p.rec.ContentType)
	req.Header.Set("User-Agent", p.q.UserAgent)
	// A host that closes an idle connection just as we use it would look like one that
	// fails. net/http tries such a request again on a new connection if it may be sent
	// twice, and this is how to tell it; a header without values is not sent.
	req.Header["Idempotency-Key"] = []string{}
	return req, nil
}

// answer reads and closes the answer's body, and returns its beginning, quoted.
func answer(resp *http.Response) string {
	if resp.Body == nil {
		return ""
	}
	defer resp.Body.Close()
	excerpt := make([]byte, maxExcerpt)
	n, _ := io.ReadFull(resp.Body, excerpt) // what is missing is missing: the status is what counts
	io.CopyN(io.Discard, resp.Body, maxAnswer)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", excerpt[:n])
}
