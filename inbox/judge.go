package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// Refusal is why a request was not taken in, with the status that it was answered.
type Refusal struct {
	Status   int
	Activity string // its id, "" where it could not be read
	Err      error
}

func (e *Refusal) Error() string {
	if e.Activity == "" {
		return fmt.Sprintf("inbox: %v", e.Err)
	}
	return fmt.Sprintf("inbox: activity %s: %v", e.Activity, e.Err)
}

func (e *Refusal) Unwrap() error { return e.Err }

// Reasons that a [Refusal] may wrap, beside those of packages signature and moderation.
var (
	ErrMalformed = errors.New("not an activity")
	ErrAuthority = errors.New("not the sender's to say")
	ErrOwn       = errors.New("an actor of this server does not come in from outside")
)

// ServeHTTP is the shared inbox. ActivityPub §7.1.3.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { in.serve(w, r, "") }

// Personal is the inbox of one local actor, by its id. Whether there is such an actor is
// for the caller to find out. ActivityPub §5.2.
func (in *Inbox) Personal(owner string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.serve(w, r, owner) })
}

func (in *Inbox) serve(w http.ResponseWriter, r *http.Request, owner string) {
	err := in.judge(w, r, owner)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	refusal := &Refusal{Status: http.StatusServiceUnavailable, Err: err}
	errors.As(err, &refusal)
	level := in.Logger.InfoContext
	if refusal.Status == http.StatusServiceUnavailable {
		level = in.Logger.WarnContext
		w.Header().Set("Retry-After", "60")
	}
	level(r.Context(), "inbox: refused", "status", refusal.Status, "activity", refusal.Activity, "error", refusal.Err)
	switch refusal.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		signature.Challenge(w.Header(), r.Method)
	}
	http.Error(w, http.StatusText(refusal.Status), refusal.Status)
}

// judge is the order of judgement, cheapest first. It returns nil for what is answered 202.
func (in *Inbox) judge(w http.ResponseWriter, r *http.Request, owner string) error {
	ctx := r.Context()
	if r.Method != http.MethodPost {
		return &Refusal{Status: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s", r.Method)}
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return &Refusal{Status: http.StatusUnsupportedMediaType, Err: fmt.Errorf("content type %q", r.Header.Get("Content-Type"))}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, in.MaxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return &Refusal{Status: http.StatusRequestEntityTooLarge, Err: err}
		}
		return &Refusal{Status: http.StatusBadRequest, Err: fmt.Errorf("read the body: %w", err)}
	}

	a, err := read(body)
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	refuse := func(status int, err error) error { return &Refusal{Status: status, Activity: a.ID, Err: err} }

	// A server that deletes an account tells everyone; who never met it has nothing to delete, and
	// no key to verify this with: it is gone.
	if a.Is("Delete") && a.Object.First() == a.Actor.ID {
		known, err := in.Peers.Known(ctx, a.Actor.ID)
		if err != nil {
			return refuse(http.StatusServiceUnavailable, err)
		}
		if !known {
			return nil
		}
	}

	if activity.SameAuthority(a.Actor.ID, in.Origin) {
		return refuse(http.StatusForbidden, ErrOwn)
	}
	if err := in.allowed(ctx, a, r, owner); err != nil {
		return refuse(statusOf(err), err)
	}
	verified, err := in.Verifier.Verify(r, body)
	if err != nil {
		return refuse(statusOf(err), err)
	}
	// What somebody else signed is at best hearsay.
	if verified.Owner != a.Actor.ID {
		return refuse(http.StatusForbidden, fmt.Errorf("%w: signed by %s, said by %s", ErrAuthority, verified.Owner, a.Actor.ID))
	}
	if err := authorise(a); err != nil {
		return refuse(http.StatusForbidden, err)
	}

	if err := in.Peers.Trust(ctx, verified.Owner); err != nil {
		return refuse(http.StatusServiceUnavailable, err)
	}
	if from, ok := activity.Authority(verified.Owner); ok {
		in.Heard(ctx, from, verified)
	}
	return in.keep(ctx, Entry{
		Mark: MarkOf(verified.Owner, a.Type.String(), a.ID, body), Key: orderKey(a),
		Sender: verified.Owner, Owner: owner, Body: body, Received: time.Now(),
	}, a.ID)
}

// keep puts e into the journal: after this it may be answered 202.
func (in *Inbox) keep(ctx context.Context, e Entry, id string) error {
	seen, err := in.Journal.Append(ctx, e, in.MaxJournal)
	if err != nil {
		return &Refusal{Status: http.StatusServiceUnavailable, Activity: id, Err: err}
	}
	if seen {
		in.Logger.DebugContext(ctx, "inbox: seen before", "activity", id, "actor", e.Sender)
		return nil
	}
	in.wake()
	return nil
}

func (in *Inbox) wake() {
	select {
	case in.arrived <- struct{}{}:
	default:
	}
}

// Deliver takes in what a local actor says to others here, which needs no signature: it is called by
// the outbox of this server and must be reachable by nobody else. Body is the activity, sender its actor.
func (in *Inbox) Deliver(ctx context.Context, sender string, body []byte) error {
	a, err := read(body)
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	if a.Actor.ID != sender || !activity.SameAuthority(sender, in.Origin) {
		return &Refusal{Status: http.StatusForbidden, Activity: a.ID, Err: ErrAuthority}
	}
	return in.keep(ctx, Entry{
		Mark: MarkOf(sender, a.Type.String(), a.ID, body), Key: orderKey(a),
		Sender: sender, Body: body, Received: time.Now(),
	}, a.ID)
}

// allowed asks the policy about the host that claims to sign and the actor that claims to speak, before
// anything is fetched from either.
func (in *Inbox) allowed(ctx context.Context, a *activity.Activity, r *http.Request, owner string) error {
	q := moderation.Question{Purpose: moderation.Receive, Actor: a.Actor.ID, Local: owner, Type: a.Type.String()}
	if keyID, err := signature.KeyID(r); err == nil {
		q.Host, _ = activity.Authority(keyID)
	}
	v, err := in.Policy.Judge(ctx, q)
	if err != nil {
		return err
	}
	if v.Refuse {
		return moderation.ErrRefused
	}
	return nil
}

func read(body []byte) (*activity.Activity, error) {
	doc, err := activity.Decode(body)
	if err != nil {
		return nil, err
	}
	a, ok := doc.(*activity.Activity)
	if !ok {
		return nil, fmt.Errorf("%w: %T", ErrMalformed, doc)
	}
	if len(a.Type) == 0 {
		return nil, fmt.Errorf("%w: no type", ErrMalformed)
	}
	if _, ok := activity.Authority(a.Actor.ID); !ok {
		return nil, fmt.Errorf("%w: actor is %q", ErrMalformed, a.Actor.ID)
	}
	return a, nil
}

// isJSON is generous: servers send any of these, and some send none.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch mediaType {
	case "application/activity+json", "application/ld+json", "application/json":
		return true
	}
	return false
}

func statusOf(err error) int {
	if bad := (*signature.Error)(nil); errors.As(err, &bad) {
		return bad.Status
	}
	if errors.Is(err, moderation.ErrRefused) {
		return http.StatusForbidden
	}
	return http.StatusServiceUnavailable
}
