package inbox

import (
	"bytes"
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

// ServeHTTP is the shared inbox. ActivityPub §7.1.3.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { in.serve(w, r, "") }

// Personal is the inbox of one local actor, by its id. Whether there is such an actor, which is 404 or 410 if not, is
// for the caller to find out. ActivityPub §5.2.
func (in *Inbox) Personal(owner string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.serve(w, r, owner) })
}

// judge is the order of judgement, cheapest first. It returns nil for what is answered 202, whether it was kept, seen
// before or concerns nobody, and else a [Refusal].
func (in *Inbox) judge(w http.ResponseWriter, r *http.Request, owner string) error {
	ctx := r.Context()
	if err := isPost(r); err != nil { // 405, 415
		return err
	}
	done, err := in.gate.enter(r, in.MaxBody) // 503: too much at once, before a byte of it is read
	if err != nil {
		return err
	}
	defer done()
	body, err := in.readBody(w, r) // 413, 400
	if err != nil {
		return err
	}
	a, err := read(body) // 400: no JSON, too deep, no activity
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	c := &matter{a: a, body: body, sender: a.Actor.ID, owner: owner, received: time.Now()}

	if in.Ours(a.Actor.ID) { // 403
		return c.refuse(http.StatusForbidden, ErrOwn)
	}
	if err := in.allowed(ctx, c, r); err != nil { // 403: the host that claims to sign, or the actor, may not talk to us
		return err
	}
	if idle, err := in.isFarewell(ctx, c); err != nil || idle { // 202: who never met it has nothing to delete
		return err
	}
	idle, err := in.concernsNobody(ctx, c)
	if err == nil && idle {
		idle, err = in.uninvited(ctx, c, r)
	}
	if err != nil || idle { // 202: neither key nor store is touched for it
		return err
	}
	done, err = in.admitStranger(r, c) // 429, 503: too many whose keys would have to be fetched
	if err != nil {
		return err
	}
	verified, err := in.Verifier.Verify(r, body) // 401, 403, 503
	done()
	if err == nil {
		err = in.signerAllowed(ctx, c, verified) // 403, 503: another key than was claimed first
	}
	if errors.Is(err, signature.ErrKeyGone) && isSelfDelete(c.a) { // 202: it can't be signed any more; its server is asked
		c.by = ByOrigin
		return in.settle(ctx, c)
	}
	if err != nil {
		return c.refuse(statusOf(err), err)
	}
	if idle, err := in.verified(ctx, c, r, verified); err != nil || idle { // 202: it is not for us after all
		return err
	}
	if err := in.prove(ctx, c, verified.Owner); err != nil { // 401, 403, 503: signed by one and said by another
		return err
	}
	said, err := in.unwrap(ctx, c)                                  // what a group announces is judged as if it had come from its actor
	if err == nil && said == c && c.inner != nil && !c.concerns() { // no group's; 202: what it says concerns nobody
		wanted, failed := in.Wants(ctx, c.a)
		if failed != nil {
			return c.refuse(http.StatusServiceUnavailable, failed)
		}
		if !wanted {
			return nil
		}
	}
	if err == nil && said != nil {
		err = in.settle(ctx, said) // 403: not for this actor to say; 202, 403, 503 from the filter; 503: not kept
	}
	if err != nil {
		return err
	}
	if from, ok := activity.Authority(verified.Owner); ok {
		in.Heard(ctx, from, verified)
	}
	return nil
}

// settle is the part of the judgement that all ways in have in common, once it is known who said it.
func (in *Inbox) settle(ctx context.Context, c *matter) error {
	if err := in.asModerator(ctx, c); err != nil {
		return err
	}
	if err := in.mayBeSaid(ctx, c); err != nil {
		return err
	}
	if idle, err := in.othersRefused(ctx, c); err != nil || idle { // 202: of a suspended author, or a report that nobody wants
		return err
	}
	if (c.by != ByOrigin || c.shown) && !c.syncAlone { // else its content is not proved yet, and judged before the hook runs
		if drop, err := in.filter(ctx, c); err != nil || drop {
			return err
		}
	}
	return in.keep(ctx, c)
}

// mayBeSaid decides whether it is for c's sender to say that.
func (in *Inbox) mayBeSaid(ctx context.Context, c *matter) error {
	if c.moderates {
		if err := authoriseModeration(c.a); err != nil {
			return c.refuse(http.StatusForbidden, err)
		}
		return nil
	}
	if err := authorise(c.a, c.object); err != nil {
		return c.refuse(http.StatusForbidden, err)
	}
	return in.ownerAgrees(ctx, c) // of an object that is known here
}

