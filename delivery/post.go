package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

const (
	maxAnswer  = 64 << 10 // bytes read of an answer, so that the connection is used again
	maxExcerpt = 256      // bytes of them that go into an error
	maxHeaders = 64       // content types whose headers are kept
)

// post is one try for one target. It runs in a goroutine of its own.
type post struct {
	q        *Queue
	fence            // zero if nothing is sent
	rec      *record // only what does not change, and load
	box      *box    // only what does not change
	blank    *blank  // nil if nothing is sent
	host     string  // the inbox's authority
	attempts int     // this one counted
	probe    bool
	began    time.Time // zero if nothing is sent
}

// send posts until ctx ends, judges the answer and calls the hook if that settles the target.
func (p *post) send(ctx, life context.Context) verdict {
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

func (p *post) try(ctx context.Context, watch *stopwatch) verdict {
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
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		answer(resp, false)
		return verdict{kind: delivered, alive: true, status: resp.StatusCode}
	}
	now := time.Now()
	v := p.q.Policy.judge(answered{p.host, resp.StatusCode, resp.Header, p.attempts, p.rec.age(now), now})
	v.err = fmt.Errorf("answered %d %s%s", resp.StatusCode, http.StatusText(resp.StatusCode), answer(resp, true))
	return v
}

// request makes the POST (ActivityPub §7.1).
func (p *post) request(ctx context.Context, body []byte) *http.Request {
	// What http.NewRequestWithContext does besides is done: the store has only URLs that can be parsed.
	o := &outgoing{request: *p.blank.with(ctx)}
	p.box.fill(&o.url)
	o.body = payload{rest: body, whole: body, fence: p.fence}
	r := &o.request
	r.URL, r.Host, r.Header = &o.url, o.url.Host, maps.Clone(p.rec.header)
	r.Body, r.GetBody, r.ContentLength = &o.body, o.body.again, int64(len(body))
	return r
}

// headers are what requests begin with, by their content types.
type headers map[string]http.Header

// header returns that of a content type. It is shared, and not to be changed.
func (w *worker) header(contentType string) http.Header {
	h := w.headers[contentType]
	if h == nil {
		h = http.Header{
			"Content-Type": {contentType},
			"User-Agent":   {w.q.UserAgent},
			// A host that closes an idle connection just as we use it, as snac may, would look like one that
			// fails. net/http tries such a request again on a new connection if it may be sent
			// twice, and this is how to tell it; a header without values is not sent.
			"Idempotency-Key": {},
		}
		if w.headers == nil || len(w.headers) >= maxHeaders {
			w.headers = make(headers)
		}
		w.headers[contentType] = h
	}
	return h
}

// blank makes requests of which only the context is filled in, and what is the same in all. The last one is
// kept, because a copy of it is the only way to a request with a context that is not one more allocation.
type blank struct{ last *http.Request }

func (b *blank) with(ctx context.Context) *http.Request {
	if b.last == nil || b.last.Context() != ctx {
		b.last = (&http.Request{Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	}
	return b.last
}

// outgoing is a request and what it points to, in one piece.
type outgoing struct {
	request http.Request
	url     url.URL
	body    payload
}

// payload is a request's body. It can't be read if the post may not begin any more: net/http asks for it as it is about to
// write the request, after it has waited for a connection, and over HTTP/1 has written nothing by then. A RoundTripper that reads the
// body, to sign it, and then waits before it sends asks GetBody once more, as signature.Transport does. What remains is a process that
// is stopped between this and the write, or while such a RoundTripper connects, and the head of a request over HTTP/2, whose end never comes.
type payload struct {
	rest  []byte // to be read
	whole []byte
	fence
	begun bool // to be read, and allowed to be
}

// again is a request's GetBody.
func (b *payload) again() (io.ReadCloser, error) {
	return &payload{rest: b.whole, whole: b.whole, fence: b.fence}, nil
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
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
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
func (q *Queue) choose(b *Bodies, host string) []byte {
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
func (p *post) tell(ctx context.Context, v verdict) {
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
		p.q.Logger.Info("delivery: gave up", "activity", p.rec.ID, "host", p.host, v.cause()) // not the inbox: it may be somebody's in bcc
		p.q.Logger.Debug("delivery: gave up", "activity", p.rec.ID, "inbox", p.box.url, "error", v.err)
	}
	if hook == nil {
		return
	}
	var took time.Duration
	if !p.began.IsZero() {
		took = time.Since(p.began)
	}
	err := hook(ctx, &Event{
		Activity: p.rec.ID, Sender: p.rec.Sender, Key: p.rec.Key, Inbox: p.box.url, Host: p.host,
		Attempts: p.attempts, Status: v.status, Err: v.error(p.box.url), Took: took,
	})
	if err != nil {
		p.q.Logger.Warn("delivery: hook failed", "activity", p.rec.ID, "host", p.host, "error", err)
	}
}
