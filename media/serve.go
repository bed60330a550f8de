package media

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// A copy's address names one picture for good, as far as a browser is concerned; a week bounds how long a purged one lives on there.
const cacheControl = "public, max-age=604800, immutable"

// ServeHTTP answers GET and HEAD, with ranges and conditions (RFC 9110 §13, RFC 9110 §14), under Config.Base's path. Nothing of the
// other server's answer is passed on but what was made of its picture. What is not shown gets a status (see the errors of this
// package) and a line of text.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// Should a browser ever take a copy for a document, it runs nothing and loads nothing.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, p.path)
	if !ok {
		refuse(w, http.StatusNotFound, "not found")
		return
	}
	remote, v, ok, err := p.openAddress(path)
	if !ok {
		refuse(w, http.StatusNotFound, "not found")
		return
	}
	var kept *held
	var from Source
	if err == nil {
		kept, from, err = p.get(r.Context(), remote, v)
	}
	if err != nil {
		p.refuse(w, err)
		p.tell(Served{Err: err})
		return
	}
	defer kept.Close()
	defer p.tell(Served{From: from, Bytes: kept.size})
	h.Set("Content-Type", kept.format.mime())
	h.Set("Content-Disposition", `inline; filename="`+string(v)+`.`+string(kept.format)+`"`)
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", kept.etag())
	http.ServeContent(w, r, "", kept.fetched, kept.reader())
}

// refuse answers with the status that fits an error of get.
func (p *Proxy) refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var e *Error
	switch {
	case errors.Is(err, ErrSignature), errors.Is(err, ErrRejected):
		status = http.StatusForbidden
	case errors.Is(err, ErrExpired):
		status = http.StatusGone
	case errors.Is(err, ErrBusy), errors.Is(err, ErrUndecided), errors.Is(err, ErrClosed):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "10")
	case errors.Is(err, ErrURL), errors.Is(err, ErrVariant), errors.As(err, &e) && (e.Status == 404 || e.Status == 410):
		status = http.StatusNotFound // signed once, under another configuration; or gone
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if e == nil { // the asker's own
			status = http.StatusServiceUnavailable
		}
	}
	refuse(w, status, reason(err).Error())
}

// refuse writes text of ours: an error's own could have the stranger's in it.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("media: " + text + "\n"))
}
