package inbox

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fedihook/fedihook/signature"
)

// Refusal is why a request was not taken in, with the status that it was answered.
type Refusal struct {
	Status   int
	Activity string // its id, "" where it could not be read
	Err      error
}

// Error names the activity, where its id is known, and the reason.
func (e *Refusal) Error() string {
	if e.Activity == "" {
		return fmt.Sprintf("inbox: %v", e.Err)
	}
	return fmt.Sprintf("inbox: activity %s: %v", e.Activity, e.Err)
}

// Unwrap returns the reason.
func (e *Refusal) Unwrap() error { return e.Err }

// Reasons that a [Refusal] may wrap, beside those of packages signature and moderation.
var (
	ErrMalformed = errors.New("not an activity")
	ErrAuthority = errors.New("not the sender's to say")
	ErrOwn       = errors.New("an actor of this server does not come in from outside")
	ErrBusy      = errors.New("too much at once")
	ErrFiltered  = errors.New("refused by the filter")
)

// retryAfter is how many seconds later to come again after 429 and 503.
const retryAfter = 60

// answer judges a request and answers it. It returns why it was not taken in, nil if it was.
func (in *Inbox) answer(w http.ResponseWriter, r *http.Request, owner string) *Refusal {
	err := in.judge(w, r, owner)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	refusal := &Refusal{Status: http.StatusServiceUnavailable, Err: err}
	errors.As(err, &refusal)
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, ErrBusy):
		in.sayBusy(r.Context(), refusal.Err) // once a minute: it is said when there is least time to say it
	case refusal.Status == http.StatusServiceUnavailable:
		in.Logger.WarnContext(r.Context(), "inbox: can't decide now", "activity", refusal.Activity, "error", refusal.Err)
	default:
		in.Logger.InfoContext(r.Context(), "inbox: refused", "status", refusal.Status, "activity", refusal.Activity, "error", refusal.Err)
	}
	switch refusal.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		signature.Challenge(w.Header(), r.Method)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	http.Error(w, http.StatusText(refusal.Status), refusal.Status)
	return refusal
}
