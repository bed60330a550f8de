package fedihook

import (
	"io"
	"mime"
	"net/http"
	"strings"
)

// varied says in the header of the app's own answers that a page depends on Accept. It can't be said before
// the app writes, which may set Vary itself. RFC 9110 §12.5.5.
type varied struct {
	http.ResponseWriter
	done bool
}

// withVary makes a varied that can do what w can, no more and no less: apps ask a ResponseWriter whether it is a
// Flusher or a Hijacker.
func withVary(w http.ResponseWriter) (v *varied, as http.ResponseWriter) {
	v = &varied{ResponseWriter: w}
	f, flushes := w.(http.Flusher)
	h, hijacks := w.(http.Hijacker)
	p, pushes := w.(http.Pusher)
	switch {
	case flushes && hijacks && pushes:
		return v, struct {
			*varied
			flusher
			http.Hijacker
			http.Pusher
		}{v, flusher{v, f}, h, p}
	case flushes && hijacks:
		return v, struct {
			*varied
			flusher
			http.Hijacker
		}{v, flusher{v, f}, h}
	case flushes && pushes:
		return v, struct {
			*varied
			flusher
			http.Pusher
		}{v, flusher{v, f}, p}
	case hijacks && pushes:
		return v, struct {
			*varied
			http.Hijacker
			http.Pusher
		}{v, h, p}
	case flushes:
		return v, struct {
			*varied
			flusher
		}{v, flusher{v, f}}
	case hijacks:
		return v, struct {
			*varied
			http.Hijacker
		}{v, h}
	case pushes:
		return v, struct {
			*varied
			http.Pusher
		}{v, p}
	}
	return v, v
}

// say adds Accept to Vary if what is about to be written is a page, or may be one: what is neither is not found
// under the URL of a document.
func (v *varied) say() {
	if v.done {
		return
	}
	v.done = true
	head := v.Header()
	if kind := head.Get("Content-Type"); kind != "" {
		if kind, _, err := mime.ParseMediaType(kind); err == nil && kind != "text/html" && kind != "application/xhtml+xml" {
			return
		}
	}
	for _, field := range head.Values("Vary") {
		for name := range strings.SplitSeq(field, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Accept") {
				return
			}
		}
	}
	head.Add("Vary", "Accept")
}

// Unwrap lets http.ResponseController reach the connection.
func (v *varied) Unwrap() http.ResponseWriter { return v.ResponseWriter }

func (v *varied) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // not for early hints
		v.say()
	}
	v.ResponseWriter.WriteHeader(status)
}

func (v *varied) Write(p []byte) (int, error) {
	v.say()
	return v.ResponseWriter.Write(p)
}

func (v *varied) WriteString(s string) (int, error) {
	v.say()
	return io.WriteString(v.ResponseWriter, s)
}

// ReadFrom lets files be sent without a copy, where the connection can.
func (v *varied) ReadFrom(from io.Reader) (int64, error) {
	v.say()
	return io.Copy(v.ResponseWriter, from)
}

type flusher struct {
	v *varied
	f http.Flusher
}

func (f flusher) Flush() {
	f.v.say()
	f.f.Flush()
}

func (f flusher) FlushError() error {
	f.v.say()
	if e, ok := f.f.(interface{ FlushError() error }); ok {
		return e.FlushError()
	}
	f.f.Flush()
	return nil
}
