package actor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// What caches are told. RFC 9111 §5.2.2.
const (
	freshDocument = "public, max-age=60"
	freshFinger   = "public, max-age=300"
	freshSite     = "public, max-age=3600"
	notKept       = "private, no-store"
)

// encoded is a body that is ready to be served.
type encoded struct {
	body     []byte
	tag      string    // its ETag
	modified time.Time // zero: not known
}

func newEncoded(body []byte, modified time.Time) *encoded {
	sum := sha256.Sum256(body)
	return &encoded{body: body, tag: `"` + hex.EncodeToString(sum[:12]) + `"`, modified: modified}
}

// serve answers with a body, and with 304 to who has it. RFC 9110 §13.
func serve(w http.ResponseWriter, r *http.Request, contentType, cacheControl string, e *encoded) {
	head := w.Header()
	head["Content-Type"] = []string{contentType}
	head["X-Content-Type-Options"] = []string{"nosniff"}
	head["Cache-Control"] = []string{cacheControl}
	head["Etag"] = []string{e.tag}
	http.ServeContent(w, r, "", e.modified, bytes.NewReader(e.body))
}

// respond answers with a status that nothing is to be remembered of.
func respond(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the one who asked has left; nobody else is to be told
	}
}

func redirect(w http.ResponseWriter, r *http.Request, to string, status int) {
	w.Header().Set("Location", to)
	respond(w, r, status, "text/plain; charset=utf-8", []byte(to+"\n"))
}

// readOnly answers requests that are neither GET nor HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	respond(w, r, http.StatusMethodNotAllowed, "application/json", []byte(`{"error":"method not allowed"}`))
	return false
}

// open lets scripts of other sites read an answer.
func open(w http.ResponseWriter) { w.Header()["Access-Control-Allow-Origin"] = []string{"*"} }

// Answer writes what [Handler.Show] came to. What anybody may see under the prefix may be cached for a
// minute; what depends on who asks, and what has its URL in common with a page of the app, is not
// cached at all, for not all caches heed Vary. A Tombstone is 410 (ActivityPub §6.4).
func (h *Handler) Answer(w http.ResponseWriter, r *http.Request, v View, err error) {
	vary := "Accept"
	if v.Private || errors.Is(err, ErrNotFound) { // what is hidden looks like what is not there
		vary = "Accept, Signature, Signature-Input"
	}
	w.Header().Set("Vary", vary)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body, err := activity.Encode(v.Document)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if v.Document.Is("Tombstone") {
		w.Header().Set("Cache-Control", notKept)
		respond(w, r, http.StatusGone, activity.ContentType, body)
		return
	}
	h.document(w, r, v.Private, newEncoded(body, modified(v.Document)))
}

// document serves an ActivityPub document. The media type is written exactly so because Lemmy (seen
// 2026-08) compares it as a string.
func (h *Handler) document(w http.ResponseWriter, r *http.Request, private bool, e *encoded) {
	cacheControl := freshDocument
	if private || !h.apart(r) {
		cacheControl = notKept
	}
	serve(w, r, activity.ContentType, cacheControl, e)
}

// apart tells whether a request's URL lies under the prefix, where no page of the app can be.
func (h *Handler) apart(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, h.Names.path())
	return ok && strings.HasPrefix(rest, "/")
}

// modified is when a document says that it was last changed. When it was published says nothing about
// changes that nobody dated.
func modified(d activity.Document) time.Time {
	switch d := d.(type) {
	case *activity.Actor:
		return d.Updated
	case *activity.Object:
		return d.Updated
	case *activity.Collection:
		return d.Updated
	case *activity.Activity:
		return d.Published // is never changed
	}
	return time.Time{}
}

// tombstone answers for an actor that is gone. ActivityPub §6.4.
func (h *Handler) tombstone(w http.ResponseWriter, r *http.Request, id string) {
	h.Answer(w, r, View{Document: &activity.Object{ID: id, Type: activity.Types{"Tombstone"}}}, nil)
}

// fail answers with the status that belongs to err, and tells no more than that.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text, wait := http.StatusServiceUnavailable, "not available now", "60"
	var bad *requestError
	var unsigned *signature.Error
	switch {
	case errors.As(err, &bad):
		status, text = http.StatusBadRequest, bad.text
	case errors.Is(err, ErrNotFound):
		status, text = http.StatusNotFound, "not found"
	case errors.Is(err, ErrGone):
		status, text = http.StatusGone, "gone"
	case errors.As(err, &unsigned):
		status, text = unsigned.Status, unsigned.Public()
		if status == http.StatusUnauthorized {
			signature.Challenge(w.Header(), r.Method)
		}
	case errors.Is(err, ErrBusy): // which is no fault
		wait = "10"
	case r.Context().Err() != nil: // nobody waits for the answer, and nothing is wrong here
	default:
		logger := h.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.ErrorContext(r.Context(), "actor: cannot answer", "path", r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", wait)
	}
	w.Header().Set("Cache-Control", notKept)
	body, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		body = []byte("{}")
	}
	respond(w, r, status, "application/json", body)
}

// requestError is a request that asks for nothing that could be there. 400.
type requestError struct{ text string }

func (e *requestError) Error() string { return "actor: " + e.text }
