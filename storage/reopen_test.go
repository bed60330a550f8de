package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// reopening returns stores that open the files before each call and close them after it, as a new
// process would: nothing survives from one call to the next that is not in the files.
func reopening(t *testing.T, f files) storage.Storage {
	t.Helper()
	o := &opener{t: t, files: f, kept: openSQLite(t, openApp(t, f.app), openSQL(t, f.own))}
	return storage.Storage{
		Intents: reIntents{o}, Log: reLog{o}, Journal: reJournal{o}, Followers: reFollowers{o},
		Keys: reKeys{o}, Remotes: reRemotes{o}, Rules: reRules{o}, Relays: reRelays{o}, Forwards: reForwards{o},
		Moves: reMoves{o}, Stamps: reStamps{o}, Hosts: reHosts{o},
	}
}

type opener struct {
	t     *testing.T
	files files
	calls atomic.Int64
	kept  storage.Storage // stays open beside the others, and takes the calls of checks with very many
}

// with calls fn with a new Storage.
func (o *opener) with(fn func(storage.Storage) error) error {
	if o.calls.Add(1) > 10 {
		return fn(o.kept)
	}
	app, err := sql.Open("sqlite", o.files.app+"?_pragma=busy_timeout(20000)")
	if err != nil {
		return err
	}
	defer app.Close()
	own, err := sql.Open("sqlite", o.files.own)
	if err != nil {
		return err
	}
	defer own.Close()
	s, err := storage.OpenSQLite(o.t.Context(), app, own)
	if err != nil {
		return err
	}
	return fn(s)
}

// one is with for calls that return a value.
func one[T any](o *opener, fn func(storage.Storage) (T, error)) (v T, err error) {
	err = o.with(func(s storage.Storage) error {
		v, err = fn(s)
		return err
	})
	return v, err
}

type reIntents struct{ o *opener }

func (r reIntents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if tx != nil { // to open the app's database anew would wait for its own transaction
		return r.o.kept.Intents.AddIntent(ctx, tx, in)
	}
	return r.o.with(func(s storage.Storage) error { return s.Intents.AddIntent(ctx, tx, in) })
}
func (r reIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	list, err := one(r.o, func(s storage.Storage) ([]outbox.Intent, error) { return s.Intents.NextIntents(ctx, limit) })
	return list, errors.Join(err, ctx.Err())
}
func (r reIntents) DropIntents(ctx context.Context, seq int64) error {
	return r.o.with(func(s storage.Storage) error { return s.Intents.DropIntents(ctx, seq) })
}

type reLog struct{ o *opener }

func (r reLog) AddRecord(ctx context.Context, v outbox.Record) error {
	return r.o.with(func(s storage.Storage) error { return s.Log.AddRecord(ctx, v) })
}
func (r reLog) SaveRecord(ctx context.Context, v outbox.Record) error {
	return r.o.with(func(s storage.Storage) error { return s.Log.SaveRecord(ctx, v) })
}
func (r reLog) RemoveRecords(ctx context.Context, ids []string) (bool, error) {
	return one(r.o, func(s storage.Storage) (bool, error) { return s.Log.RemoveRecords(ctx, ids) })
}
func (r reLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	return one(r.o, func(s storage.Storage) (outbox.Record, error) { return s.Log.Record(ctx, id) })
}
func (r reLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	return one(r.o, func(s storage.Storage) ([]outbox.Record, error) { return s.Log.ObjectRecords(ctx, id, limit) })
}
func (r reLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return one(r.o, func(s storage.Storage) ([]outbox.Record, error) { return s.Log.DueRecords(ctx, now, limit) })
}
func (r reLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return one(r.o, func(s storage.Storage) ([]outbox.Record, error) { return s.Log.PastRecords(ctx, now, limit) })
}
func (r reLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	return r.o.with(func(s storage.Storage) error { return s.Log.ForgetRecords(ctx, ids, now) })
}
func (r reLog) PublicRecords(ctx context.Context, id string, before int64, limit int) (list []outbox.Record, total int64, err error) {
	err = r.o.with(func(s storage.Storage) error {
		list, total, err = s.Log.PublicRecords(ctx, id, before, limit)
		return err
	})
	return list, total, err
}

type reJournal struct{ o *opener }

