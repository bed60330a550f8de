package storage

import (
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// finish is [inbox.Journal.Finish]. Whoever takes a lease away waits for it, see quiet.
func (b *postgresBatch) finish(epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	var seqs, over []int64
	var again, shelved outcomeLists
	dead := false
	for _, o := range outcomes {
		seqs = append(seqs, o.Seq)
		switch o.State {
		case inbox.Again:
			again.add(o)
			continue
		case inbox.Dead, inbox.Review:
			shelved.add(o)
			dead = dead || o.State == inbox.Dead
		}
		over = append(over, o.Seq)
	}
	var there, foreign bool
	if err := b.row(`SELECT EXISTS (SELECT 1 FROM fedihook_workers WHERE room = $1 AND epoch = $2), EXISTS (
			SELECT 1 FROM fedihook_entries AS e WHERE seq = ANY ($3::bigint[]) AND NOT EXISTS (
				SELECT 1 FROM fedihook_shards AS s WHERE s.room = $1 AND s.shard = e.shard AND s.epoch = $2))`,
		b.journal.shares.room, epoch, pgdb.Ints(seqs)).Scan(&there, &foreign); err != nil || !there || foreign {
		return false, orLeaseLost(err)
	}
	if len(again.seqs) > 0 {
		if _, err := b.exec(`UPDATE fedihook_entries AS e SET attempts = o.attempts, not_before = o.not_before, last_error = o.err FROM `+outcomesFrom+`
			WHERE e.seq = o.seq`, again.args()...); err != nil {
			return false, err
		}
	}
	if len(shelved.seqs) > 0 {
		if _, err := b.exec(`INSERT INTO fedihook_shelf (`+entryColumns+`, shelf)
			SELECT e.seq, mark, okey, sender, owner, received, o.attempts, 0, o.err, body, lane, turn, concerns, alone, notes, o.shelf
			FROM `+outcomesFrom+` JOIN fedihook_entries AS e ON e.seq = o.seq ON CONFLICT DO NOTHING`, shelved.args()...); err != nil {
			return false, err
		}
	}
	if more, err = b.delete(over); err != nil || !dead {
		return more, err
	}
	_, err = b.exec(`DELETE FROM fedihook_shelf WHERE shelf = $1 AND seq <=
		(SELECT seq FROM fedihook_shelf WHERE shelf = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)`, int(inbox.DeadLetters), deadLetters)
	return more, err
}

func orLeaseLost(err error) error {
	if err == nil {
		return inbox.ErrLeaseLost
	}
	return err
}

// outcomesFrom are the rows of outcomeLists.
const outcomesFrom = `unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[]) AS o (seq, attempts, not_before, err, shelf)`

// outcomeLists are outcomes column by column.
type outcomeLists struct {
	seqs, attempts, notBefore, shelves []int64
	errs                               []string
}

func (l *outcomeLists) add(o inbox.Outcome) {
	l.seqs = append(l.seqs, o.Seq)
	l.attempts = append(l.attempts, int64(o.Attempts))
	l.notBefore = append(l.notBefore, toMicros(o.NotBefore))
	l.shelves = append(l.shelves, int64(shelfOf(o.State)))
	l.errs = append(l.errs, o.Err)
}

func (l *outcomeLists) args() []any {
	return []any{pgdb.Ints(l.seqs), pgdb.Ints(l.attempts), pgdb.Ints(l.notBefore), blobs(l.errs), pgdb.Ints(l.shelves)}
}

// delete deletes entries, if they are still there, and lets the next of their keys run. More tells whether there is any.
func (b *postgresBatch) delete(seqs []int64) (more bool, err error) {
	if len(seqs) == 0 {
		return false, nil
	}
	// All of one statement see what was there before it: the next of a key is the oldest that is not deleted here.
	next, err := b.exec(`WITH gone AS (DELETE FROM fedihook_entries WHERE seq = ANY ($1::bigint[]) RETURNING okey, head)
		UPDATE fedihook_entries SET head = true WHERE NOT head AND seq IN (
			SELECT (SELECT min(e.seq) FROM fedihook_entries AS e WHERE sha256(e.okey) = sha256(k.okey) AND e.okey <> '' AND e.seq <> ALL ($1::bigint[]))
			FROM (SELECT DISTINCT okey FROM gone WHERE head AND okey <> '') AS k)`, pgdb.Ints(seqs))
	return next > 0, err
}
