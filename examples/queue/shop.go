package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the app chooses its driver

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage/queue"
)

// keyID names the shop's key to its subscribers, who were given the public half when they subscribed.
const keyID = "https://shop.example/webhook-key"

// shop takes orders and tells its subscribers of them.
type shop struct {
	app, own *sql.DB // the shop's database; the queue's file
	intents  *queue.Intents
	queue    *delivery.Queue
	public   ed25519.PublicKey
	hooks    []delivery.Target // where its subscribers listen
}

// openShop opens or creates the databases in a folder. Nothing is sent before the queue runs.
func openShop(ctx context.Context, dir string, logger *slog.Logger) (s *shop, err error) {
	s = &shop{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.app, err = sql.Open("sqlite", filepath.Join(dir, "shop.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)"); err != nil {
		return s, err
	}
	if _, err = s.app.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS orders (
		n INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL)`); err != nil {
		return s, err
	}
	if s.own, err = sql.Open("sqlite", filepath.Join(dir, "queue.db")); err != nil {
		return s, err
	}
	store, err := queue.OpenSQLite(ctx, s.own)
	if err != nil {
		return s, err
	}
	if s.intents, err = queue.OpenIntents(ctx, s.app, s.own); err != nil {
		return s, err
	}
	var private ed25519.PrivateKey
	if s.public, private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return s, err
	}
	signer := &signature.Transport{
		// Everyone here is on loopback. A shop whose subscribers name URLs of their own must see to it that a
		// connection is made to public addresses alone, for instance in the Control of a net.Dialer.
		Base:   http.DefaultTransport.(*http.Transport).Clone(),
		Scheme: signature.RFC9421,
		Fixed:  true, // both ends speak it
		Key: func(context.Context) (signature.Key, error) {
			return signature.Key{ID: keyID, Private: private}, nil
		},
	}
	s.queue, err = delivery.New(delivery.Config{
		Store:     store,
		Intents:   s.intents,
		Owner:     "shop", // after a crash it need not wait for its own lease
		Transport: func(string) (http.RoundTripper, error) { return signer, nil },
		Policy: delivery.Policy{
			// A host that is down is tried again soon, so that this ends soon; 30 s and more is for other people's hosts.
			HostDelay: func(int) time.Duration { return 100 * time.Millisecond },
			// A webhook that is refused is tried again once.
			ItemDelays: []time.Duration{time.Minute},
		},
		UserAgent: "Shop (+https://shop.example/)",
		Logger:    logger,
	})
	return s, err
}

// order places an order in a transaction of the shop and tells the subscribers, in the same transaction, so that both
// are done or neither is. confirm may still call it off.
func (s *shop) order(ctx context.Context, item string, confirm func() error) (number int64, err error) {
	tx, err := s.app.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // after Commit it does nothing
	done, err := tx.ExecContext(ctx, `INSERT INTO orders (item) VALUES (?)`, item)
	if err != nil {
		return 0, err
	}
	if number, err = done.LastInsertId(); err != nil {
		return 0, err
	}
	_, err = s.queue.Enqueue(ctx, s.intents.In(tx), delivery.Activity{
		ID:          hookID(number),
		ContentType: "application/json",
		Body:        fmt.Appendf(nil, `{"id":%q,"order":%d,"item":%q}`, hookID(number), number, item),
		Expires:     time.Now().Add(24 * time.Hour), // who was away for longer asks the shop
	}, slices.Values(s.hooks))
	if err != nil {
		return 0, err
	}
	if err := confirm(); err != nil {
		return number, err
	}
	return number, tx.Commit()
}

// hookID is the webhook's id, in its body and in the queue.
func hookID(number int64) string { return fmt.Sprintf("order-%d", number) }

// close is called after the queue has ended.
func (s *shop) close() error {
	var err error
	for _, db := range []*sql.DB{s.own, s.app} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}
