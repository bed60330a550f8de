package fedihook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// Groups says how the app's communities work: the users whose Profile.Type is "Group". What is said to one in public, by being
// addressed or mentioned, it announces to its followers, byte for byte as it came, and posts once more by their id for servers
// that read no announced activities, Mastodon among them. It goes on to announce what becomes of that: edits, deletions, votes that are
// said to it, and what its moderators do. Of what comes from one server it announces 300 activities in a minute, and 1,500 in all,
// and leaves out what is more. It never announces what another group or an Announce brought, nor what is not for
// everyone. Its zero value is a group of no moderators where everybody may speak. FEP-1b12
//
// What others said it keeps for a day, or until its author deletes it, and what it announced last, 100 activities, for its outbox. Who did what
// it remembers for 30 days, an Undo of a vote therefore no longer; and who made which post for a year, of one server and one day the first
// 1,000 posts, of all 5,000: an edit or a deletion goes that long where the post went.
//
// The app keeps who is a moderator and who is banned. A moderator from elsewhere changes it through Hooks.Moderate: a Block
// or its Undo with the group as target, an Add or a Remove whose target is the group's collection of moderators, or of what is
// featured, which Collections.Featured lists.
type Groups struct {
	// Admit is asked last whether a group, by its actor id, announces m, after the app's own hook for m has run; m.Moderates
	// tells a moderator's act. An error that wraps inbox.ErrDrop or inbox.ErrRefuse says no, any other that it is asked again
	// later, the hook too. Nil: all is announced.
	Admit func(ctx context.Context, group string, m *inbox.Message) error
	// Moderators lists the ids of a group's moderators, wherever they are. The first 100 are shown to everyone. Nil: there are
	// none.
	Moderators func(ctx context.Context, group string) ([]string, error)
	// Banned tells whether an actor may not speak in a group. Nil: nobody is banned.
	Banned func(ctx context.Context, group, actorID string) (bool, error)
	// FollowersOnly says that only followers of a group, and its moderators, may speak in it.
	FollowersOnly bool
}

const (
	maxModerators = 100
	// Each activity that is announced goes to all followers of a group and is kept.
	maxShares   = 300   // in a minute, of what is said on one server
	maxSharesIn = 1_500 // in a minute, in one group
)

// moderated shows where the moderators of groups are listed.
func moderated(profile func(context.Context, string) (actor.Profile, error), names actor.Names) func(context.Context, string) (actor.Profile, error) {
	return func(ctx context.Context, handle string) (actor.Profile, error) {
		p, err := profile(ctx, handle)
		if err == nil && p.Type == "Group" && p.Moderators == "" {
			id := p.ID
			if id == "" {
				id = names.Actor(p.Handle)
			}
			p.Moderators = names.Collection(id, p.Handle, "moderators")
		}
		return p, err
	}
}

// moderatorsPage lists a group's moderators.
func (s *Server) moderatorsPage(ctx context.Context, q actor.Query) (actor.Page, error) {
	kind, handle, _ := s.names.Parse(strings.TrimSuffix(q.ID, "/moderators"))
	if kind != actor.KindActor {
		return actor.Page{}, fmt.Errorf("fedihook: %s: %w", q.ID, actor.ErrNotFound)
	}
	p, err := s.profile(ctx, handle)
	if err == nil && (p.Type != "Group" || p.Moderators != q.ID || q.Cursor != "") {
		err = fmt.Errorf("fedihook: moderators of %q: %w", handle, actor.ErrNotFound)
	}
	if err != nil {
		return actor.Page{}, err
	}
	list, err := s.moderators(ctx, p.ID)
	if err != nil {
		return actor.Page{}, err
	}
	page := actor.Page{Total: int64(len(list)), Whole: true}
	for _, id := range list[:min(len(list), maxModerators)] {
		page.Items = append(page.Items, activity.IRI(id))
	}
	return page, nil
}

func (s *Server) moderators(ctx context.Context, group string) ([]string, error) {
	if s.config.Groups == nil || s.config.Groups.Moderators == nil {
		return nil, nil
	}
	return s.config.Groups.Moderators(ctx, group)
}