func (r reJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	return one(r.o, func(s storage.Storage) (inbox.Kept, error) { return s.Journal.Append(ctx, e, b) })
}
func (r reJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	err = r.o.with(func(s storage.Storage) error {
		epoch, ok, err = s.Journal.Lease(ctx, owner, now, ttl)
		return err
	})
	return epoch, ok, err
}
func (r reJournal) Release(ctx context.Context, epoch int64) error {
	return r.o.with(func(s storage.Storage) error { return s.Journal.Release(ctx, epoch) })
}
func (r reJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return one(r.o, func(s storage.Storage) ([]inbox.Entry, error) { return s.Journal.Due(ctx, epoch, now, limit) })
}
func (r reJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
	return one(r.o, func(s storage.Storage) (bool, error) { return s.Journal.Finish(ctx, epoch, outcomes) })
}
func (r reJournal) Shelved(ctx context.Context, shelf inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	return one(r.o, func(s storage.Storage) ([]inbox.Entry, error) { return s.Journal.Shelved(ctx, shelf, before, limit) })
}
func (r reJournal) Unshelve(ctx context.Context, shelf inbox.Shelf, seq int64, again *inbox.Entry) error {
	return r.o.with(func(s storage.Storage) error { return s.Journal.Unshelve(ctx, shelf, seq, again) })
}
func (r reJournal) Backlog(ctx context.Context) (inbox.Backlog, error) {
	return one(r.o, func(s storage.Storage) (inbox.Backlog, error) { return s.Journal.(inbox.Counter).Backlog(ctx) })
}
func (r reJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	return r.o.with(func(s storage.Storage) error { return s.Journal.Forget(ctx, before, keep) })
}

type reFollowers struct{ o *opener }

func (r reFollowers) Follow(ctx context.Context, follower, followed string) (actor.Follow, error) {
	return one(r.o, func(s storage.Storage) (actor.Follow, error) { return s.Followers.Follow(ctx, follower, followed) })
}
func (r reFollowers) FollowByID(ctx context.Context, id string) (actor.Follow, error) {
	return one(r.o, func(s storage.Storage) (actor.Follow, error) { return s.Followers.FollowByID(ctx, id) })
}
func (r reFollowers) PutFollow(ctx context.Context, f actor.Follow) error {
	return r.o.with(func(s storage.Storage) error { return s.Followers.PutFollow(ctx, f) })
}
func (r reFollowers) DeleteFollow(ctx context.Context, follower, followed string) error {
	return r.o.with(func(s storage.Storage) error { return s.Followers.DeleteFollow(ctx, follower, followed) })
}
func (r reFollowers) Follows(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
	return one(r.o, func(s storage.Storage) ([]actor.Follow, error) { return s.Followers.Follows(ctx, q) })
}
func (r reFollowers) CountFollows(ctx context.Context, q actor.FollowQuery) (int64, error) {
	return one(r.o, func(s storage.Storage) (int64, error) { return s.Followers.CountFollows(ctx, q) })
}
func (r reFollowers) Inboxes(ctx context.Context, followed string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		urls, err := one(r.o, func(s storage.Storage) (urls []string, err error) {
			for url, err := range s.Followers.Inboxes(ctx, followed) {
				if err != nil {
					return nil, err
				}
				urls = append(urls, url)
			}
			return urls, nil
		})
		for _, url := range urls {
			if !yield(url, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

type reKeys struct{ o *opener }

func (r reKeys) ActorKeys(ctx context.Context, id string) ([]actor.KeyPair, error) {
	return one(r.o, func(s storage.Storage) ([]actor.KeyPair, error) { return s.Keys.ActorKeys(ctx, id) })
}
func (r reKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	return one(r.o, func(s storage.Storage) (actor.KeyPair, error) { return s.Keys.AddKey(ctx, k) })
}
func (r reKeys) RetireKeys(ctx context.Context, id string, serial int64, at time.Time) error {
	return r.o.with(func(s storage.Storage) error { return s.Keys.RetireKeys(ctx, id, serial, at) })
}
func (r reKeys) DropKeys(ctx context.Context, id string, serial int64) error {
	return r.o.with(func(s storage.Storage) error { return s.Keys.DropKeys(ctx, id, serial) })
}
func (r reKeys) KeyOwner(ctx context.Context, keyID string) (string, error) {
	return one(r.o, func(s storage.Storage) (string, error) { return s.Keys.KeyOwner(ctx, keyID) })
}

type reRemotes struct{ o *opener }

func (r reRemotes) Remote(ctx context.Context, id string) (actor.Remote, error) {
	return one(r.o, func(s storage.Storage) (actor.Remote, error) { return s.Remotes.Remote(ctx, id) })
}
func (r reRemotes) RemoteByKey(ctx context.Context, id string) (actor.Remote, error) {
	return one(r.o, func(s storage.Storage) (actor.Remote, error) { return s.Remotes.RemoteByKey(ctx, id) })
}
func (r reRemotes) PutRemote(ctx context.Context, v actor.Remote) error {
	return r.o.with(func(s storage.Storage) error { return s.Remotes.PutRemote(ctx, v) })
}
func (r reRemotes) DeleteRemote(ctx context.Context, id string) error {
	return r.o.with(func(s storage.Storage) error { return s.Remotes.DeleteRemote(ctx, id) })
}

type reRules struct{ o *opener }

func (r reRules) ChangeRules(ctx context.Context, entries []moderation.Entry) error {
	return r.o.with(func(s storage.Storage) error { return s.Rules.ChangeRules(ctx, entries) })
}
func (r reRules) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	return one(r.o, func(s storage.Storage) ([]moderation.Rule, error) { return s.Rules.ListRules(ctx, q) })
}
func (r reRules) RulesHead(ctx context.Context) (moderation.Head, error) {
	return one(r.o, func(s storage.Storage) (moderation.Head, error) { return s.Rules.RulesHead(ctx) })
}
func (r reRules) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	return one(r.o, func(s storage.Storage) ([]moderation.Entry, error) { return s.Rules.Trail(ctx, after, limit) })
}
func (r reRules) SetEnforced(ctx context.Context, seq int64) error {
	return r.o.with(func(s storage.Storage) error { return s.Rules.SetEnforced(ctx, seq) })
}
func (r reRules) ForgetTrail(ctx context.Context, keep int) error {
	return r.o.with(func(s storage.Storage) error { return s.Rules.ForgetTrail(ctx, keep) })
}

type reHosts struct{ o *opener }

func (r reHosts) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	return one(r.o, func(s storage.Storage) (time.Time, error) { return s.Hosts.FirstSeen(ctx, host) })
}
func (r reHosts) See(ctx context.Context, host string, now time.Time, max int) error {
	return r.o.with(func(s storage.Storage) error { return s.Hosts.See(ctx, host, now, max) })
}

