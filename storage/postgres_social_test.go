package storage_test

import (
	"context"
	"database/sql"
	"iter"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/storage/storagetest"
)

func openSocial(t testing.TB, db *sql.DB) storage.Storage {
	t.Helper()
	s, err := storage.OpenPostgres(context.Background(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// twoNodes are two Storages over one new schema, each with connections of its own, as two processes have them.
func twoNodes(t testing.TB) (a, b storage.Storage) {
	t.Helper()
	address := pgtest.URL(t)
	return openSocial(t, pgtest.Connect(t, address)), openSocial(t, pgtest.Connect(t, address))
}

func TestPostgresSocialStoresKeepTheContracts(t *testing.T) {
	t.Parallel()
	runSocial(t, func(t *testing.T) storage.Storage { return openSocial(t, pgtest.Open(t)) })
}

// Of every two calls one is made by another process, so that nothing can depend on what a process remembers.
func TestPostgresSocialStoresKeepTheContractsFromTwoProcesses(t *testing.T) {
	t.Parallel()
	runSocial(t, func(t *testing.T) storage.Storage {
		a, b := twoNodes(t)
		n := &turns{all: [2]storage.Storage{a, b}}
		return storage.Storage{
			Followers: turnFollowers{n}, Keys: turnKeys{n}, Remotes: turnRemotes{n}, Rules: turnRules{n}, Relays: turnRelays{n},
			Forwards: turnForwards{n}, Moves: turnMoves{n}, Stamps: turnStamps{n}, Hosts: turnHosts{n},
		}
	})
}

func runSocial(t *testing.T, open func(t *testing.T) storage.Storage) {
	t.Run("Followers", func(t *testing.T) {
		storagetest.RunFollowers(t, func(t *testing.T) actor.Followers { return open(t).Followers })
	})
	t.Run("Keys", func(t *testing.T) {
		storagetest.RunKeys(t, func(t *testing.T) actor.Keys { return open(t).Keys })
	})
	t.Run("Remotes", func(t *testing.T) {
		storagetest.RunRemotes(t, func(t *testing.T) actor.Remotes { return open(t).Remotes })
	})
	t.Run("Stamps", func(t *testing.T) {
		storagetest.RunStamps(t, func(t *testing.T) consent.Stamps { return open(t).Stamps })
	})
	t.Run("Rules", func(t *testing.T) {
		storagetest.RunRules(t, func(t *testing.T) moderation.Rules { return open(t).Rules })
	})
	t.Run("Relays", func(t *testing.T) {
		storagetest.RunRelays(t, func(t *testing.T) outbox.Relays { return open(t).Relays })
	})
	t.Run("Forwards", func(t *testing.T) {
		storagetest.RunForwards(t, func(t *testing.T) inbox.Forwards { return open(t).Forwards })
	})
	t.Run("Moves", func(t *testing.T) {
		storagetest.RunMoves(t, func(t *testing.T) actor.Moves { return open(t).Moves })
	})
	t.Run("Hosts", func(t *testing.T) {
		storagetest.RunHosts(t, func(t *testing.T) moderation.Hosts { return open(t).Hosts })
	})
}

type turnFollowers struct{ n *turns }

func (r turnFollowers) Follow(ctx context.Context, a, b string) (actor.Follow, error) {
	return r.n.next().Followers.Follow(ctx, a, b)
}
func (r turnFollowers) FollowByID(ctx context.Context, id string) (actor.Follow, error) {
	return r.n.next().Followers.FollowByID(ctx, id)
}
func (r turnFollowers) PutFollow(ctx context.Context, f actor.Follow) error {
	return r.n.next().Followers.PutFollow(ctx, f)
}
func (r turnFollowers) DeleteFollow(ctx context.Context, a, b string) error {
	return r.n.next().Followers.DeleteFollow(ctx, a, b)
}
func (r turnFollowers) Follows(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
	return r.n.next().Followers.Follows(ctx, q)
}
func (r turnFollowers) Inboxes(ctx context.Context, id string) iter.Seq2[string, error] {
	return r.n.next().Followers.Inboxes(ctx, id)
}
func (r turnFollowers) CountFollows(ctx context.Context, q actor.FollowQuery) (int64, error) {
	return r.n.next().Followers.CountFollows(ctx, q)
}
func (r turnFollowers) FollowersVersion(ctx context.Context, id string) (int64, error) {
	return r.n.next().Followers.(actor.FollowersVersions).FollowersVersion(ctx, id)
}

type turnKeys struct{ n *turns }

func (r turnKeys) ActorKeys(ctx context.Context, id string) ([]actor.KeyPair, error) {
	return r.n.next().Keys.ActorKeys(ctx, id)
}
func (r turnKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	return r.n.next().Keys.AddKey(ctx, k)
}
func (r turnKeys) RetireKeys(ctx context.Context, id string, serial int64, at time.Time) error {
	return r.n.next().Keys.RetireKeys(ctx, id, serial, at)
}
func (r turnKeys) DropKeys(ctx context.Context, id string, serial int64) error {
	return r.n.next().Keys.DropKeys(ctx, id, serial)
}
func (r turnKeys) KeyOwner(ctx context.Context, id string) (string, error) {
	return r.n.next().Keys.KeyOwner(ctx, id)
}
func (r turnKeys) KeysVersion(ctx context.Context) (int64, error) {
	return r.n.next().Keys.(actor.KeysVersions).KeysVersion(ctx)
}

type turnRemotes struct{ n *turns }

func (r turnRemotes) Remote(ctx context.Context, id string) (actor.Remote, error) {
	return r.n.next().Remotes.Remote(ctx, id)
}
func (r turnRemotes) RemoteByKey(ctx context.Context, id string) (actor.Remote, error) {
	return r.n.next().Remotes.RemoteByKey(ctx, id)
}
func (r turnRemotes) PutRemote(ctx context.Context, v actor.Remote) error {
	return r.n.next().Remotes.PutRemote(ctx, v)
}
func (r turnRemotes) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	return r.n.next().Remotes.RemoteIDs(ctx, after, limit)
}
func (r turnRemotes) DeleteRemote(ctx context.Context, id string) error {
	return r.n.next().Remotes.DeleteRemote(ctx, id)
}
func (r turnRemotes) PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.n.next().Remotes.PruneRemotes(ctx, before, limit)
}

type turnRules struct{ n *turns }

func (r turnRules) ChangeRules(ctx context.Context, list []moderation.Entry) error {
	return r.n.next().Rules.ChangeRules(ctx, list)
}
func (r turnRules) ChangeRulesSince(ctx context.Context, h moderation.Head, list []moderation.Entry) (bool, error) {
	return r.n.next().Rules.(moderation.GuardedRules).ChangeRulesSince(ctx, h, list)
}
func (r turnRules) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	return r.n.next().Rules.ListRules(ctx, q)
}
func (r turnRules) RulesHead(ctx context.Context) (moderation.Head, error) {
	return r.n.next().Rules.RulesHead(ctx)
}
func (r turnRules) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	return r.n.next().Rules.Trail(ctx, after, limit)
}
func (r turnRules) SetEnforced(ctx context.Context, seq int64) error {
	return r.n.next().Rules.SetEnforced(ctx, seq)
}
func (r turnRules) ForgetTrail(ctx context.Context, keep int) error {
	return r.n.next().Rules.ForgetTrail(ctx, keep)
}

