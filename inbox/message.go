package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

// Message is one activity for a hook. Everything in it was verified, or was read from what was.
// A hook must not change what it points to.
type Message struct {
	Activity *activity.Activity
	Body     json.RawMessage // verbatim: for forwarding and for proofs; with ByOrigin what the origin showed
	Sender   string          // verified; the activity's actor. Its handle is for who keeps the actors to prove
	By       Proof           // how that is known
	Via      string          // who brought it and signed the request, if that is not Sender: who forwards it, or a relay
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
	// Group is the group that announced it, "" if it came from its sender; if Moderates, the one that it is said of. That the
	// group announced it says nothing of whether it is for the group: Activity.IsFor and its object's do. FEP-1b12
	Group string
	// ToMembers says that it is also for those who follow Group here.
	ToMembers bool
	// Moderates says that it is a moderator of Group who says it, of what is there and not of what is the sender's own: whose
	// object that is, is not asked. It reaches Hooks.Moderate alone.
	Moderates bool
	// Labels are the filter's.
	Labels []string

	// Quote tells of a Create or an Update whose object quotes something whether the author of that agreed; nil if it quotes
	// nothing. FEP-044f
	Quote *Quote
	// Stamp is the leave that is asked for, or that was given, refused or taken back; in [Hooks.Quote] and [Hooks.Request] its State
	// is what the author's policy says: Granted at once, or Requested, to be answered later. Else nil.
	Stamp *consent.Stamp
	// Limited says that a rule of moderation limits who said this, or whose object it shares, quotes or answers: it should show to
	// nobody who did not ask for it, by following or by having written. NoMedia says that a rule has taken attachments,
	// icons, images, previews and emoji out of it, which [Message.Body] still names: none of them is to be fetched.
	Limited, NoMedia bool

	key string // the entry's
}

// Quote is what an object quotes.
type Quote struct {
	ID            string // of what is quoted
	Approved      bool   // its author is the same, or gave leave that was verified
	Authorization string // the document that gives leave; "" if there is none, or none is needed
	Unsure        bool   // it could not be found out now whether leave was given; until it is, there is none
}

// notes are what judgement found out and the hook shall know.
type notes struct {
	More        bool   `json:"more,omitempty"`
	ToFollowers bool   `json:"followers,omitempty"`
	By          Proof  `json:"by,omitempty"`
	Via         string `json:"via,omitempty"`
	// Shown says that the origin showed the body before it was kept.
	Shown bool `json:"shown,omitempty"`
	// Sync is what the sender said of its followers at the host SyncAt. With SyncAlone the entry is there for that alone.
	Sync      string   `json:"sync,omitempty"`
	SyncAt    string   `json:"syncAt,omitempty"`
	SyncAlone bool     `json:"syncAlone,omitempty"`
	Verdict   *Verdict `json:"verdict,omitempty"`
	Group     string   `json:"group,omitempty"`
	ToMembers bool     `json:"members,omitempty"`
	Moderates bool     `json:"moderates,omitempty"`
	Copy      bool     `json:"copy,omitempty"`   // wait for the Create
	Proved    bool     `json:"proved,omitempty"` // the body is what the origin showed
	// Since is when it came back from a shelf.
	Since time.Time `json:"since,omitzero"`
	// Trace is that of the request: see Observer.
	Trace string `json:"trace,omitempty"`
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

func (c *matter) notes(trace string) []byte {
	n := notes{
		More: c.More, ToFollowers: c.ToFollowers, By: c.by, Via: c.via, Shown: c.shown, Sync: c.sync, SyncAt: c.syncAt, SyncAlone: c.syncAlone,
		Group: c.group, ToMembers: c.toMembers, Moderates: c.moderates, Copy: c.copied, Trace: trace,
	}
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
		Activity: c.a, Body: c.body, Sender: c.sender, By: c.by, Via: c.via, Received: c.received, ObjectID: c.a.Object.First(),
		Owner: c.owner, To: c.To, More: c.More, ToFollowers: c.ToFollowers, Group: c.group, ToMembers: c.toMembers, Moderates: c.moderates,
	}
}

// errReview means that the filter wants somebody to look at what was proved only now.
var errReview = errors.New("held back by the filter")

// errSynchronised says that nothing more is to be done with an entry.
var errSynchronised = fmt.Errorf("%w: only its followers counted", ErrDrop)

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
	if n.Copy {
		return nil, in.afterCopyWait(ctx, e, a, n)
	}
	m := &Message{
		Activity: a, Body: e.Body, Sender: e.Sender, By: n.By, Via: n.Via, Received: e.Received, ObjectID: a.Object.First(),
		Owner: e.Owner, To: e.To, More: n.More, ToFollowers: n.ToFollowers && !e.Alone, Alone: e.Alone, key: e.Key, Object: e.object,
		Group: n.Group, ToMembers: n.ToMembers && !e.Alone, Moderates: n.Moderates,
	}
	if n.Sync != "" && in.Synchronise != nil {
		in.Synchronise(ctx, m.Sender, n.SyncAt, n.Sync)
	}
	if n.SyncAlone {
		return nil, errSynchronised
	}
	if m.By == ByOrigin && !n.Shown && !n.Proved {
		m.Object = nil
		if err := in.proveAtOrigin(ctx, m); err != nil {
			return nil, err
		}
		if n.Group != "" {
			if err := in.afterProof(ctx, e, a, m, n); err != nil {
				return nil, err
			}
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
	case m.By == ByOrigin && !n.Shown && in.Filter != nil:
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
	if ref.Raw == nil || m.Moderates {
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
	case m.Moderates:
		return in.readModeration(ctx, m)
	case typ == "Add" || typ == "Remove":
		known, err := in.Peers.Collections(ctx, m.Sender)
		m.Featured = err == nil && known.Featured != "" && m.Activity.Target.ID == known.Featured
		return err
	case typ == "Move":
		return in.readMove(ctx, m)
	case ref.Raw != nil || ref.ID == "":
	case typ == "Create" || typ == "Update":
		doc, err := in.fetch(ctx, ref.ID)
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