func (r reRemotes) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	return one(r.o, func(s storage.Storage) ([]string, error) { return s.Remotes.RemoteIDs(ctx, after, limit) })
}
func (r reRemotes) PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error) {
	return one(r.o, func(s storage.Storage) (int, error) { return s.Remotes.PruneRemotes(ctx, before, limit) })
}

type reMoves struct{ o *opener }

func (r reMoves) Move(ctx context.Context, from string) (actor.Move, error) {
	return one(r.o, func(s storage.Storage) (actor.Move, error) { return s.Moves.Move(ctx, from) })
}
func (r reMoves) AddMove(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
	return one(r.o, func(s storage.Storage) (actor.Move, error) { return s.Moves.AddMove(ctx, m, since) })
}
func (r reMoves) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	return one(r.o, func(s storage.Storage) (bool, error) { return s.Moves.SaveMove(ctx, m) })
}
func (r reMoves) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	return one(r.o, func(s storage.Storage) ([]actor.Move, error) { return s.Moves.ListMoves(ctx, q) })
}

type reStamps struct{ o *opener }

func (r reStamps) SaveStamp(ctx context.Context, st consent.Stamp) error {
	return r.o.with(func(s storage.Storage) error { return s.Stamps.SaveStamp(ctx, st) })
}
func (r reStamps) Stamp(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
	return one(r.o, func(s storage.Storage) (consent.Stamp, error) { return s.Stamps.Stamp(ctx, k, interaction, target) })
}
func (r reStamps) Stamps(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
	return one(r.o, func(s storage.Storage) ([]consent.Stamp, error) { return s.Stamps.Stamps(ctx, q) })
}
func (r reStamps) ForgetStamps(ctx context.Context, before time.Time) error {
	return r.o.with(func(s storage.Storage) error { return s.Stamps.ForgetStamps(ctx, before) })
}