// groups is what the inbox is told of groups.
type groups Server

// Group describes an actor of whom the inbox knows that it spoke, or one here.
func (g *groups) Group(ctx context.Context, id string) (inbox.Group, bool, error) {
	s := (*Server)(g)
	if s.names.Ours(id) {
		p, ok, err := s.localGroup(ctx, id)
		return inbox.Group{ID: id, Moderators: p.Moderators, Featured: p.Featured, Local: true}, ok, err
	}
	a, err := s.resolver.Actor(ctx, id)
	if err != nil || !a.Is("Group") || a.ID != id {
		if final(err) {
			err = nil
		}
		return inbox.Group{}, false, err
	}
	out := inbox.Group{ID: id, Moderators: a.AttributedTo.First(), Featured: a.Featured.ID}
	if out.Moderators == "" {
		out.Moderators = a.Moderators.ID
	}
	return out, true, nil
}

// localGroup finds a group of this site. Ok is false if there is none, or if groups are no communities here.
func (s *Server) localGroup(ctx context.Context, id string) (p actor.Profile, ok bool, err error) {
	if s.config.Groups == nil {
		return p, false, nil
	}
	p, ok, err = s.handler.Local(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return p, false, nil
	}
	if p.Featured == "" && s.config.Collections.Featured != nil {
		p.Featured = s.names.Featured(p.ID, p.Handle)
	}
	return p, ok && p.Type == "Group", err
}

// Moderates reads the group's collection.
func (g *groups) Moderates(ctx context.Context, group inbox.Group, actorID string) (bool, error) {
	s := (*Server)(g)
	if group.Local {
		list, err := s.moderators(ctx, group.ID)
		return slices.Contains(list, actorID), err
	}
	if !activity.SameAuthority(group.Moderators, group.ID) {
		return false, nil
	}
	r := s.resolver.Within(&actor.Budget{Requests: 8, Bytes: 4 << 20})
	for ref, err := range r.Collection(ctx, group.Moderators, actor.Caps{}) {
		if err != nil {
			if final(err) || errors.Is(err, actor.ErrCut) {
				err = nil
			}
			return false, err
		}
		if ref.ID == actorID {
			return true, nil
		}
	}
	return false, nil
}

// Posted looks at what was published.
func (g *groups) Posted(ctx context.Context, objectID, group string) (bool, error) {
	v, err := (*Server)(g).published(ctx, objectID)
	return slices.Contains(v.audience, group), err
}

