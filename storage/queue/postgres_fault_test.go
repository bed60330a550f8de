package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage/queue"
)

// pauser holds a process up before it sends a statement, once it is on. To the server that is as a SIGSTOP.
type pauser struct {
	statement       string
	on              atomic.Bool
	reached, resume chan struct{}
	once            sync.Once
}

// goOn lets it go on.
func (p *pauser) goOn() { p.once.Do(func() { close(p.resume) }) }

func newPauser(statement string) *pauser {
	return &pauser{statement: statement, reached: make(chan struct{}), resume: make(chan struct{})}
}

func (p *pauser) open(t testing.TB, address string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	must(t, err)
	config.Tracer = p
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() {
		p.goOn()
		db.Close()
	})
	return db
}

func (p *pauser) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if q.SQL == p.statement && p.on.CompareAndSwap(true, false) {
		close(p.reached)
		<-p.resume
	}
	return ctx
}

func (p *pauser) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestConnectionThatIsCutInMidTransactionChangesNothing(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	st, db := openPostgres(t, address), pgtest.Connect(t, address)
	add(t, st, "1", inboxes(10))
	l := lease(t, st, "a", now)
	page, err := st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, Limit: 100})
	must(t, err)
	p := page.Records[0]
	f := delivery.Flush{
		Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: p.Targets}},
		Hosts: []delivery.HostState{{Origin: "https://a.example", Failures: 1, Last: now}},
	}
	del := record("2")
	del.Key, del.Supersedes = "k", delivery.SupersedeAll
	for name, do := range map[string]func() error{
		"flush": func() error { _, err := st.Flush(t.Context(), l.Epoch, f); return err },
		"delete": func() error {
			_, err := st.Append(t.Context(), delivery.Addition{Record: del, Inboxes: inboxes(1)})
			return err
		},
	} {
		// Behind a lock on what it writes last but one, it is in the middle when it is cut off.
		tx, err := db.BeginTx(t.Context(), nil)
		must(t, err)
		_, err = tx.Exec(map[string]string{
			"flush": `LOCK fedihook_q_host`, "delete": `LOCK fedihook_q_ledger IN SHARE MODE`,
		}[name])
		must(t, err)
		done := make(chan error, 1)
		go func() { done <- do() }()
		pid := waits(t, db, map[string]string{"flush": "INSERT INTO fedihook_q_host", "delete": "INSERT INTO fedihook_q_ledger"}[name])
		_, err = db.Exec(`SELECT pg_terminate_backend($1)`, pid)
		must(t, err)
		if err := <-done; err == nil {
			t.Errorf("%s: it was cut off and succeeded", name)
		}
		must(t, tx.Rollback())
		if page, err = st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, Limit: 100}); err != nil || len(page.Records) != 1 || len(page.Records[0].Targets) != 10 {
			t.Errorf("%s: left are %+v, %v", name, page, err)
		}
	}
	if _, err := st.Flush(t.Context(), l.Epoch, f); err != nil { // the pool has other connections
		t.Error(err)
	}
	if page, err := st.Hosts(t.Context(), "", 10); err != nil || len(page) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// A backend that dies takes the whole server with it, which recovers by its log: so this test has a server of its own.
func TestServerThatDiesLosesNothingThatWasAppended(t *testing.T) {
	const own = "FEDIHOOK_POSTGRES_TO_KILL"
	if os.Getenv(own) == "" {
		pgtest.URL(t)
		cmd := exec.CommandContext(t.Context(), "bash", "../../.ci/postgres", os.Args[0], "-test.run=^TestServerThatDies", "-test.v")
		cmd.Env = append(os.Environ(), own+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		} else {
			t.Logf("%s", out)
		}
		return
	}
	address := pgtest.URL(t)
	st, db := openPostgres(t, address), pgtest.Connect(t, address)
	l := lease(t, st, "a", now)
	var appended []string
	settled := make(map[string]bool)
	for round := range 4 {
		killed := make(chan struct{})
		kill := func() {
			defer close(killed)
			var pid int
			if err := db.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(rand.N(20 * time.Millisecond))
			syscall.Kill(pid, syscall.SIGKILL)
		}
		failed := 0
		for i := 0; failed == 0; i++ {
			if i == 7+round {
				go kill()
			}
			id := fmt.Sprint(round, ".", i)
			a, err := st.Append(t.Context(), delivery.Addition{Record: record(id), Inboxes: inboxes(20)})
			if err != nil {
				break
			}
			appended = append(appended, id)
			if i%2 == 0 {
				continue
			}
			page, err := st.Load(t.Context(), delivery.Query{After: a.Seq - 1, Limit: 1})
			if err == nil {
				_, err = st.Flush(t.Context(), l.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: a.Seq, Done: page.Records[0].Targets}}})
			}
			if err != nil {
				failed++
			} else {
				settled[id] = true
			}
		}
		<-killed
		for try := 0; ; try++ { // until it has recovered
			if err := db.Ping(); err == nil {
				break
			} else if try == 200 {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// What was settled last may be pending again: who delivered must learn that.
		if _, err := st.Flush(t.Context(), l.Epoch, delivery.Flush{Now: now}); !errors.Is(err, delivery.ErrLeaseLost) {
			t.Errorf("a flush under the lease of before: %v", err)
		}
		old := l
		if l = lease(t, st, "a", now); l.Epoch <= old.Epoch || l.Shards != delivery.AllShards {
			t.Errorf("lease %+v after %+v", l, old)
		}
	}
	if len(appended) < 20 || len(settled) < 5 {
		t.Fatalf("%d appended and %d settled: nothing was tested", len(appended), len(settled))
	}
	repeated := 0
	for _, id := range appended {
		s, err := st.Status(t.Context(), id)
		if err != nil {
			t.Errorf("%s was appended and is lost: %v", id, err)
			continue
		}
		if s.Pending != 0 && s.Pending != 20 {
			t.Errorf("half a flush: %+v", s)
		}
		if settled[id] && s.Pending != 0 {
			repeated++
		}
	}
	t.Logf("%d appended, %d settled, %d of them go again", len(appended), len(settled), repeated)
	if _, err := strconv.Atoi(os.Getenv("FEDIHOOK_POSTGRES_PID")); err != nil {
		t.Error("it was not a server of its own")
	}
}

