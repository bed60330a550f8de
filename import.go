package fedihook

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// ImportActor is a user who federated before, by other software on this site.
type ImportActor struct {
	// ID is the id that other servers know. Config.Profile must return it in the profile when it is asked for it.
	ID string

	// Key is the RSA key, PEM with PKCS#8 or PKCS#1, and KeyID the id that other servers know it by. An empty KeyID means
	// ID with #main-key. Without Key a new one is made, which other servers take once they have fetched the actor again.
	Key, KeyID string

	// Ed25519Key is the key that assertionMethod shows, PEM with PKCS#8, if there was one. An empty Ed25519KeyID means
	// ID with #ed25519-key.
	Ed25519Key, Ed25519KeyID string

	// Followers yields who follows ID, with the inboxes, and Following whom ID follows. Followed or Follower may be left
	// out where it is ID; zero State means accepted, zero At now, Seq is ignored. Without the ID of the Follow that was
	// sent, one is made up: most servers take an Undo by who follows whom. Nil: nobody. An error ends the import.
	Followers, Following iter.Seq2[actor.Follow, error]
}

// Imported tells what an import did.
type Imported struct {
	Actors               int     // whose keys are as the import says
	Followers, Following int     // that were new
	Known                int     // follows that were there already, and stay as they are
	Refused              int     // follows that could not be used
	Faults               []error // why, of the first 100
}

// Import takes over users who federated before, with their ids, keys and followers: from then on they sign with the old
// keys and deliver to the old followers, and nobody elsewhere notices. It is to be called before other servers
// are told of the new one, or new keys may have been made.
//
// It may be called again, after an error or with more: what is there stays, so it goes on where it stopped. It
// holds one follow at a time in memory. A follow that can't be used is left out and counted. An actor that can't be
// used ends the import before any of its follows is kept: to go on without its key would mean to make it another.
// The error then wraps [ErrNotOurs], actor.ErrNotFound, actor.ErrOtherKey or signature.ErrBadKey.
func (s *Server) Import(ctx context.Context, actors iter.Seq2[ImportActor, error]) (done Imported, err error) {
	for a, err := range actors {
		if err == nil {
			err = s.importActor(ctx, a, &done)
		}
		if err != nil {
			return done, fmt.Errorf("fedihook: import %s: %w", a.ID, err)
		}
	}
	return done, nil
}

