package queue_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage/queue"
)

// A post to 10,000 inboxes from the append to the last ack, in flushes of 256 in the order of a network, which is none. Beside
// it the same as a row per delivery, claimed by 100 with SKIP LOCKED. One iteration is one post; figures are per target:
// bytes of write-ahead log, and CPU of this process and of the server's.
//
//	bash .ci/postgres go test ./storage/queue -run '^$' -bench Postgres -benchtime 20x
func BenchmarkPostgres(b *testing.B) {
	const n, perFlush = 10_000, 256
	for name, run := range map[string]func(b *testing.B, db *sql.DB) func(i int){
		"log": func(b *testing.B, db *sql.DB) func(int) {
			st, err := queue.OpenPostgres(b.Context(), db, nil)
			must(b, err)
			l, err := st.Lease(b.Context(), delivery.LeaseRequest{Owner: "a", Now: now, TTL: time.Hour})
			must(b, err)
			to, after := inboxes(n), int64(0)
			return func(i int) {
				r := record(fmt.Sprint("https://here.example/ap/activities/", i))
				r.Created, r.Body = time.Now(), bytes.Repeat([]byte("body "), 200)
				_, err := st.Append(b.Context(), delivery.Addition{Record: r, Inboxes: to, Max: delivery.Limit{Targets: 5_000_000, Bytes: 2 << 30}})
				must(b, err)
				page, err := st.Load(b.Context(), delivery.Query{Epoch: l.Epoch, After: after, Limit: n, Shards: delivery.AllShards})
				must(b, err)
				p := page.Records[0]
				after = page.Through
				_, err = st.Body(b.Context(), p.Seq)
				must(b, err)
				rand.Shuffle(n, func(i, j int) { p.Targets[i], p.Targets[j] = p.Targets[j], p.Targets[i] })
				for left := p.Targets; len(left) > 0; left = left[min(perFlush, len(left)):] {
					_, err := st.Flush(b.Context(), l.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: left[:min(perFlush, len(left))]}}})
					must(b, err)
				}
			}
		},
		"rows": func(b *testing.B, db *sql.DB) func(int) {
			_, err := db.Exec(`CREATE TABLE post (id bigint PRIMARY KEY, body bytea NOT NULL);
				CREATE TABLE job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post bigint NOT NULL, inbox bigint NOT NULL, attempts integer NOT NULL DEFAULT 0)`)
			must(b, err)
			ids := make([]int64, n)
			for i := range ids {
				ids[i] = int64(i + 1)
			}
			return func(i int) {
				must(b, pgdb.Tx(b.Context(), db, func(tx *sql.Tx) error {
					if _, err := tx.Exec(`INSERT INTO post VALUES ($1, $2)`, i, bytes.Repeat([]byte("body "), 200)); err != nil {
						return err
					}
					_, err := tx.Exec(`INSERT INTO job (post, inbox) SELECT $1, unnest($2::bigint[])`, i, pgdb.Ints(ids))
					return err
				}))
				for left := n; left > 0; {
					must(b, pgdb.Tx(b.Context(), db, func(tx *sql.Tx) error {
						if _, err := tx.Exec(`SET LOCAL synchronous_commit = off`); err != nil {
							return err
						}
						rows, err := tx.Query(`DELETE FROM job WHERE id = ANY (ARRAY (SELECT id FROM job ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING post, inbox`)
						if err != nil {
							return err
						}
						defer rows.Close()
						for rows.Next() {
							left--
						}
						return rows.Err()
					}))
				}
				_, err := db.Exec(`DELETE FROM post WHERE id = $1`, i)
				must(b, err)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			db := pgtest.Open(b)
			once := run(b, db)
			once(-1) // numbers are given, statements prepared, pages written whole
			log, client, server := written(b, db), cpu(), serverCPU(b)
			for i := 0; b.Loop(); i++ {
				once(i)
			}
			targets := float64(n) * float64(b.N)
			b.ReportMetric(float64(written(b, db)-log)/targets, "WAL-B/target")
			b.ReportMetric(float64(cpu()-client)/targets/1000, "client-µs/target")
			b.ReportMetric(float64(serverCPU(b)-server)/targets/1000, "server-µs/target")
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is where the write-ahead log ends.
func written(t testing.TB, db *sql.DB) (n int64) {
	t.Helper()
	must(t, db.QueryRowContext(context.Background(), `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn`).Scan(&n))
	return n
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is what the processes of the server that .ci/postgres started have used; 0 if it was another.
func serverCPU(t testing.TB) (sum time.Duration) {
	pid := os.Getenv("FEDIHOOK_POSTGRES_PID")
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if pid == "" || err != nil {
		return 0
	}
	for _, path := range stats {
		stat, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		if len(f) < 15 || f[1] != pid && !strings.HasPrefix(string(stat), pid+" ") {
			continue
		}
		for _, i := range []int{11, 12} { // utime and stime, in hundredths of a second
			ticks, _ := strconv.Atoi(f[i])
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}
