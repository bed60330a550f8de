package storage

import (
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// flush writes what changed. Others wait for as long as it asks and is answered, so that what nearly every batch has, marks, entries
// and who is to hear of them, is one statement.
func (b *postgresBatch) flush() error {
	var gone, marks, owners, ownedMarks [][]byte
	var ats, seqs, ownedBy []int64
	for m, k := range b.seen {
		mark := m // each has its own
		if k.gone {
			gone = append(gone, mark[:])
		}
		if k.put {
			marks, ats, seqs, owners = append(marks, mark[:]), append(ats, toMicros(k.at)), append(seqs, k.seq), append(owners, writeOwners(k.added))
			continue
		}
		for _, owner := range k.added {
			ownedMarks, ownedBy = append(ownedMarks, mark[:]), append(ownedBy, owner)
		}
	}
	if err := b.dropMarks(gone); err != nil {
		return err
	}
	var fresh, held entryLists
	for i := range b.entries {
		e, list := &b.entries[i], &fresh
		if e.Hold {
			list = &held
		}
		if err := list.add(e); err != nil {
			return err
		}
	}
	tell := b.tell && b.journal.ear.listen != nil
	if len(marks)+len(fresh.seqs) > 0 || tell {
		if _, err := b.exec(`WITH m AS (INSERT INTO fedihook_marks (mark, at, seq, owners)
				SELECT * FROM unnest($21::bytea[], $22::bigint[], $23::bigint[], $24::bytea[])),
			e AS (INSERT INTO fedihook_entries (`+entryColumns+`, shard, head) SELECT `+entryValues+`, part, head = 1 FROM `+entriesFrom+`)
			SELECT pg_notify($25::text, '') WHERE $26::boolean`,
			append(fresh.args(), blobs(marks), pgdb.Ints(ats), pgdb.Ints(seqs), blobs(owners), b.journal.ear.channel("journal"), tell)...); err != nil {
			return err
		}
	}
	if len(held.seqs) > 0 {
		if _, err := b.exec(`INSERT INTO fedihook_shelf (`+entryColumns+`, shelf) SELECT `+entryValues+`, part FROM `+entriesFrom,
			held.args()...); err != nil {
			return err
		}
	}
	if len(ownedMarks) > 0 {
		if _, err := b.exec(`INSERT INTO fedihook_mark_owners (mark, owner) SELECT * FROM unnest($1::bytea[], $2::bigint[])
			ON CONFLICT DO NOTHING`, blobs(ownedMarks), pgdb.Ints(ownedBy)); err != nil {
			return err
		}
	}
	return nil
}

func (b *postgresBatch) dropMarks(marks [][]byte) error {
	if len(marks) == 0 {
		return nil
	}
	list := blobs(marks)
	if _, err := b.exec(`DELETE FROM fedihook_mark_owners WHERE mark = ANY ($1::bytea[])`, list); err != nil {
		return err
	}
	_, err := b.exec(`DELETE FROM fedihook_marks WHERE mark = ANY ($1::bytea[])`, list)
	return err
}

// entryLists are new entries column by column. Bodies and notes may be long, and stand in one value one after the other: in a list
// each byte of them would be two digits.
type entryLists struct {
	long                                                     []byte
	seqs, received, attempts, notBefore, turns, alone, heads []int64
	parts                                                    []int64 // the shard, or the shelf
	bodyAt, bodySize, notesAt, notesSize                     []int64 // in long, from 1; the size is -1 where there is none
	marks                                                    [][]byte
	keys, senders, owners, errs, lanes, to                   []string
}

func (l *entryLists) add(e *postgresEntry) error {
	to, err := toJSON(e.To)
	if err != nil {
		return err
	}
	part := e.Shard()
	if e.Hold {
		part = int(inbox.Held)
	}
	l.seqs, l.marks, l.keys = append(l.seqs, e.Seq), append(l.marks, e.Mark[:]), append(l.keys, e.Key)
	l.senders, l.owners, l.received = append(l.senders, e.Sender), append(l.owners, e.Owner), append(l.received, toMicros(e.Received))
	l.attempts, l.notBefore = append(l.attempts, int64(e.Attempts)), append(l.notBefore, toMicros(e.NotBefore))
	l.errs, l.lanes, l.turns, l.to = append(l.errs, e.LastError), append(l.lanes, e.Lane), append(l.turns, toMicros(e.Turn)), append(l.to, to)
	l.alone, l.parts, l.heads = append(l.alone, oneIf(e.Alone)), append(l.parts, int64(part)), append(l.heads, oneIf(e.head))
	at, size := l.put(e.Body)
	l.bodyAt, l.bodySize = append(l.bodyAt, at), append(l.bodySize, size)
	at, size = l.put(e.Notes)
	l.notesAt, l.notesSize = append(l.notesAt, at), append(l.notesSize, size)
	return nil
}

func (l *entryLists) put(b []byte) (at, size int64) {
	if b == nil {
		return 1, -1
	}
	l.long = append(l.long, b...)
	return int64(len(l.long) - len(b) + 1), int64(len(b))
}

func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func (l *entryLists) args() []any {
	long := l.long
	if long == nil {
		long = []byte{} // NULL to the driver otherwise
	}
	return []any{
		long, pgdb.Ints(l.seqs), blobs(l.marks), blobs(l.keys), blobs(l.senders), blobs(l.owners), pgdb.Ints(l.received), pgdb.Ints(l.attempts),
		pgdb.Ints(l.notBefore), blobs(l.errs), pgdb.Ints(l.bodyAt), pgdb.Ints(l.bodySize), blobs(l.lanes), pgdb.Ints(l.turns), pgdb.Texts(l.to),
		pgdb.Ints(l.alone), pgdb.Ints(l.notesAt), pgdb.Ints(l.notesSize), pgdb.Ints(l.parts), pgdb.Ints(l.heads),
	}
}

const (
	// entriesFrom are the rows of entryLists, in the parameters that args returns.
	entriesFrom = `unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[],
		$11::bigint[], $12::bigint[], $13::bytea[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[], $19::smallint[], $20::bigint[])
		AS l (seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body_at, body_size, lane, turn, concerns, alone,
			notes_at, notes_size, part, head)`

	// entryValues are the values of entryColumns there.
	entryValues = `seq, mark, okey, sender, owner, received, attempts, not_before, last_error,
		substr($1::bytea, body_at::integer, nullif(body_size, -1)::integer), lane, turn, concerns, alone = 1,
		substr($1::bytea, notes_at::integer, nullif(notes_size, -1)::integer)`
)