// Share announces m in those groups here that it is for.
func (g *groups) Share(ctx context.Context, m *inbox.Message) error {
	s := (*Server)(g)
	if s.config.Groups == nil || !shareable(m) {
		return nil
	}
	about, ids, author, err := s.groupsFor(ctx, m)
	if err != nil {
		return err
	}
	if author != "" && author != m.Sender && !m.Moderates && (m.Activity.Is("Update") || m.Activity.Is("Delete")) {
		return nil // not its to change
	}
	for _, id := range ids {
		p, ok, err := s.localGroup(ctx, id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := s.admit(ctx, p, m); err != nil {
			if !errors.Is(err, inbox.ErrDrop) && !errors.Is(err, inbox.ErrRefuse) {
				return err
			}
			s.config.Logger.InfoContext(ctx, "fedihook: not announced", "activity", m.Activity.ID, "actor", m.Sender, "group", id, "error", err)
			continue
		}
		if from, _ := activity.Authority(m.Sender); !m.Moderates && (!s.saidBy.take(from, 1) || !s.saidIn.take(id, 1)) {
			s.config.Logger.WarnContext(ctx, "fedihook: too much in a minute, not announced", "activity", m.Activity.ID, "host", from, "group", id)
			continue
		}
		if err := s.announceIn(ctx, id, about, m); err != nil {
			return err
		}
	}
	return nil
}

// shareable tells whether a group may announce m: with an id, and nothing that only some are to know.
func shareable(m *inbox.Message) bool {
	a := m.Activity
	if a.ID == "" || len(a.BTo)+len(a.BCC) > 0 {
		return false
	}
	switch a.Type.String() {
	case "Create", "Update":
		o, ok := m.Object.(*activity.Object)
		if !ok {
			return m.Moderates
		}
		return len(o.BTo)+len(o.BCC) == 0 && o.IsFor(activity.Public) && (len(a.Recipients()) == 0 || a.IsFor(activity.Public))
	case "Flag":
		return false // for moderators' eyes
	case "Undo":
		undone, ok := m.Object.(*activity.Activity)
		return ok && !undone.Is("Follow") && !undone.Is("Announce")
	case "Add", "Remove", "Block", "Lock":
		return m.Moderates
	}
	return true
}

// groupsFor lists the groups that m is for: of a Create whom it is said to, of what becomes of an object those that have announced
// that, and a vote says itself to which. About is the object, and author who made it, as far as they announced it.
func (s *Server) groupsFor(ctx context.Context, m *inbox.Message) (about string, ids []string, author string, err error) {
	about = m.ObjectID
	undone, _ := m.Object.(*activity.Activity)
	if undone != nil {
		about = undone.Object.First()
	}
	switch {
	case m.Moderates:
		return about, []string{m.Group}, "", nil
	case m.Activity.Is("Create"):
		return about, m.To, "", nil
	}
	told, author, err := s.outbox.Wrapped(ctx, about)
	if err != nil {
		return "", nil, "", err
	}
	for _, id := range told {
		known := m.Activity.Is("Update") || m.Activity.Is("Delete") || slices.Contains(m.To, id)
		if undone != nil { // of a Like, say, that it has announced
			if known, err = s.outbox.HasWrapped(ctx, id, undone.ID); err != nil {
				return "", nil, "", err
			}
		}
		if known {
			ids = append(ids, id)
		}
	}
	return about, ids, author, nil
}

// admit decides whether a group announces m.
func (s *Server) admit(ctx context.Context, group actor.Profile, m *inbox.Message) error {
	no := func(why string) error {
		return fmt.Errorf("%w: %s may not say %s in %s: %s", inbox.ErrDrop, m.Sender, m.Activity.ID, group.ID, why)
	}
	list, err := s.moderators(ctx, group.ID)
	if err != nil {
		return err
	}
	moderator := slices.Contains(list, m.Sender)
	if ban := s.config.Groups.Banned; ban != nil && !moderator {
		banned, err := ban(ctx, group.ID, m.Sender)
		if err != nil {
			return err
		}
		if banned && !m.Activity.Is("Delete") && !m.Activity.Is("Undo") { // what is taken back is gone everywhere
			return no("banned")
		}
	}
	if begins(m) && group.PostingRestrictedToMods && !moderator {
		return no("only moderators begin threads")
	}
	if s.config.Groups.FollowersOnly && !moderator && !m.Activity.Is("Delete") && !m.Activity.Is("Undo") {
		f, err := s.config.Storage.Followers.Follow(ctx, m.Sender, group.ID)
		if errors.Is(err, actor.ErrNotFound) || err == nil && f.State != actor.Accepted {
			return no("no follower")
		}
		if err != nil {
			return err
		}
	}
	if s.config.Groups.Admit == nil {
		return nil
	}
	return s.config.Groups.Admit(ctx, group.ID, m)
}

// begins tells whether m begins a thread.
func begins(m *inbox.Message) bool {
	o, ok := m.Object.(*activity.Object)
	return ok && m.Activity.Is("Create") && o.InReplyTo.IsZero()
}

// announceIn makes a group announce m, and the post that it brings, or no longer the one that it takes away.
func (s *Server) announceIn(ctx context.Context, group, about string, m *inbox.Message) error {
	if _, err := s.outbox.Wrap(ctx, group, m.Activity, m.Body); err != nil {
		return err
	}
	switch {
	case begins(m):
		_, err := s.outbox.Share(ctx, group, about)
		return err
	case m.Activity.Is("Delete"):
		return s.outbox.Unshare(ctx, group, about)
	}
	return nil
}
