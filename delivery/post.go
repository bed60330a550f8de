package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	maxAnswer  = 64 << 10 // bytes read of an answer, so that the connection is used again
	maxExcerpt = 256      // bytes of them that go into an error
)

// post is one try for one target. It runs in a goroutine of its own.
type post struct {
	q        *Queue
	fence            // zero if nothing is sent
	rec      *record // only what does not change, and load
	url      string
	to       *url.URL // the same, parsed; nil if nothing is sent
	host     string   // its authority
	attempts int      // this one counted
	probe    bool
	began    time.Time // zero if nothing is sent
}

// send posts until ctx ends, judges the answer and calls the hook if that settles the target.
func (p post) send(ctx, life context.Context) verdict {
	var watch *stopwatch
	if p.q.Observer != nil {
		watch = new(stopwatch)
	}
	var traced func(Posted)
	if p.q.tracer != nil && p.rec.Trace != "" {
		ctx, traced = p.q.tracer.Posting(ctx, Posting{Activity: p.rec.ID, Trace: p.rec.Trace, Host: p.host, Attempts: p.attempts})
	}
	v := p.try(ctx, watch)
	if o := p.q.Observer; o != nil {
		posted := Posted{
			Host: p.host, Class: p.rec.Class, Verdict: v.kind.String(), Status: v.status, Attempts: p.attempts, Probe: p.probe,
			Took: time.Since(p.began), Stages: watch.read(), Age: p.rec.age(p.began), Err: v.err,
		}
		o.Posted(posted)
		if traced != nil {
			traced(posted)
		}
	}
	if life.Err() != nil && v.kind == paused {
		return verdict{kind: aborted} // our hurry is not the host's fault
	}
	switch v.kind {
	case delivered, gone, dead, dropped:
		p.tell(life, v)
	}
	return v
}

func (p post) try(ctx context.Context, watch *stopwatch) verdict {
	if p.q.Local != nil && p.q.Local(p.host) {
		return verdict{kind: dropped, err: fmt.Errorf("it is our own host: %w", ErrRefused)}
	}
	if p.q.Allow != nil {
		if err := p.q.Allow(ctx, p.host); errors.Is(err, ErrRefused) {
			return verdict{kind: dropped, err: err}
		} else if err != nil {
			return verdict{kind: paused, local: true, err: err}
		}
	}
	bodies, err := p.rec.load(ctx, p.q.Store)
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
	req := p.request(ctx, p.q.choose(bodies, p.host))
	if p.q.Prepare != nil {
		err := p.q.Prepare(ctx, req, Activity{
			ID: p.rec.ID, Sender: p.rec.Sender, Key: p.rec.Key, Supersedes: p.rec.Supersedes, Class: p.rec.Class,
			ContentType: p.rec.ContentType, Expires: p.rec.Expires, NotBefore: p.rec.NotBefore, Trace: p.rec.Trace,
		})
		if errors.Is(err, ErrRefused) {
			return verdict{kind: dropped, err: err}
		} else if err != nil {
			return p.q.Policy.again(verdict{err: err}, p.attempts)
		}
	}
	if watch != nil {
		req = req.WithContext(watch.trace(req.Context()))
	}
	// Not through an http.Client: it would follow a redirect, and a POST that moves is
	// not what was signed.
	if p.barred() {
		return verdict{kind: aborted}
	}
	resp, err := transport.RoundTrip(req)
	if err == nil && resp == nil {
		err = fmt.Errorf("no answer and no error: %w", ErrLocal)
	}
	if errors.Is(err, ErrLeaseLost) {
		return verdict{kind: aborted}
	}
	if err != nil {
		return p.q.Policy.judgeError(err, p.attempts)
	}
	var now time.Time // of what arrived nobody asks
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		now = time.Now()
	}
	v := p.q.Policy.judge(answered{p.host, resp.StatusCode, resp.Header, p.attempts, p.rec.age(now), now})
	excerpt := answer(resp, v.kind != delivered)
	if v.kind != delivered {
		v.err = fmt.Errorf("answered %d %s%s", resp.StatusCode, http.StatusText(resp.StatusCode), excerpt)
	}
	return v
}

