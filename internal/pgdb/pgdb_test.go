package pgdb_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

func TestManyMigrateAtOnceAndEachStepRunsOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	steps := []string{`CREATE TABLE fedihook_a (n bigint); CREATE TABLE fedihook_b (n bigint)`, `INSERT INTO fedihook_a VALUES (1)`}
	var g sync.WaitGroup
	for range 8 {
		db := pgtest.Connect(t, address)
		g.Go(func() {
			for n := range steps {
				if err := pgdb.Migrate(t.Context(), db, "a", steps[:n+1]); err != nil {
					if newer := (*pgdb.NewerError)(nil); n == 0 && errors.As(err, &newer) {
						continue // another one was faster
					}
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	db := pgtest.Connect(t, address)
	var rows, version int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM fedihook_a), version FROM fedihook_schema WHERE room = 'a'`).Scan(&rows, &version); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || version != 2 {
		t.Errorf("the last step ran %d times, the version is %d", rows, version)
	}
	newer := (*pgdb.NewerError)(nil)
	if err := pgdb.Migrate(t.Context(), db, "a", steps[:1]); !errors.As(err, &newer) || newer.Have != 2 || newer.Known != 1 {
		t.Errorf("an older program gets %v", err)
	}
}

func TestWhoMigratesAnotherSchemaDoesNotWait(t *testing.T) {
	t.Parallel()
	slow, other := pgtest.Open(t), pgtest.Open(t)
	tx, err := slow.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := slow.Exec(`CREATE TABLE fedihook_a (n bigint)`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`LOCK TABLE fedihook_a`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- pgdb.Migrate(context.Background(), slow, "a", []string{`ALTER TABLE fedihook_a ADD m bigint`})
	}()
	waits(t, slow)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := pgdb.Migrate(ctx, other, "a", []string{`CREATE TABLE fedihook_a (n bigint)`}); err != nil {
		t.Errorf("beside another schema's: %v", err)
	}
	select {
	case err := <-done:
		t.Errorf("the slow one has ended with %v: nothing was tried", err)
	default:
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// waits returns when somebody waits for a lock on this schema's table fedihook_a.
func waits(t *testing.T, db *sql.DB) {
	t.Helper()
	for range 3000 {
		var waiting bool
		if err := db.QueryRow(`SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'fedihook_a'::regclass AND NOT granted)`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing waits")
}

func TestTransactionsAreReadCommittedWhateverTheDefaultIs(t *testing.T) {
	t.Parallel()
	db := pgtest.Connect(t, pgtest.Strict(t))
	var outside, inside string
	if err := db.QueryRow(`SHOW transaction_isolation`).Scan(&outside); err != nil || outside != "serializable" {
		t.Fatalf("by default it is %s, %v: the test would prove nothing", outside, err)
	}
	if err := pgdb.Tx(t.Context(), db, func(tx *sql.Tx) error {
		return tx.QueryRow(`SHOW transaction_isolation`).Scan(&inside)
	}); err != nil || inside != "read committed" {
		t.Errorf("it is %s, %v", inside, err)
	}
}

// A statement alone has the default's isolation: what PostgreSQL refuses for another's sake runs again.
func TestAStatementThatAnotherOneEndsRunsAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.Connect(t, pgtest.Strict(t))
	if _, err := db.Exec(`CREATE TABLE fedihook_a (n int); INSERT INTO fedihook_a VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for range 5 {
				if _, err := pgdb.Exec(t.Context(), db, `UPDATE fedihook_a SET n = n + 1 WHERE pg_sleep(0.002) IS NOT NULL`); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	var n int
	if err := db.QueryRow(`SELECT n FROM fedihook_a`).Scan(&n); err != nil || n != 20 {
		t.Errorf("%d of 20, %v", n, err)
	}
}

func TestAStepThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	steps := []string{`CREATE TABLE fedihook_a (n bigint)`, `CREATE TABLE fedihook_b (n bigint); SELECT 1/0`}
	if err := pgdb.Migrate(t.Context(), db, "a", steps); pgdb.Code(err) != "22012" {
		t.Fatalf("Migrate = %v", err)
	}
	var tables int
	if err := db.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'fedihook%'`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v", tables, err)
	}
}

// Two transactions that lock each other's rows: PostgreSQL ends one of them, and it runs again.
func TestATransactionThatAnotherOneEndsRunsAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	if _, err := db.Exec(`CREATE TABLE fedihook_a (k text, n int); INSERT INTO fedihook_a VALUES ('x', 0), ('y', 0)`); err != nil {
		t.Fatal(err)
	}
	var g, both sync.WaitGroup
	both.Add(2)
	var tries atomic.Int64
	for _, order := range [][]string{{"x", "y"}, {"y", "x"}} {
		first := true
		g.Go(func() {
			if err := pgdb.Tx(t.Context(), db, func(tx *sql.Tx) error {
				tries.Add(1)
				for i, k := range order {
					if _, err := tx.Exec(`UPDATE fedihook_a SET n = n + 1 WHERE k = $1`, k); err != nil {
						return err
					}
					if i == 0 && first {
						first = false
						both.Done()
						both.Wait()
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	var sum int
	if err := db.QueryRow(`SELECT sum(n) FROM fedihook_a`).Scan(&sum); err != nil || sum != 4 || tries.Load() < 3 { // on a slow machine it may happen once more
		t.Errorf("the sum is %d after %d tries, %v", sum, tries.Load(), err)
	}
}

func TestListsArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	texts := []string{"", "a", `"`, `\`, `a,b`, "{}", "NULL", " x ", "é\n\t", `\"`}
	rows, err := db.Query(`SELECT v FROM unnest($1::text[]) WITH ORDINALITY AS l (v, n) ORDER BY n`, pgdb.Texts(texts))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	if err := rows.Err(); err != nil || !slices.Equal(got, texts) {
		t.Errorf("%q, %v", got, err)
	}
	var n, sum int
	if err := db.QueryRow(`SELECT count(*), sum(v) FROM unnest($1::bigint[]) v`, pgdb.Ints([]int64{-5, 7, 1 << 40})).Scan(&n, &sum); err != nil || n != 3 || sum != 1<<40+2 {
		t.Errorf("%d numbers of sum %d, %v", n, sum, err)
	}
	if err := db.QueryRow(`SELECT count(*) FROM unnest($1::bigint[]) v`, pgdb.Ints([]int64(nil))).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d numbers, %v", n, err)
	}
}