// matter is an activity on its way through the judgement.
type matter struct {
	a        *activity.Activity
	body     []byte
	sender   string // its actor: claimed at first, then proved
	owner    string
	signer   string // the authority of the key that is said to have signed, "" if none can be read
	received time.Time
	by       Proof
	via      string // who brought it, if that is not its actor
	nobodys  bool   // it concerns nobody here
	brought  bool   // it is taken in because of who brought it
	shown    bool   // its actor's server has just shown what it says
	once     string // names what must not be concluded twice
	// sync is what the sender says of its followers at the host syncAt; with syncAlone nothing else of the request counts.
	sync      string
	syncAt    string
	syncAlone bool
	relation  bool              // it makes or presumes one with somebody here
	object    activity.Document // that is embedded, nil if none was read
	audience
	verdict Verdict

	inner     *matter // the activity that it announces, claimed
	group     string  // that announced it, or a moderator of which says it
	toMembers bool    // and for whoever follows that here
	moderates bool
	copied    bool // a group announces an object of which it may announce the Create too
}

func (c *matter) refuse(status int, err error) error {
	return &Refusal{Status: status, Activity: c.a.ID, Err: err}
}

func isPost(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &Refusal{Status: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s", r.Method)}
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return &Refusal{Status: http.StatusUnsupportedMediaType, Err: fmt.Errorf("content type %q", r.Header.Get("Content-Type"))}
	}
	return nil
}

// isJSON is generous: servers send any of these, and some send none.
func isJSON(contentType string) bool {
	switch contentType {
	case "", "application/activity+json", `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`: // nearly all
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

// maxGrown is what is taken from the memory for a body because a stranger says that it is so long.
const maxGrown = 16 << 10

func (in *Inbox) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	if size := r.ContentLength; 0 < size && size < min(maxGrown, in.MaxBody) {
		body := make([]byte, size+1)
		n, err := io.ReadFull(r.Body, body)
		switch {
		case int64(n) == size:
			return body[:n:n], nil
		case err != nil:
			return nil, &Refusal{Status: http.StatusBadRequest, Err: fmt.Errorf("read the body: %w", err)}
		}
		b.Write(body) // it is longer than that: whoever unpacked it on the way did not say so
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, in.MaxBody-int64(b.Len())))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &Refusal{Status: http.StatusRequestEntityTooLarge, Err: err}
	}
	if err != nil {
		return nil, &Refusal{Status: http.StatusBadRequest, Err: fmt.Errorf("read the body: %w", err)}
	}
	return b.Bytes(), nil
}

// read reads an activity, which shares body: nobody changes it.
func read(body []byte) (*activity.Activity, error) {
	doc, err := activity.Decoder{Sharing: true}.Decode(body)
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

// isFarewell tells whether this is the Delete of itself by an actor that nobody here knows. A server that deletes an
// account tells everyone, and there is no key to verify it with: the actor is gone.
func (in *Inbox) isFarewell(ctx context.Context, c *matter) (bool, error) {
	if !isSelfDelete(c.a) {
		return false, nil
	}
	known, err := in.Peers.Known(ctx, c.sender)
	if err == nil && !known {
		known, err = in.Wants(ctx, c.a)
	}
	if err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	return !known, nil
}

func isSelfDelete(a *activity.Activity) bool {
	return a.Type.String() == "Delete" && a.Object.First() == a.Actor.ID
}

// ownerAgrees refuses to let anyone change, delete or move what is known to be somebody else's.
func (in *Inbox) ownerAgrees(ctx context.Context, c *matter) error {
	switch c.a.Type.String() {
	case "Create", "Update", "Delete", "Remove", "Add":
	default:
		return nil
	}
	object := c.a.Object.First()
	if object == "" || object == c.sender || c.a.Type.String() == "Add" && !activity.SameAuthority(object, c.sender) {
		return nil
	}
	owner, err := in.Owner(ctx, object)
	if err != nil {
		return c.refuse(http.StatusServiceUnavailable, err)
	}
	if owner != "" && owner != c.sender {
		return c.refuse(http.StatusForbidden, fmt.Errorf("%w: %s is %s's", ErrAuthority, object, owner))
	}
	return nil
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
