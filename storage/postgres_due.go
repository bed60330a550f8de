package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

const (
	probed     = 512  // unfinished entries that are looked at, the oldest: if there are no more, no other index is needed
	deadSpan   = 1000 // so many seqs without an unfinished entry are not passed again
	stragglers = 64   // unfinished entries that may be remembered so that what is dead around them is not passed again
)

// postgresFloor is up to where a process need not look for unfinished entries again. Where vacuum is held up, what was finished stays
// in the indexes, and to pass it each time would take longer and longer. Seqs become visible in their order, see quiet, so that below
// one that was seen none is still to come, whoever finishes what is there.
type postgresFloor struct {
	mu    sync.Mutex
	born  int64   // when the server began that this is of: another one may give seqs again
	floor int64   // nothing is unfinished up to here
	left  []int64 // but these
	high  int64   // the highest seq that was seen
}

// candidate is an unfinished entry.
type candidate struct {
	seq, turn, notBefore int64
	shard                int
	head                 bool
}

// probe returns the oldest unfinished entries, from where there may be others, and the shards of a lease.
func (s *postgresJournal) probe(ctx context.Context, epoch int64) (found []candidate, floor int64, all bool, mine inbox.Shards, err error) {
	for {
		f := &s.floor
		f.mu.Lock()
		born, high, left := f.born, f.high, slices.Clone(f.left)
		floor = f.floor
		f.mu.Unlock()
		found = nil
		var now int64
		rows, err := s.db.QueryContext(ctx, `SELECT -1::bigint, 0::smallint, `+leased+`, (extract(epoch FROM pg_postmaster_start_time()) * 1e6)::bigint
			UNION ALL SELECT seq, shard, head, turn, not_before FROM fedihook_entries WHERE seq = ANY ($3::bigint[])
			UNION ALL (SELECT seq, shard, head, turn, not_before FROM fedihook_entries WHERE seq > $4 ORDER BY seq LIMIT $5)`,
			s.shares.room, epoch, pgdb.Ints(left), floor, probed+1)
		there := false
		if _, err := list(rows, err, func(row scanner) (_ struct{}, err error) {
			var c candidate
			if err = row.Scan(&c.seq, &c.shard, &c.head, &c.turn, &c.notBefore); err == nil && c.seq < 0 {
				there, mine, now = c.head, inbox.Shards(c.turn), c.notBefore
			} else if err == nil {
				found = append(found, c)
			}
			return struct{}{}, err
		}); err != nil {
			return nil, 0, false, 0, err
		}
		if !there {
			return nil, 0, false, 0, inbox.ErrLeaseLost
		}
		slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(a.seq, b.seq) })
		f.mu.Lock()
		if now != born {
			f.born, f.floor, f.left, f.high = now, 0, nil, 0
			f.mu.Unlock()
			if born != 0 || floor != 0 {
				continue
			}
			return found, 0, len(found) <= probed, mine, nil
		}
		if f.born == born {
			f.raise(floor, high, found)
		}
		f.mu.Unlock()
		above := 0
		for _, c := range found {
			if c.seq > floor {
				above++
			}
		}
		return found, floor, above <= probed, mine, nil
	}
}

// raise learns what was found above floor, by who had seen seqs up to high before that.
func (f *postgresFloor) raise(floor, high int64, found []candidate) {
	if len(found) > 0 {
		f.high = max(f.high, found[len(found)-1].seq)
	}
	if floor < f.floor {
		return // somebody else has learned more meanwhile
	}
	next := f.floor
	for i := range min(len(found), stragglers) + 1 {
		end := high + 1 // what came later may not have been seen
		if i < len(found) {
			end = found[i].seq
		}
		before := floor
		if i > 0 {
			before = max(before, found[i-1].seq)
		}
		if end-1 > next && (i == 0 || end-before > deadSpan || found[i-1].seq <= floor) {
			next = end - 1
		}
	}
	f.floor, f.left = next, nil
	for _, c := range found {
		if c.seq <= next {
			f.left = append(f.left, c.seq)
		}
	}
}

// due takes what comes first: of few entries by looking at all, of many from each shard, since no index has the order of some shards.
func (s *postgresJournal) due(ctx context.Context, epoch int64, shards inbox.Shards, strict bool, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	list, err := s.dueOf(ctx, epoch, shards, strict, held, now, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: due entries: %w", err)
	}
	slices.SortFunc(list, byTurn)
	return list, nil
}

func (s *postgresJournal) dueOf(ctx context.Context, epoch int64, shards inbox.Shards, strict bool, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	found, floor, few, mine, err := s.probe(ctx, epoch)
	if err == nil && strict && shards&^mine != 0 {
		err = inbox.ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	shards &= mine
	at := toMicros(now)
	var first []candidate // that may run
	for _, c := range found {
		if c.head && c.notBefore <= at && shards.Has(c.shard) && (few || c.seq <= floor) {
			first = append(first, c)
		}
	}
	if !few {
		more, err := s.firstOf(ctx, shards, floor, at, limit+len(held))
		if err != nil {
			return nil, err
		}
		first = append(first, more...)
	}
	var fresh, waited []candidate
	inHand := setOf(held)
	for _, c := range first {
		if inHand[c.seq] {
			continue
		}
		if c.notBefore == 0 {
			fresh = append(fresh, c)
		} else {
			waited = append(waited, c)
		}
	}
	slices.SortFunc(fresh, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.seq, b.seq)) })
	slices.SortFunc(waited, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.notBefore, b.notBefore), cmp.Compare(a.seq, b.seq))
	})
	var seqs []int64
	for _, c := range share(fresh, waited, limit) {
		seqs = append(seqs, c.seq)
	}
	if len(seqs) == 0 {
		return nil, nil
	}
	return all(ctx, s.db, scanPostgresEntry, `SELECT `+entryColumns+` FROM fedihook_entries
		WHERE seq = ANY ($1::bigint[]) AND head AND not_before <= $2`, pgdb.Ints(seqs), at)
}

// firstOf are those of each shard that come first, above floor.
func (s *postgresJournal) firstOf(ctx context.Context, shards inbox.Shards, floor, at int64, limit int) ([]candidate, error) {
	const each = `SELECT e.seq, e.turn, e.not_before FROM unnest($1::bigint[]) AS part CROSS JOIN LATERAL (
		SELECT seq, turn, not_before FROM fedihook_entries WHERE shard = part::smallint AND head AND seq > $3 AND `
	scan := func(row scanner) (c candidate, err error) { return c, row.Scan(&c.seq, &c.turn, &c.notBefore) }
	of := pgdb.Ints(listOf(shards))
	fresh, err := all(ctx, s.db, scan, each+`not_before = 0 ORDER BY turn, seq LIMIT $2) AS e ORDER BY turn, seq LIMIT $2`, of, limit, floor)
	if err != nil {
		return nil, err
	}
	waited, err := all(ctx, s.db, scan, each+`not_before <> 0 AND not_before <= $4 ORDER BY not_before, seq LIMIT $2) AS e
		ORDER BY not_before, seq LIMIT $2`, of, limit, floor, at)
	return append(fresh, waited...), err
}