func (s *Server) importActor(ctx context.Context, a ImportActor, done *Imported) error {
	if err := s.ours(a.ID, a.ID); err != nil {
		return err
	}
	p, ok, err := s.handler.Local(ctx, a.ID)
	switch {
	case err != nil:
		return err
	case !ok || a.ID == s.names.Instance():
		return fmt.Errorf("%w: Config.Profile does not know this id", actor.ErrNotFound)
	}
	keys, err := importKeys(a)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := s.keys.Adopt(ctx, a.ID, k.ID, k.Private); err != nil {
			return err
		}
	}
	// Other servers will ask for it at once.
	if _, err := s.handler.Document(ctx, p.ID); err != nil {
		return err
	}
	done.Actors++
	for f, err := range each(a.Followers) {
		if err == nil {
			err = s.importFollow(ctx, f, "", p.ID, done)
		}
		if err != nil {
			return err
		}
	}
	for f, err := range each(a.Following) {
		if err == nil {
			err = s.importFollow(ctx, f, p.ID, "", done)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func each(list iter.Seq2[actor.Follow, error]) iter.Seq2[actor.Follow, error] {
	if list == nil {
		return func(func(actor.Follow, error) bool) {}
	}
	return list
}

// importKeys reads the keys before any is kept.
func importKeys(a ImportActor) (keys []signature.Key, err error) {
	for _, one := range []struct{ field, text, id string }{
		{"Key", a.Key, a.KeyID}, {"Ed25519Key", a.Ed25519Key, a.Ed25519KeyID},
	} {
		if one.text == "" {
			if one.id != "" {
				return nil, fmt.Errorf("%w: %sID without %s", signature.ErrBadKey, one.field, one.field)
			}
			continue
		}
		private, err := signature.ParsePrivateKey(one.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.field, err)
		}
		if _, isRSA := private.Public().(*rsa.PublicKey); isRSA != (one.field == "Key") {
			return nil, fmt.Errorf("%w: %s is a %T", signature.ErrBadKey, one.field, private)
		}
		keys = append(keys, signature.Key{ID: one.id, Private: private})
	}
	return keys, nil
}

// importFollow keeps a follow by follower or of followed, whichever is not empty. An error is the storage's.
func (s *Server) importFollow(ctx context.Context, f actor.Follow, follower, followed string, done *Imported) error {
	remote, err := s.checkFollow(&f, follower, followed)
	if err == nil && remote != "" && s.names.Ours(remote) {
		_, ok, failed := s.handler.Local(ctx, remote)
		if failed != nil && !errors.Is(failed, actor.ErrGone) {
			return failed
		}
		if !ok || failed != nil {
			err = fmt.Errorf("%s is nobody here", remote)
		}
	}
	if err != nil {
		done.Refused++
		if len(done.Faults) < 100 {
			done.Faults = append(done.Faults, fmt.Errorf("%.200q follows %.200q: %w", f.Follower, f.Followed, err))
		}
		return nil
	}
	store := s.config.Storage.Followers
	switch _, err := store.Follow(ctx, f.Follower, f.Followed); {
	case err == nil:
		done.Known++
		return nil
	case !errors.Is(err, actor.ErrNotFound):
		return err
	}
	if follower != "" {
		if err := s.importSent(ctx, f); err != nil {
			return err
		}
		done.Following++
	} else {
		done.Followers++
	}
	return store.PutFollow(ctx, f)
}

// checkFollow fills in what may be left out and tells why a follow can't be used.
func (s *Server) checkFollow(f *actor.Follow, follower, followed string) (remote string, err error) {
	ours, own, remote := &f.Follower, follower, f.Followed
	if own == "" {
		ours, own, remote = &f.Followed, followed, f.Follower
	}
	if *ours == "" {
		*ours = own
	}
	if f.State == 0 {
		f.State = actor.Accepted
	}
	if f.At.IsZero() {
		f.At = time.Now()
	}
	switch {
	case *ours != own:
		return remote, errors.New("it is another actor's")
	case remote == own:
		return remote, errors.New("nobody follows themselves")
	case !plausible(remote):
		return remote, errors.New("not the id of an actor")
	case f.State != actor.Accepted && f.State != actor.Pending:
		return remote, fmt.Errorf("its state is %v", f.State)
	case s.names.Ours(remote):
		f.Inbox, f.SharedInbox = "", "" // no post goes there
	case !plausible(f.Inbox):
		return remote, fmt.Errorf("inbox %.200q is no http or https URL", f.Inbox)
	case s.names.Ours(f.Inbox):
		return remote, fmt.Errorf("inbox %.200q is on this site", f.Inbox)
	case !activity.SameAuthority(f.Inbox, f.SharedInbox) || !plausible(f.SharedInbox):
		f.SharedInbox = "" // without it everything works
	}
	if follower != "" && !s.names.Ours(f.ID) {
		f.ID = s.madeUpID(*f)
	}
	return remote, nil
}

func (s *Server) madeUpID(f actor.Follow) string {
	sum := sha256.Sum256([]byte(f.Follower + "\n" + f.Followed))
	return s.activityID(f.Follower, "follow-"+hex.EncodeToString(sum[:16]))
}

// plausible tells whether an address may be one to post to. Where it leads is looked at when it is dialled.
func plausible(address string) bool {
	_, ok := activity.Authority(address)
	return ok && len(address) <= 2048
}

// importSent makes a Follow of ours one that was said here, so that it can be undone.
func (s *Server) importSent(ctx context.Context, f actor.Follow) error {
	raw, err := activity.Encode(&activity.Activity{
		ID: f.ID, Type: activity.Types{"Follow"}, Actor: activity.IRI(f.Follower), Object: activity.Refs{activity.IRI(f.Followed)},
		To: activity.To(f.Followed),
	})
	if err != nil {
		return err
	}
	return s.config.Storage.Log.AddRecord(ctx, outbox.Record{
		ID: f.ID, Type: "Follow", Object: f.Followed, Author: f.Follower, Actor: f.Follower, Activity: raw, At: f.At,
		To: []string{f.Followed}, State: outbox.Sent, Pass: 1,
	})
}
