package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Message is one activity for a hook. Everything in it was verified, or was read from what was.
// A hook must not change what it points to.
type Message struct {
	Activity *activity.Activity
	Body     json.RawMessage // verbatim: for forwarding and for proofs; with ByOrigin what the origin showed
	Sender   string          // verified; the activity's actor. Its handle is for who keeps the actors to prove
	By       Proof           // how that is known
	Received time.Time

	// Object is what a Create or an Update carries, from the sender's own server and not attributed to
	// anybody else; the sender's own activity in an Undo that embeds it or whose id is known here; in a Move the actor that is
	// moved to, which says so too; else nil.
	Object activity.Document
	// ObjectID is the id of the first object, whoever's it is.
	ObjectID string

	// Owner is the local actor in whose personal inbox it was, "" for the shared inbox.
	Owner string
	// To lists the local actors addressed, mentioned, or owning what is replied to, quoted, liked, shared or reported: at
	// most 100, More says if cut.
	To   []string
	More bool
	// ToFollowers says that it is also for the sender's local followers.
	ToFollowers bool
	// Alone says that a hook has run for this activity before, and that only To are newly concerned: some servers send a copy
	// to each follower's inbox.
	Alone bool
	// Featured says that an Add or a Remove is about the sender's own featured collection.
	Featured bool
	// Labels are the filter's.
	Labels []string

	// Limited says that a rule of moderation limits who said this, or whose object it shares, quotes or answers: it should show to
	// nobody who did not ask for it, by following or by having written. NoMedia says that a rule has taken attachments,
	// icons, images, previews and emoji out of it, which [Message.Body] still names: none of them is to be fetched.
	Limited, NoMedia bool

	key string // the entry's
}

// notes are what judgement found out and the hook shall know.
type notes struct {
	More        bool     `json:"more,omitempty"`
	ToFollowers bool     `json:"followers,omitempty"`
	By          Proof    `json:"by,omitempty"`
	Verdict     *Verdict `json:"verdict,omitempty"`
	// Since is when it came back from a shelf.
	Since time.Time `json:"since,omitzero"`
}

func (n notes) marshal() []byte {
	if n == (notes{}) {
		return nil
	}
	raw, err := json.Marshal(n)
	if err != nil {
		panic(err) // of these types nothing fails
	}
	return raw
}

func (c *matter) notes() []byte {
	n := notes{More: c.More, ToFollowers: c.ToFollowers, By: c.by}
	if c.verdict.Decision != Pass || c.verdict.StripMedia || c.verdict.StripTags || c.verdict.StripMentions || c.verdict.Labels != nil {
		n.Verdict = &c.verdict
	}
	return n.marshal()
}

func readNotes(raw []byte) (n notes, err error) {
	if len(raw) == 0 {
		return n, nil
	}
	return n, json.Unmarshal(raw, &n)
}

// message is c as far as it is known before the 202.
func (c *matter) message() *Message {
	return &Message{
		Activity: c.a, Body: c.body, Sender: c.sender, By: c.by, Received: c.received, ObjectID: c.a.Object.First(),
		Owner: c.owner, To: c.To, More: c.More, ToFollowers: c.ToFollowers,
	}
}

// errReview means that the filter wants somebody to look at what was proved only now.
var errReview = errors.New("held back by the filter")

// message reads an entry again and finds out what a hook may need. An error that wraps [ErrDrop] is final.
func (in *Inbox) message(ctx context.Context, e task) (*Message, error) {
	a, err := e.activity()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDrop, err)
	}
	n, err := readNotes(e.Notes)
	if err != nil {
		return nil, fmt.Errorf("%w: notes: %w", ErrDrop, err)
	}
	m := &Message{
		Activity: a, Body: e.Body, Sender: e.Sender, By: n.By, Received: e.Received, ObjectID: a.Object.First(),
		Owner: e.Owner, To: e.To, More: n.More, ToFollowers: n.ToFollowers && !e.Alone, Alone: e.Alone, key: e.Key, Object: e.object,
	}
	if m.By == ByOrigin {
		m.Object = nil
		if err := in.proveAtOrigin(ctx, m); err != nil {
			return nil, err
		}
	}
	asked := firstRef(m.Activity.Object).Raw == nil
	if err := in.readObject(ctx, m); err != nil {
		return nil, err
	}
	if !e.Alone && (m.By == ByOrigin || asked && m.Object != nil) {
		// Only now it is known what the object says.
		whom, err := in.audienceOf(ctx, m.Activity, m.Object, m.Owner)
		if err != nil {
			return nil, err
		}
		m.To, m.More, m.ToFollowers = whom.To, whom.More, whom.ToFollowers
	}
	verdict := Verdict{}
	switch {
	case n.Verdict != nil:
		verdict = *n.Verdict
	case m.By == ByOrigin && in.Filter != nil:
		if verdict, err = in.ask(ctx, m); err != nil {
			return nil, err
		}
		switch verdict.Decision {
		case Drop, Refuse:
			return nil, fmt.Errorf("%w: %w: %s", ErrDrop, ErrFiltered, verdict.Reason)
		case Hold:
			return nil, fmt.Errorf("%w: %s", errReview, verdict.Reason)
		}
	}
	if err := in.moderate(ctx, m, &verdict); err != nil {
		return nil, err
	}
	m.strip(verdict)
	return m, nil
}

