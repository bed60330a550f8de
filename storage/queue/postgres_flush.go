package queue

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// change is what a flush says of one record.
type change struct {
	done   []int64
	failed int
	defers []delivery.Deferral
}

func (s *postgres) Flush(ctx context.Context, epoch int64, f delivery.Flush) (gone []int64, err error) {
	changes := make(map[int64]*change)
	of := func(seq int64) *change {
		c := changes[seq]
		if c == nil {
			c = new(change)
			changes[seq] = c
		}
		return c
	}
	for _, a := range f.Acks {
		c := of(a.Seq)
		c.done = append(c.done, a.Done...)
		c.failed += a.Failed
	}
	for _, d := range f.Defers {
		c := of(d.Seq)
		c.defers = append(c.defers, d)
	}
	err = s.write(ctx, "flush", func(t *pgtx) (err error) {
		gone, err = t.flush(epoch, f, changes)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(gone)
	return gone, nil
}

func (t *pgtx) flush(epoch int64, f delivery.Flush, changes map[int64]*change) (gone []int64, err error) {
	seqs := make([]int64, 0, len(changes))
	for seq := range changes {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	// The fence first, then the records in their order.
	var list []*locked
	err = t.rows(`WITH held AS MATERIALIZED (SELECT `+fenceShared+` || `+lazily+` AS it
		), a AS (
			SELECT seq, not_before, supersedes, total, targets FROM fedihook_q_activity WHERE seq = ANY ($2::bigint[]) ORDER BY seq FOR UPDATE
		) SELECT 0::bigint, 0::bigint, 0::smallint, 0, it::bytea FROM held UNION ALL SELECT * FROM a`,
		[]any{short(epoch), pgdb.Ints(seqs)}, func(r *sql.Rows) error {
			e, err := scanLocked(r)
			if e.seq != 0 {
				list = append(list, e)
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *locked) int { return int(max(-1, min(1, a.seq-b.seq))) })
	current, err := t.acked(list, seqs, epoch)
	if err != nil {
		return nil, err
	}
	if !current && (epoch != 0 || len(f.Defers)+len(f.Hosts)+len(f.Dead)+len(f.Obeyed) > 0) {
		return nil, delivery.ErrLeaseLost
	}
	// Letters before acks, which may finish their record.
	if err := t.letters(f.Dead); err != nil {
		return nil, err
	}
	var settled []settling
	var defers []deferRow
	for _, seq := range seqs {
		e, c := find(list, seq), changes[seq]
		if e == nil {
			gone = append(gone, seq)
			continue
		}
		ids := slices.Clone(c.done)
		for _, d := range c.defers {
			ids = append(ids, d.Inbox)
		}
		open, err := e.open(ascending(ids))
		if err != nil {
			return nil, err
		}
		done := common(open, ascending(c.done))
		if len(done) > 0 {
			settled = append(settled, settling{locked: e, ids: done, failed: min(c.failed, len(done))})
			open = without(open, done)
		}
		defers = append(defers, deferRows(open, c.defers)...)
	}
	if err := t.settle(settled, f.Now); err != nil {
		return nil, err
	}
	if err := runAll(t, `INSERT INTO fedihook_q_defer (seq, inbox, attempts, next, status, err)
		SELECT seq, inbox, attempts, next, status, decode(err, 'base64')
		FROM json_to_recordset($1::json) AS x (seq bigint, inbox bigint, attempts integer, next bigint, status integer, err text)
		ON CONFLICT (seq, inbox) DO UPDATE SET attempts = excluded.attempts, next = excluded.next, status = excluded.status, err = excluded.err`,
		defers); err != nil {
		return nil, err
	}
	if err := t.hosts(f.Hosts); err != nil {
		return nil, err
	}
	if len(f.Obeyed) > 0 {
		if err := t.run(`DELETE FROM fedihook_q_order WHERE id = ANY ($1::bigint[])`, pgdb.Ints(f.Obeyed)); err != nil {
			return nil, err
		}
	}
	if len(f.Dead) > 0 {
		err = t.trim(f.MaxDead, f.MaxBodies)
	}
	return gone, err
}

type deferRow struct {
	Seq      int64  `json:"seq"`
	Inbox    int64  `json:"inbox"`
	Attempts int    `json:"attempts"`
	Next     int64  `json:"next"`
	Status   int    `json:"status"`
	Err      []byte `json:"err"`
}

// deferRows are what is to be written of deferrals: of those of targets that are open, the last of each.
func deferRows(open []int64, list []delivery.Deferral) []deferRow {
	last := make(map[int64]deferRow)
	for _, d := range list {
		if _, ok := slices.BinarySearch(open, d.Inbox); ok {
			last[d.Inbox] = deferRow{d.Seq, d.Inbox, d.Attempts, toMilli(d.Next), d.Status, octets(d.Err)}
		}
	}
	rows := make([]deferRow, 0, len(last))
	for _, id := range open {
		if r, ok := last[id]; ok {
			rows = append(rows, r)
		}
	}
	return rows
}

type hostRow struct {
	Origin   string `json:"origin"`
	Failures int    `json:"failures"`
	Since    int64  `json:"since"`
	Last     int64  `json:"last"`
	Next     int64  `json:"next"`
	Asked    bool   `json:"asked"`
	Status   int    `json:"status"`
	Err      []byte `json:"err"`
	Refusals int    `json:"refusals"`
	Held     bool   `json:"held"`
}

func (t *pgtx) hosts(hosts []delivery.HostState) error {
	keep, drop := make(map[string]hostRow), make(map[string]bool)
	for _, h := range hosts {
		delete(keep, h.Origin)
		delete(drop, h.Origin)
		if h.Failures == 0 && h.Refusals == 0 && !h.Held {
			drop[h.Origin] = true
			continue
		}
		keep[h.Origin] = hostRow{
			h.Origin, h.Failures, toMilli(h.Since), toMilli(h.Last), toMilli(h.Next), h.Asked, h.Status, octets(h.Err), h.Refusals, h.Held,
		}
	}
	if len(drop) > 0 {
		var list []string
		for origin := range drop {
			list = append(list, origin)
		}
		slices.Sort(list)
		if err := t.run(`DELETE FROM fedihook_q_host WHERE origin = ANY ($1::text[])`, pgdb.Texts(list)); err != nil {
			return err
		}
	}
	rows := make([]hostRow, 0, len(keep))
	for _, h := range keep {
		rows = append(rows, h)
	}
	slices.SortFunc(rows, func(a, b hostRow) int { return strings.Compare(a.Origin, b.Origin) })
	return runAll(t, `INSERT INTO fedihook_q_host (origin, failures, since, last, next, asked, status, err, refusals, held)
		SELECT origin, failures, since, last, next, asked, status, decode(err, 'base64'), refusals, held
		FROM json_to_recordset($1::json) AS x (origin text, failures integer, since bigint, last bigint, next bigint, asked boolean,
			status integer, err text, refusals integer, held boolean)
		ON CONFLICT (origin) DO UPDATE SET failures = excluded.failures, since = excluded.since, last = excluded.last, next = excluded.next,
			asked = excluded.asked, status = excluded.status, err = excluded.err, refusals = excluded.refusals, held = excluded.held`, rows)
}

type letterRow struct {
	Seq      int64  `json:"seq"`
	At       int64  `json:"at"`
	Attempts int    `json:"attempts"`
	Status   int    `json:"status"`
	Activity []byte `json:"activity"`
	Sender   []byte `json:"sender"`
	Key      []byte `json:"okey"`
	Inbox    []byte `json:"inbox"`
	Err      []byte `json:"err"`
}

func (t *pgtx) letters(dead []delivery.DeadLetter) error {
	rows := make([]letterRow, 0, len(dead))
	for _, d := range dead {
		rows = append(rows, letterRow{
			d.Seq, toMilli(d.At), d.Attempts, d.Status, octets(d.Activity), octets(d.Sender), octets(d.Key), octets(d.Inbox), octets(d.Err),
		})
	}
	return runAll(t, `INSERT INTO fedihook_q_dead (seq, at, attempts, status, activity, sender, okey, inbox, err)
		SELECT seq, at, attempts, status, decode(activity, 'base64'), decode(sender, 'base64'), decode(okey, 'base64'), decode(inbox, 'base64'), decode(err, 'base64')
		FROM json_to_recordset($1::json) AS x (seq bigint, at bigint, attempts integer, status integer,
			activity text, sender text, okey text, inbox text, err text)`, rows)
}

// trim keeps the newest so many dead letters, and the bodies that the newest so many need. 0: all.
func (t *pgtx) trim(letters, bodies int) error {
	if letters > 0 {
		if err := t.run(`DELETE FROM fedihook_q_dead WHERE id <= (SELECT id FROM fedihook_q_dead ORDER BY id DESC LIMIT 1 OFFSET $1)`, letters); err != nil {
			return err
		}
	}
	return t.run(`DELETE FROM fedihook_q_kept WHERE seq NOT IN (SELECT seq FROM fedihook_q_dead ORDER BY id DESC LIMIT $1)`,
		sql.NullInt64{Int64: int64(bodies), Valid: bodies > 0})
}
