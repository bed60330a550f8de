// Package storage keeps what the rooms of Fedihook must remember, in memory, in SQLite or in PostgreSQL.
//
// [OpenSQLite] and [OpenPostgres] make a [Storage] over database/sql and whatever driver the app uses; [Memory] makes one
// for tests and trials. A Storage is a struct of the rooms' own interfaces: put your own in any field.
//
// What a store must do is written down where it is used, in packages inbox, outbox, actor, moderation
// and delivery; package storagetest checks it. No driver is imported here. The delivery stores alone are
// in package storage/queue.
//
// Experimental: tables may change without a migration before version 0.1, and names before 1.0.
package storage

import (
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage/queue"
)

// Execer is what is needed of the app's transaction. *sql.Tx is one as it is, and so is what embeds it.
// Any other becomes one with a method; a pgx.Tx, for [OpenPostgres], with this:
//
//	type execer struct{ pgx.Tx }
//
//	func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
//		tag, err := e.Exec(ctx, query, args...)
//		return driver.RowsAffected(tag.RowsAffected()), err
//	}
type Execer = outbox.Execer

// Storage is one store for each room. Its stores may be used by many goroutines at once.
type Storage struct {
	Intents   outbox.Intents   // what the app said, until it is in Log
	Log       outbox.Log       // what was said and to whom
	Journal   inbox.Journal    // what came in, until the hooks have dealt with it
	Followers actor.Followers  // who follows whom
	Keys      actor.Keys       // the private keys of local actors
	Remotes   actor.Remotes    // actors of other servers
	Relays    outbox.Relays    // which relays were subscribed to
	Forwards  inbox.Forwards   // what was forwarded to whose followers
	Moves     actor.Moves      // who moved where
	Stamps    consent.Stamps   // leave to quote, answer, like and share
	Rules     moderation.Rules // who may talk to whom
	Hosts     moderation.Hosts // when servers were first heard from
	Queue     delivery.Store   // what is still to be posted where
}

// Memory returns a Storage in memory, for tests and trials: everything is lost with the process. It
// can't join a transaction: AddIntent with one returns [outbox.ErrNoTransaction].
func Memory() Storage {
	intents := &memoryIntents{}
	return Storage{
		Intents:   intents,
		Log:       &memoryLog{intents: intents, records: map[string]*outbox.Record{}},
		Journal:   newMemoryJournal(),
		Followers: &memoryFollowers{pairs: map[pair]*actor.Follow{}},
		Keys:      &memoryKeys{pairs: map[string][]actor.KeyPair{}, owner: map[string][]string{}},
		Remotes:   &memoryRemotes{actors: map[string]actor.Remote{}, byKey: map[string]map[string]bool{}},
		Relays:    &memoryRelays{relays: map[string]outbox.Relay{}},
		Forwards:  &memoryForwards{list: map[forwarded]map[string]time.Time{}},
		Moves:     &memoryMoves{moves: map[string]actor.Move{}},
		Stamps:    &memoryStamps{known: map[stampKey]*consent.Stamp{}},
		Rules:     newMemoryRules(),
		Hosts:     &memoryHosts{hosts: map[string]*sighting{}},
		Queue:     queue.Memory(),
	}
}