// readEmbedded fills m.Object with what m carries and what may be believed of it.
func (m *Message) readEmbedded() error {
	ref, doc := firstRef(m.Activity.Object), m.Object // which may have been read before
	m.Object = nil
	if ref.Raw == nil {
		return nil
	}
	switch m.Activity.Type.String() {
	case "Create", "Update":
		if doc == nil {
			var err error
			if doc, err = ref.Document(); err != nil {
				return fmt.Errorf("%w: %w", ErrDrop, err)
			}
		}
		if err := belongs(doc, m.Sender); err != nil {
			return fmt.Errorf("%w: %w", ErrDrop, err)
		}
		m.Object = doc
	case "Undo", "Accept", "Reject":
		// What is undone was done by the sender, what is answered was asked by one of ours; authorise has seen to it.
		if inner := embedded(ref); inner != nil {
			m.Object = inner
		}
	}
	return nil
}

// readObject fills m.Object also with what has to be looked up.
func (in *Inbox) readObject(ctx context.Context, m *Message) error {
	if err := m.readEmbedded(); err != nil {
		return err
	}
	ref := firstRef(m.Activity.Object)
	switch typ := m.Activity.Type.String(); {
	case typ == "Add" || typ == "Remove":
		known, err := in.Peers.Collections(ctx, m.Sender)
		m.Featured = err == nil && known.Featured != "" && m.Activity.Target.ID == known.Featured
		return err
	case typ == "Move":
		return in.readMove(ctx, m)
	case ref.Raw != nil || ref.ID == "":
	case typ == "Create" || typ == "Update":
		doc, err := in.Peers.Fetch(ctx, ref.ID)
		if err != nil {
			return err
		}
		if err := attributed(doc, ref.ID, m.Sender); err != nil {
			return fmt.Errorf("%w: %w", ErrDrop, err)
		}
		m.Object = doc
	case typ == "Undo" || typ == "Accept" || typ == "Reject":
		return in.readFollow(ctx, m)
	}
	return nil
}

// readFollow finds the Follow that is only named. Ids are chosen by strangers: one proves nothing about the pair.
func (in *Inbox) readFollow(ctx context.Context, m *Message) error {
	f, ok, err := in.Relations.ByID(ctx, m.ObjectID)
	if err != nil || !ok {
		return err
	}
	party, before := f.Followed, true
	if m.Activity.Is("Undo") {
		// With another key it came when there was no such follow: that is a later one of the same id.
		party, before = f.Follower, m.key == pairKey(f.Follower, f.Followed)
	}
	if party == m.Sender && before {
		m.Object = f.activity()
	}
	return nil
}

// readMove looks whether the actor that is moved to agrees. FEP-7628
func (in *Inbox) readMove(ctx context.Context, m *Message) error {
	target := m.Activity.Target.ID
	if target == "" || target == m.Sender {
		return fmt.Errorf("%w: a Move to nowhere", ErrDrop)
	}
	doc, err := in.Peers.Fetch(ctx, target)
	if err != nil {
		return err
	}
	a, ok := doc.(*activity.Actor)
	if !ok || a.ID != target {
		return fmt.Errorf("%w: %s is no actor", ErrDrop, target)
	}
	for _, ref := range a.AlsoKnownAs {
		if ref.ID == m.Sender {
			m.Object = a
			return nil
		}
	}
	return fmt.Errorf("%w: %s does not say that it is also known as %s", ErrDrop, target, m.Sender)
}
