package storage_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/jackc/pgx/v5"
)

// execer is as the documentation of storage.Execer shows it.
type execer struct{ pgx.Tx }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// listen is as the documentation of storage.Listen shows it.
func listen(address string) storage.Listen {
	return func(ctx context.Context, channel string, heard func()) error {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		for heard(); ; heard() {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
}

// alternating is a storage each call of which goes to the other of two.
func alternating(one, other storage.Storage) storage.Storage {
	t := &turns{all: [2]storage.Storage{one, other}}
	return storage.Storage{Intents: turnIntents{t}, Log: turnLog{t}, Journal: turnJournal{t}}
}

type turns struct {
	n   atomic.Int64
	all [2]storage.Storage
}

func (t *turns) next() *storage.Storage { return &t.all[t.n.Add(1)%2] }

type turnIntents struct{ *turns }

func (t turnIntents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	return t.next().Intents.AddIntent(ctx, tx, in)
}
func (t turnIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	return t.next().Intents.NextIntents(ctx, limit)
}
func (t turnIntents) DropIntents(ctx context.Context, seq int64) error {
	return t.next().Intents.DropIntents(ctx, seq)
}

type turnLog struct{ *turns }

func (t turnLog) AddRecord(ctx context.Context, r outbox.Record) error {
	return t.next().Log.AddRecord(ctx, r)
}
func (t turnLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	return t.next().Log.SaveRecord(ctx, r)
}
func (t turnLog) RemoveRecords(ctx context.Context, ids []string) (bool, error) {
	return t.next().Log.RemoveRecords(ctx, ids)
}
func (t turnLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	return t.next().Log.Record(ctx, id)
}
func (t turnLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	return t.next().Log.ObjectRecords(ctx, id, limit)
}
func (t turnLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return t.next().Log.DueRecords(ctx, now, limit)
}
func (t turnLog) PublicRecords(ctx context.Context, actor string, before int64, limit int) ([]outbox.Record, int64, error) {
	return t.next().Log.PublicRecords(ctx, actor, before, limit)
}
func (t turnLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return t.next().Log.PastRecords(ctx, now, limit)
}
func (t turnLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	return t.next().Log.ForgetRecords(ctx, ids, now)
}

type turnJournal struct{ *turns }

func (t turnJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	return t.next().Journal.Append(ctx, e, b)
}
func (t turnJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
	return t.next().Journal.Lease(ctx, owner, now, ttl)
}
func (t turnJournal) Release(ctx context.Context, epoch int64) error {
	return t.next().Journal.Release(ctx, epoch)
}
func (t turnJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return t.next().Journal.Due(ctx, epoch, now, limit)
}
func (t turnJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
	return t.next().Journal.Finish(ctx, epoch, outcomes)
}
func (t turnJournal) Shelved(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	return t.next().Journal.Shelved(ctx, s, before, limit)
}
func (t turnJournal) Unshelve(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error {
	return t.next().Journal.Unshelve(ctx, s, seq, again)
}
func (t turnJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	return t.next().Journal.Forget(ctx, before, keep)
}
