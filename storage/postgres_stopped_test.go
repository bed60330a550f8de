package storage_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// stopping stops its process in the first transaction that is about to be committed.
type stopping struct {
	at   chan struct{} // closed when it has
	goOn chan struct{}
	arm  chan struct{} // holds one when it is to
}

func (s *stopping) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.EqualFold(q.SQL, "commit") {
		select {
		case <-s.arm:
			close(s.at)
			<-s.goOn
		default:
		}
	}
	return ctx
}

func (*stopping) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What a process holds that was stopped in the middle of a transaction, or cut off, others get after some seconds.
func TestPostgresLetsNobodyWaitForAProcessThatIsStopped(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, do := range map[string]func(ctx context.Context, s storage.Storage, who string) error{
		"journal": func(ctx context.Context, s storage.Storage, who string) error {
			_, err := s.Journal.Append(ctx, inbox.Entry{
				Mark: inbox.Mark{who[0]}, Sender: "https://a.example/u", To: []string{"https://b.example/u"}, Received: now, Body: []byte("{}"),
			}, inbox.Bounds{})
			return err
		},
		"shares": func(ctx context.Context, s storage.Storage, who string) error {
			_, err := s.Journal.(inbox.Sharing).Share(ctx, who, now, time.Minute)
			return err
		},
		"intents": func(ctx context.Context, s storage.Storage, who string) error {
			if err := s.Intents.AddIntent(ctx, nil, outbox.Intent{ID: "https://b.example/" + who, Author: "bob", At: now, Activity: []byte("{}")}); err != nil {
				return err
			}
			_, err := s.Intents.NextIntents(ctx, 10)
			return err
		},
		"followers": func(ctx context.Context, s storage.Storage, who string) error {
			return s.Followers.PutFollow(ctx, actor.Follow{Follower: "https://a.example/" + who, Followed: "https://b.example/u", At: now})
		},
		"remotes": func(ctx context.Context, s storage.Storage, _ string) error {
			return s.Remotes.PutRemote(ctx, actor.Remote{ID: "https://a.example/u", Fetched: now, Document: []byte("{}")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.URL(t)
			other := openPostgres(t, pgtest.Connect(t, address))
			config, err := pgx.ParseConfig(address)
			if err != nil {
				t.Fatal(err)
			}
			stop := &stopping{at: make(chan struct{}), goOn: make(chan struct{}), arm: make(chan struct{}, 1)}
			config.Tracer = stop
			db := stdlib.OpenDB(*config)
			defer db.Close()
			stopped := openPostgres(t, db)
			stop.arm <- struct{}{}
			ended := make(chan error, 1)
			go func() { ended <- do(context.Background(), stopped, "one") }()
			select {
			case <-stop.at:
			case err := <-ended:
				t.Fatalf("it was not stopped, and returned %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := do(ctx, other, "two"); err != nil {
				t.Errorf("beside a process that is stopped in the middle of it: %v", err)
			}
			close(stop.goOn)
			if err := <-ended; err == nil {
				t.Error("what was stopped for longer than it may be was committed")
			}
		})
	}
}
