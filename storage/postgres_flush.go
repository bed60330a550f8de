package storage

import (
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// flush writes what changed.
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
	if len(marks) > 0 {
		if _, err := b.exec(`INSERT INTO fedihook_marks (mark, at, seq, owners)
			SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[])`, blobs(marks), pgdb.Ints(ats), pgdb.Ints(seqs), blobs(owners)); err != nil {
			return err
		}
	}
	if len(ownedMarks) > 0 {
		if _, err := b.exec(`INSERT INTO fedihook_mark_owners (mark, owner) SELECT * FROM unnest($1::bytea[], $2::bigint[])
			ON CONFLICT DO NOTHING`, blobs(ownedMarks), pgdb.Ints(ownedBy)); err != nil {
			return err
		}
	}
	if err := b.flushEntries(); err != nil {
		return err
	}
	if b.tell && b.journal.ear.listen != nil {
		_, err := b.exec(`SELECT pg_notify($1::text, '')`, b.journal.ear.channel("journal"))
		return err
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

// flushEntries puts the new entries where they belong.
func (b *postgresBatch) flushEntries() error {
	var fresh, held [][]any
	for i := range b.entries {
		e := &b.entries[i]
		to, err := toJSON(e.To)
		if err != nil {
			return err
		}
		row := []any{
			e.Seq, e.Mark[:], blob(e.Key), blob(e.Sender), blob(e.Owner), toMicros(e.Received), e.Attempts, toMicros(e.NotBefore), blob(e.LastError),
			e.Body, blob(e.Lane), toMicros(e.Turn), to, e.Alone, e.Notes,
		}
		if e.Hold {
			held = append(held, append(row, int(inbox.Held)))
		} else {
			fresh = append(fresh, append(row, e.Shard(), e.head))
		}
	}
	if err := b.insert(`INSERT INTO fedihook_entries (`+entryColumns+`, shard, head)`, fresh); err != nil {
		return err
	}
	return b.insert(`INSERT INTO fedihook_shelf (`+entryColumns+`, shelf)`, held)
}

// insert writes rows of the same number of values, in few different statements.
func (b *postgresBatch) insert(head string, rows [][]any) error {
	for len(rows) > 0 {
		n := rowsAtOnce
		for n > len(rows) {
			n /= 2
		}
		var args []any
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		if _, err := b.exec(head+rowsOf(n, len(rows[0])), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
