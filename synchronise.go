package fedihook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
)

const (
	// maxSynchronised is of how many followers a digest is made, as Mastodon does since 4.6.
	maxSynchronised = 25_000
	// synchroniseEvery is how often one sender's followers are compared.
	synchroniseEvery = time.Minute
	// maxComparisons wait to be made, and as many senders are remembered.
	maxComparisons = 1000
	// maxStrays bounds how many follows that nobody here knows of are undone in one comparison.
	maxStrays = 100

	maxPages, maxPageBytes = 10, 4 << 20

	synchronisationSuffix = "_synchronization"
	// toFollowers marks, behind the actor in delivery.Activity.Sender, what is for followers and not for everyone.
	toFollowers = "followers"
)

// Prepare adds the Collection-Synchronization field to what followers alone are sent, before it is signed: the signature covers
// it. A delivery.Queue that the app brings takes it as its Prepare. Who can't tell now sends without. FEP-8fcf
func (s *Server) Prepare(ctx context.Context, r *http.Request, a delivery.Activity) error {
	id, mark, _ := strings.Cut(a.Sender, " ")
	if mark != toFollowers || s.config.NoSynchronisation || !s.names.Ours(id) {
		return nil
	}
	authority, ok := activity.Authority(r.URL.String())
	if !ok {
		return nil
	}
	d, err := s.digests.of(ctx, id)
	if err != nil {
		s.config.Logger.WarnContext(ctx, "fedihook: digest of followers", "actor", id, "error", err)
		return nil
	}
	if d.collection == "" {
		return nil
	}
	r.Header.Set("Collection-Synchronization", actor.Synchronisation{
		CollectionID: d.collection, URL: d.collection + synchronisationSuffix, Digest: d.byAuthority[authority],
	}.String())
	return nil
}

// digestsOf makes the digests of an actor's followers. Of too many there is none.
func (s *Server) digestsOf(ctx context.Context, id string) (d digests, err error) {
	p, ok, err := s.handler.Local(ctx, id)
	if err != nil || !ok || id == s.names.Instance() {
		return d, err
	}
	d.byAuthority = make(map[string]actor.FollowersDigest)
	n := 0
	for f, err := range s.followersOf(ctx, id) {
		if err != nil {
			return digests{}, err
		}
		if n++; n > maxSynchronised {
			return digests{}, nil
		}
		if authority, ok := activity.Authority(f.Follower); ok {
			sum := d.byAuthority[authority]
			sum.Add(f.Follower)
			d.byAuthority[authority] = sum
		}
	}
	d.collection = s.names.Followers(p.ID, p.Handle)
	return d, nil
}

func (s *Server) followersOf(ctx context.Context, id string) func(yield func(actor.Follow, error) bool) {
	return actor.All(ctx, s.config.Storage.Followers, actor.FollowQuery{Followed: id, State: actor.Accepted, Limit: 1000})
}

// serveSynchronisation tells a server that signs which of an actor's followers are on it, and nobody anything else. FEP-8fcf
func (s *Server) serveSynchronisation(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=0, private")
	w.Header().Set("Vary", "Accept, Signature, Signature-Input")
	if s.config.NoSynchronisation {
		s.fail(w, r, actor.ErrNotFound)
		return
	}
	asker, err := s.asker(r)
	if err != nil {
		s.handler.Answer(w, r, actor.View{Private: true}, err)
		return
	}
	ctx := r.Context()
	if err := s.walks.Acquire(ctx, 1); err != nil {
		s.fail(w, r, err)
		return
	}
	defer s.walks.Release(1)
	p, err := s.profileAt(r, actor.KindFollowers, synchronisationSuffix)
	var body []byte
	if err == nil {
		body, err = s.synchronisation(ctx, p, asker)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", activity.ContentType)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who is not there any more needs no answer
	}
}