type turnRelays struct{ n *turns }

func (r turnRelays) PutRelay(ctx context.Context, v outbox.Relay) error {
	return r.n.next().Relays.PutRelay(ctx, v)
}
func (r turnRelays) AnswerRelay(ctx context.Context, id, actor string, state outbox.RelayState, at time.Time) error {
	return r.n.next().Relays.AnswerRelay(ctx, id, actor, state, at)
}
func (r turnRelays) DeleteRelay(ctx context.Context, id string) error {
	return r.n.next().Relays.DeleteRelay(ctx, id)
}
func (r turnRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	return r.n.next().Relays.Relays(ctx)
}

type turnForwards struct{ n *turns }

func (r turnForwards) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	return r.n.next().Forwards.PutForwarded(ctx, f)
}
func (r turnForwards) ForwardedTo(ctx context.Context, object, author string) ([]string, error) {
	return r.n.next().Forwards.ForwardedTo(ctx, object, author)
}
func (r turnForwards) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	return r.n.next().Forwards.ForgetForwarded(ctx, before, keep)
}

type turnMoves struct{ n *turns }

func (r turnMoves) Move(ctx context.Context, from string) (actor.Move, error) {
	return r.n.next().Moves.Move(ctx, from)
}
func (r turnMoves) AddMove(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
	return r.n.next().Moves.AddMove(ctx, m, since)
}
func (r turnMoves) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	return r.n.next().Moves.SaveMove(ctx, m)
}
func (r turnMoves) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	return r.n.next().Moves.ListMoves(ctx, q)
}

type turnStamps struct{ n *turns }

func (r turnStamps) SaveStamp(ctx context.Context, v consent.Stamp) error {
	return r.n.next().Stamps.SaveStamp(ctx, v)
}
func (r turnStamps) Stamp(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
	return r.n.next().Stamps.Stamp(ctx, k, interaction, target)
}
func (r turnStamps) Stamps(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
	return r.n.next().Stamps.Stamps(ctx, q)
}
func (r turnStamps) ForgetStamps(ctx context.Context, before time.Time) error {
	return r.n.next().Stamps.ForgetStamps(ctx, before)
}

type turnHosts struct{ n *turns }

func (r turnHosts) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	return r.n.next().Hosts.FirstSeen(ctx, host)
}
func (r turnHosts) See(ctx context.Context, host string, now time.Time, most int) error {
	return r.n.next().Hosts.See(ctx, host, now, most)
}