// request makes the POST (ActivityPub §7.1).
func (p post) request(ctx context.Context, body []byte) *http.Request {
	out := &outgoing{url: *p.to, bytes: body}
	out.body.fence = p.fence
	out.body.Reset(body)
	// What http.NewRequestWithContext does besides is done: the URL was parsed when the target was first posted to.
	req := (&http.Request{
		Method: http.MethodPost, URL: &out.url, Host: out.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: &out.body, ContentLength: int64(len(body)),
		GetBody: out.again,
	}).WithContext(ctx)
	req.Header["Content-Type"] = p.rec.contentType
	req.Header["User-Agent"] = p.q.userAgent
	// A host that closes an idle connection just as we use it would look like one that
	// fails. net/http tries such a request again on a new connection if it may be sent
	// twice, and this is how to tell it; a header without values is not sent.
	req.Header["Idempotency-Key"] = []string{}
	return req
}

// outgoing is what a request points to.
type outgoing struct {
	url   url.URL
	body  payload
	bytes []byte // of body
}

// again is a request's GetBody.
func (o *outgoing) again() (io.ReadCloser, error) {
	b := &payload{fence: o.body.fence}
	b.Reset(o.bytes)
	return b, nil
}

// payload is a request's body. It can't be read if the post may not begin any more: net/http asks for it as it is about to
// write the request, after it has waited for a connection, and over HTTP/1 has written nothing by then. What remains is a process that
// is stopped between this and the write, the head of a request over HTTP/2, whose end never comes, and a RoundTripper that
// reads the body, to sign it, and then waits long before it sends.
type payload struct {
	bytes.Reader
	fence
	begun bool // to be read, and allowed to be
}

func (b *payload) begin() error {
	if !b.begun && b.barred() {
		return ErrLeaseLost
	}
	b.begun = true
	return nil
}

func (b *payload) Read(p []byte) (int, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// WriteTo hides that of Reader, which asks nobody.
func (b *payload) WriteTo(w io.Writer) (int64, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	return b.Reader.WriteTo(w)
}

func (*payload) Close() error { return nil }

// answer reads and closes the answer's body, and returns its beginning, quoted, if that is wanted.
func answer(resp *http.Response, wanted bool) string {
	if resp.Body == nil || resp.Body == http.NoBody {
		return ""
	}
	defer resp.Body.Close()
	var excerpt [maxExcerpt]byte
	n := 0
	if wanted {
		n, _ = io.ReadFull(resp.Body, excerpt[:]) // what is missing is missing: the status is what counts
	}
	io.CopyN(io.Discard, resp.Body, maxAnswer)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", excerpt[:n])
}

// choose returns the body that a host gets.
func (q *Queue) choose(b Bodies, host string) []byte {
	if len(b.Other) == 0 || q.Choose == nil {
		return b.Body
	}
	name := q.Choose(host)
	for _, o := range b.Other {
		if o.Name == name {
			return o.Bytes
		}
	}
	return b.Body
}

// tell calls the hook that a verdict is for.
func (p post) tell(ctx context.Context, v verdict) {
	var hook func(context.Context, *Event) error
	switch v.kind {
	case delivered:
		hook = p.q.OnDelivered
	case gone:
		hook = p.q.OnGone
	case dead, dropped:
		hook = p.q.OnDead
	}
	if v.kind != delivered {
		p.q.Logger.Info("delivery: gave up", "activity", p.rec.ID, "inbox", p.url, "status", v.status, "error", v.err)
	}
	if hook == nil {
		return
	}
	var took time.Duration
	if !p.began.IsZero() {
		took = time.Since(p.began)
	}
	err := hook(ctx, &Event{
		Activity: p.rec.ID, Sender: p.rec.Sender, Key: p.rec.Key, Inbox: p.url, Host: p.host,
		Attempts: p.attempts, Status: v.status, Err: v.error(p.url), Took: took,
	})
	if err != nil {
		p.q.Logger.Warn("delivery: hook failed", "activity", p.rec.ID, "inbox", p.url, "error", err)
	}
}