// A server that comes back without its last transactions gives numbers again. What a process has read of the
// others is not to go to another's inbox.
func TestNumbersOfAnEarlierLifeAreNotUsed(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	st, db := openPostgres(t, address), pgtest.Connect(t, address)
	add(t, st, "1", []string{"https://a.example/1"})
	shard := delivery.ShardOf("https://a.example/1")
	// As after the loss of the numbers, of what names them and of what is not logged.
	for _, query := range []string{`DELETE FROM fedihook_q_activity`, `DELETE FROM fedihook_q_ledger`, `DELETE FROM fedihook_q_inbox`,
		`UPDATE fedihook_q_number SET last = 0`, `TRUNCATE fedihook_q_lease, fedihook_q_life`} {
		_, err := db.Exec(query)
		must(t, err)
	}
	add(t, openPostgres(t, address), "other", []string{"https://a.example/2"})
	add(t, st, "1", []string{"https://a.example/1"})
	page, err := st.Load(t.Context(), delivery.Query{Limit: 10})
	must(t, err)
	if len(page.Records) != 2 || delivery.ShardOf("https://a.example/2") != shard {
		t.Fatalf("read %+v", page)
	}
	for i, want := range []string{"https://a.example/2", "https://a.example/1"} {
		if urls, err := st.URLs(t.Context(), page.Records[i].Targets); err != nil || len(urls) != 1 || urls[0] != want {
			t.Errorf("%s goes to %q, %v", page.Records[i].ID, urls, err)
		}
	}
}

// While another transaction keeps what is dead from being cleared away, the queue does not become slower.
func TestHeldHorizonDoesNotSlowTheQueueDown(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	st, err := queue.OpenPostgres(t.Context(), db, nil)
	must(t, err)
	l := lease(t, st, "a", now)
	tx, err := pgtest.Connect(t, address).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	must(t, err)
	defer tx.Rollback()
	var one int
	must(t, tx.QueryRow(`SELECT 1 FROM fedihook_q_lease LIMIT 1`).Scan(&one))
	after := int64(0)
	pass := func(id string) {
		a, err := st.Append(t.Context(), delivery.Addition{Record: record(id), Inboxes: inboxes(3)})
		must(t, err)
		page, err := st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, After: after, Limit: 100})
		must(t, err)
		after = page.Through
		_, err = st.Flush(t.Context(), l.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: a.Seq, Done: page.Records[0].Targets}}})
		must(t, err)
	}
	blocks := func(i int) (n int) { // that these take, in the cache or not
		before := touched(t, db)
		for j := range 20 {
			pass(fmt.Sprint(i, ".", j))
		}
		return int(touched(t, db)-before) / 20
	}
	blocks(0)
	early := blocks(1)
	for i := range 200 {
		pass(fmt.Sprint("between ", i))
	}
	late := blocks(2)
	t.Logf("%d blocks each at first, %d after 200 others", early, late)
	if late > 2*early+20 {
		t.Errorf("from %d blocks it went to %d", early, late)
	}
}

// touched is how many blocks of the queue's tables and indexes were read, from the cache or not.
func touched(t testing.TB, db *sql.DB) (n int64) {
	t.Helper()
	time.Sleep(1100 * time.Millisecond) // what a backend counts it tells once a second
	must(t, db.QueryRow(`SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0)
		+ coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0))::bigint FROM pg_statio_user_tables WHERE schemaname = current_schema()`).Scan(&n))
	return n
}
