package storage

import (
	"slices"

	"github.com/fedihook/fedihook/inbox"
)

// finish is [inbox.Journal.Finish] for one who has the lease.
func (b *batch) finish(outcomes []inbox.Outcome) (more bool, err error) {
	var over []int64
	for _, o := range outcomes {
		switch o.State {
		case inbox.Again:
			if _, err := b.exec(b.ctx, `UPDATE fedihook_entries SET attempts = ?, not_before = ?, last_error = ?, head = min(head, 1)
				WHERE seq = ?`, o.Attempts, toMicros(o.NotBefore), o.Err, o.Seq); err != nil {
				return false, err
			}
			continue
		case inbox.Dead, inbox.Review:
			if _, err := b.exec(b.ctx, `INSERT INTO fedihook_shelf
				(shelf, seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body, lane, turn, concerns, alone, notes)
				SELECT ?, seq, mark, okey, sender, owner, received, ?, 0, ?, body, lane, turn, concerns, alone, notes
				FROM fedihook_entries WHERE seq = ?`, shelfOf(o.State), o.Attempts, o.Err, o.Seq); err != nil {
				return false, err
			}
			b.dead = b.dead || o.State == inbox.Dead
		}
		over = append(over, o.Seq)
	}
	keys, err := b.delete(over)
	if err != nil {
		return false, err
	}
	if more, err = b.promote(keys); err != nil || !b.dead {
		return more, err
	}
	_, err = b.exec(b.ctx, `DELETE FROM fedihook_shelf WHERE shelf = ? AND seq <=
		(SELECT seq FROM fedihook_shelf WHERE shelf = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
		inbox.DeadLetters, inbox.DeadLetters, deadLetters)
	return more, err
}

// delete deletes entries, if they are still there, and returns the keys of which the head is gone.
func (b *batch) delete(seqs []int64) (keys []any, err error) {
	finished := make(map[string]int)
	gone := func(key, lane string, head bool) {
		finished[lane]++
		if key != "" && head {
			keys = append(keys, key)
		}
	}
	all := b.known.all(b)
	var there []int64
	var asked []any
	for _, seq := range seqs {
		if e, ok := b.known.entries[seq]; ok {
			there = append(there, seq)
			b.known.drop(seq, e)
			gone(e.key, e.lane, e.head)
		} else if !all {
			asked = append(asked, seq)
		}
	}
	if err := b.deleteKnown(there); err != nil { // first: one of them may be asked for too
		return nil, err
	}
	err = b.among(asked, `DELETE FROM fedihook_entries WHERE seq IN (`, `?`, `) RETURNING okey, lane, head > 0`, func(row scanner) error {
		var key, lane string
		var head bool
		if err := row.Scan(&key, &lane, &head); err != nil {
			return err
		}
		gone(key, lane, head)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, n := range finished {
		lane, err := b.lane(name)
		if err != nil {
			return nil, err
		}
		lane.now -= n
		b.unfinished -= n
	}
	return keys, nil
}

// deleteKnown deletes entries that are there. Most that end together have come together.
func (b *batch) deleteKnown(seqs []int64) error {
	slices.Sort(seqs)
	for len(seqs) > 0 {
		n := 1
		for n < len(seqs) && seqs[n] == seqs[n-1]+1 {
			n++
		}
		if _, err := b.exec(b.ctx, `DELETE FROM fedihook_entries WHERE seq BETWEEN ? AND ?`, seqs[0], seqs[n-1]); err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}

// promote lets the next entry of each of these keys run, and tells whether there is any.
func (b *batch) promote(keys []any) (more bool, err error) {
	var next []int64
	if b.known.all(b) {
		for _, key := range keys {
			if list := b.known.keys[key.(string)]; len(list) > 0 {
				next = append(next, list[0])
			}
		}
		keys = nil
	}
	err = b.among(keys, `WITH asked (okey) AS (VALUES `, `(?)`, `) SELECT ifnull((SELECT min(e.seq) FROM fedihook_entries AS e
		WHERE e.okey = asked.okey AND e.okey <> ''), 0) FROM asked`, func(row scanner) error {
		var seq int64
		err := row.Scan(&seq)
		if seq != 0 {
			next = append(next, seq)
		}
		return err
	})
	for _, seq := range next {
		if err != nil {
			break
		}
		b.known.promoted(seq)
		_, err = b.exec(b.ctx, `UPDATE fedihook_entries SET head = 1 WHERE seq = ?`, seq)
	}
	return len(next) > 0, err
}
