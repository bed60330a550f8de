package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const defaultRedirects = 10 // what net/http follows

// download returns the bytes of a remote picture, from where Config.Refresh says if the server has it there no longer.
func (p *Proxy) download(ctx context.Context, src source) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	data, err := p.request(ctx, src)
	var e *Error
	if p.config.Refresh == nil || !errors.As(err, &e) || (e.Status != 401 && e.Status != 403 && e.Status != 404 && e.Status != 410) {
		return data, err
	}
	remote, failed := p.config.Refresh(ctx, src.url, src.owner)
	if failed != nil {
		// Perhaps it is elsewhere: the status is no longer the last word.
		return nil, &Error{URL: src.url, Err: fmt.Errorf("%w: refresh after status %d: %w", ErrFetch, e.Status, failed)}
	}
	if remote == "" || remote == src.url {
		return nil, err
	}
	moved, failed := p.parseSource(remote)
	if failed != nil {
		return nil, &Error{URL: src.url, Err: fmt.Errorf("%w: refreshed: %v", ErrFetch, failed)}
	}
	if failed := p.permit(ctx, moved.host); failed != nil {
		return nil, &Error{URL: remote, Err: failed}
	}
	return p.request(ctx, moved)
}

// request gets the body of a URL. It reads no more than a picture's first bytes of what is not one.
func (p *Proxy) request(ctx context.Context, src source) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src.url, nil)
	if err != nil {
		return nil, &Error{URL: src.url, Err: fmt.Errorf("%w: %w", ErrURL, err)}
	}
	req.Header.Set("Accept", "image/webp,image/png,image/jpeg,image/gif") // or some send AVIF
	res, err := p.client.Do(req)
	if err != nil {
		return nil, &Error{URL: src.url, Err: p.explain(err)}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		err := ErrFetch
		if after, e := strconv.Atoi(res.Header.Get("Retry-After")); e == nil && after > 0 {
			err = &retryError{after: time.Duration(min(after, 86400)) * time.Second}
		}
		return nil, &Error{URL: src.url, Status: res.StatusCode, Err: err}
	}
	if res.ContentLength > p.config.MaxBytes {
		return nil, &Error{URL: src.url, Err: fmt.Errorf("%w: %d bytes", ErrTooLarge, res.ContentLength)}
	}
	var body bytes.Buffer
	if res.ContentLength > 0 {
		body.Grow(int(res.ContentLength) + bytes.MinRead) // or it holds up to thrice as much
	}
	limited := io.LimitReader(res.Body, p.config.MaxBytes+1)
	if _, err := io.CopyN(&body, limited, sniffed); err != nil && err != io.EOF {
		return nil, &Error{URL: src.url, Err: p.explain(err)}
	}
	if sniff(body.Bytes()) == "" {
		return nil, &Error{URL: src.url, Err: ErrType}
	}
	if _, err := body.ReadFrom(limited); err != nil {
		return nil, &Error{URL: src.url, Err: p.explain(err)}
	}
	if int64(body.Len()) > p.config.MaxBytes {
		return nil, &Error{URL: src.url, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, p.config.MaxBytes)}
	}
	return body.Bytes(), nil
}

// explain gives an error of the client its sentinel.
func (p *Proxy) explain(err error) error {
	switch {
	case errors.Is(err, ErrRejected) || errors.Is(err, ErrUndecided):
		return err
	case isTooLarge(err):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrFetch, err)
}

// checkRedirect asks Config.Reject about each hop, and then whom the client would have asked.
func (p *Proxy) checkRedirect(then func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		hop, err := p.parseSource(req.URL.String())
		if err != nil {
			return fmt.Errorf("%w: redirected: %v", ErrFetch, err) // ErrURL is for what was asked for
		}
		if err := p.permit(req.Context(), hop.host); err != nil {
			return err
		}
		req.Header.Del("Referer") // net/http sets it to where we come from
		if then != nil {
			return then(req, via)
		}
		if len(via) >= defaultRedirects {
			return fmt.Errorf("redirected more than %d times", defaultRedirects)
		}
		return nil
	}
}

// retryError is an ErrFetch whose server said when to come back.
type retryError struct{ after time.Duration }

func (e *retryError) Error() string        { return ErrFetch.Error() }
func (e *retryError) Is(target error) bool { return target == ErrFetch }