// synchronisation lists the followers of p who are on asker's server.
func (s *Server) synchronisation(ctx context.Context, p actor.Profile, asker string) ([]byte, error) {
	list, n := activity.List{}, 0
	for f, err := range s.followersOf(ctx, p.ID) {
		if err != nil {
			return nil, err
		}
		if n++; n > maxSynchronised {
			return nil, fmt.Errorf("fedihook: more than %d followers: %w", maxSynchronised, actor.ErrNotFound)
		}
		if activity.SameAuthority(f.Follower, asker) {
			list = append(list, activity.IRI(f.Follower))
		}
	}
	total := int64(len(list))
	return activity.Encode(&activity.Collection{
		ID: s.names.Followers(p.ID, p.Handle) + synchronisationSuffix, Type: activity.Types{activity.TypeOrderedCollection},
		TotalItems: &total, OrderedItems: list,
	})
}

// comparison is what a sender said of its followers on one of the site's origins.
type comparison struct{ sender, origin, field string }

// compareLater is the inbox's Synchronise: what there is no time or no room for comes again with the next post.
func (s *Server) compareLater(ctx context.Context, sender, host, field string) {
	origin := s.names.Origin
	if authority, ok := activity.Authority(s.scheme() + "://" + host); ok && s.names.Has(authority) {
		origin = s.scheme() + "://" + authority
	}
	if !s.compared.first(sender + " " + origin) {
		return
	}
	select {
	case s.comparisons <- comparison{sender, origin, field}:
	default:
		s.config.Logger.InfoContext(ctx, "fedihook: too many followers to compare", "actor", sender)
	}
}

// compareFollowers makes comparisons until ctx ends, two at a time.
func (s *Server) compareFollowers(ctx context.Context) error {
	var g errgroup.Group
	for range 2 {
		g.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case c := <-s.comparisons:
					if err := s.compare(ctx, c); err != nil && ctx.Err() == nil {
						s.config.Logger.InfoContext(ctx, "fedihook: followers not compared", "actor", c.sender, "error", err)
					}
				}
			}
		})
	}
	return g.Wait()
}

// compare finds out whether a sender means the same followers here as we do, and mends what differs: who is not on its list
// follows no more, but only if the list is what its digest says; who is and was not answered was accepted; and who is and
// never asked takes that back. FEP-8fcf
func (s *Server) compare(ctx context.Context, c comparison) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	said, err := actor.ParseSynchronisation(c.field)
	if err != nil {
		return err
	}
	known, err := s.peers.Collections(ctx, c.sender)
	if err != nil {
		return err
	}
	if known.Followers == "" || said.CollectionID != known.Followers || !activity.SameAuthority(said.URL, c.sender) {
		return fmt.Errorf("fedihook: %s with %s: %w", said.CollectionID, said.URL, actor.ErrSynchronisation)
	}
	here, digest, err := s.followersHere(ctx, c.sender, c.origin)
	if err != nil || digest == said.Digest {
		return err
	}
	as := s.resolver
	if c.origin != s.names.Origin { // whoever asks is shown who is on the same host
		if len(here) == 0 {
			return nil
		}
		as = as.As(s.keyOf(here[0].Follower))
	}
	listed, fetched, err := listed(ctx, as, c.origin, said.URL)
	if err != nil {
		return err
	}
	for _, f := range here {
		typ := ""
		switch there := listed[f.Follower]; {
		case there && f.State == actor.Pending:
			typ = activity.TypeAccept
		case !there && f.State == actor.Accepted && fetched == said.Digest:
			typ = activity.TypeReject
		}
		delete(listed, f.Follower)
		if typ == "" {
			continue
		}
		if err := s.concludeFollow(ctx, typ, f); err != nil {
			return err
		}
	}
	return s.undoStrays(ctx, c.sender, listed)
}

// followersHere lists who on an origin of ours follows an actor elsewhere, or asked to, and the digest of those who do.
func (s *Server) followersHere(ctx context.Context, id, origin string) (list []actor.Follow, d actor.FollowersDigest, err error) {
	n := 0
	for f, err := range actor.All(ctx, s.config.Storage.Followers, actor.FollowQuery{Followed: id, Limit: 1000}) {
		if err != nil {
			return nil, d, err
		}
		if n++; n > maxSynchronised {
			return nil, d, fmt.Errorf("fedihook: more than %d follow %s: %w", maxSynchronised, id, actor.ErrSynchronisation)
		}
		if !activity.SameAuthority(f.Follower, origin) {
			continue
		}
		if list = append(list, f); f.State == actor.Accepted {
			d.Add(f.Follower)
		}
	}
	return list, d, nil
}

// listed fetches the followers whom another server says to have on an origin of ours, and makes the digest of all that it lists.
func listed(ctx context.Context, as *actor.Resolver, origin, address string) (ours map[string]bool, d actor.FollowersDigest, err error) {
	ours, all := make(map[string]bool), make(map[string]bool)
	r := as.Within(&actor.Budget{Requests: maxPages + 1, Bytes: maxPageBytes})
	for item, err := range r.Collection(ctx, address, actor.Caps{Pages: maxPages, Items: maxSynchronised, Bytes: maxPageBytes}) {
		if err != nil {
			return nil, d, err
		}
		if all[item.ID] {
			continue
		}
		all[item.ID] = true
		if d.Add(item.ID); activity.SameAuthority(item.ID, origin) {
			ours[item.ID] = true
		}
	}
	return ours, d, nil
}

// concludeFollow has the inbox do what an Accept or a Reject of f would.
func (s *Server) concludeFollow(ctx context.Context, typ string, f actor.Follow) error {
	err := s.inbox.Conclude(ctx, &activity.Activity{
		Type: activity.Types{typ}, Actor: activity.IRI(f.Followed), To: activity.To(f.Follower),
		Object: activity.Refs{activity.Embed(activity.Follow(f.ID, f.Follower, f.Followed))},
	}, "", "")
	if refusal := (*inbox.Refusal)(nil); errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable {
		s.config.Logger.InfoContext(ctx, "fedihook: not concluded", "type", typ, "actor", f.Followed, "follower", f.Follower, "error", err)
		return nil
	}
	return err
}

// undoStrays takes back the follows of an actor elsewhere that nobody here asked for, or has forgotten.
func (s *Server) undoStrays(ctx context.Context, followed string, followers map[string]bool) error {
	ids := make([]string, 0, len(followers))
	for id := range followers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids[:min(len(ids), maxStrays)] {
		p, ok, err := s.handler.Local(ctx, id)
		if errors.Is(err, actor.ErrGone) || err == nil && (!ok || p.ID == s.names.Instance()) {
			continue // nobody can sign for it
		}
		if err != nil {
			return err
		}
		_, err = s.config.Storage.Followers.Follow(ctx, id, followed) // it may have been said meanwhile
		if err == nil {
			continue
		}
		if !errors.Is(err, actor.ErrNotFound) {
			return err
		}
		if err := s.undoStray(ctx, id, followed); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) undoStray(ctx context.Context, follower, followed string) error {
	address, _, err := s.resolver.Inboxes(ctx, followed)
	if err != nil {
		return err
	}
	// Both ids are made up, the same each time: the queue takes it once a week.
	key := hashed(follower, followed)
	undo := activity.Undo(s.activityID(follower, "undo-stray-"+key), activity.Follow(s.activityID(follower, "stray-"+key), follower, followed))
	undo.To = activity.To(followed)
	s.config.Logger.InfoContext(ctx, "fedihook: a follow that nobody here knows of is undone", "actor", followed, "follower", follower)
	return s.postAs(ctx, follower, follower+" "+followed, undo, address)
}

// postAs posts what a local actor says to one inbox, past the outbox: it is not kept among what was said. Doing it twice sends
// it once. Key orders it among what has the same.
func (s *Server) postAs(ctx context.Context, sender, key string, a *activity.Activity, address string) error {
	body, err := activity.Encode(a)
	if err != nil {
		return fmt.Errorf("fedihook: %s: %w", a.ID, err)
	}
	_, err = s.queue.Enqueue(ctx, nil, delivery.Activity{
		ID: a.ID, Sender: sender, Key: key, Class: delivery.Interactive, Body: body,
	}, slices.Values([]delivery.Target{{Inbox: address}}))
	return err
}

// hashed is short and the same for the same words.
func hashed(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\n")))
	return hex.EncodeToString(sum[:16])
}
