package storage

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/fedihook/fedihook/inbox"
)

// append is [inbox.Journal.Append] in memory.
func (b *batch) append(e inbox.Entry, bounds inbox.Bounds) (kept inbox.Kept, err error) {
	if over, err := b.isOver(e.Rules); err != nil || over {
		return inbox.Kept{Seen: over}, err
	}
	known, err := b.has(e.Mark)
	if err != nil {
		return kept, err
	}
	if known {
		if e.To, err = b.lacking(e.Mark, e.To); err != nil || len(e.To) == 0 {
			return inbox.Kept{Seen: err == nil}, err
		}
		e.Alone = true
	}
	full, err := b.full(&e, bounds)
	if err != nil {
		return kept, err
	}
	if full {
		return kept, inbox.ErrFull
	}
	if err := b.apply(&e); err != nil {
		return kept, err
	}
	mark, err := b.put(e.Mark, e.Received, b.seq+1)
	if err != nil {
		return kept, err
	}
	mark.added = append(mark.added, ownerKeys(e.To)...)
	ready, err := b.add(e)
	return inbox.Kept{Seq: b.seq, Key: e.Key, To: e.To, Alone: e.Alone, Ready: ready}, err
}

// isOver applies Rules.Unless and Once.
func (b *batch) isOver(r inbox.Rules) (bool, error) {
	for _, m := range r.Unless {
		found, err := b.has(m)
		if err == nil && found && r.Once {
			err = b.drop(m)
		}
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// apply applies the other rules.
func (b *batch) apply(e *inbox.Entry) error {
	was := false
	for _, m := range e.Rules.Undoes {
		found, err := b.has(m)
		if err != nil {
			return err
		}
		was = was || found
		if err := b.lend(m, &e.Key); err != nil {
			return err
		}
	}
	if e.Rules.Over != (inbox.Mark{}) && !was {
		if _, err := b.put(e.Rules.Over, e.Received, 0); err != nil {
			return err
		}
	}
	for _, m := range e.Rules.Drop {
		if err := b.drop(m); err != nil {
			return err
		}
	}
	return nil
}

// lend makes key that of the newest unfinished entry with this mark, if there is one.
func (b *batch) lend(m inbox.Mark, key *string) error {
	k, err := b.mark(m)
	if err != nil {
		return err
	}
	if k.stored {
		err = b.row(b.ctx, []any{key}, `SELECT okey FROM (SELECT seq, okey FROM fedihook_entries WHERE substr(mark, 1, 16) = ? AND alone = 1
			UNION ALL SELECT seq, okey FROM fedihook_entries WHERE seq = ?) ORDER BY seq DESC LIMIT 1`, shortMark(m), k.seq)
	}
	for _, e := range b.entries {
		if e.Mark == m && !e.Hold {
			*key = e.Key
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (b *batch) full(e *inbox.Entry, max inbox.Bounds) (bool, error) {
	if e.Hold {
		if b.held < 0 {
			if err := b.row(b.ctx, []any{&b.held}, `SELECT count(*) FROM fedihook_shelf WHERE shelf = ?`, inbox.Held); err != nil {
				return false, err
			}
		}
		return max.Held > 0 && b.held >= max.Held, nil
	}
	lane, err := b.lane(e.Lane)
	if err != nil {
		return false, err
	}
	return max.All > 0 && b.unfinished >= max.All || max.Lane > 0 && lane.now >= max.Lane, nil
}

// add gives e its Seq, and tells whether it may run at once. It is put by flush.
func (b *batch) add(e inbox.Entry) (ready bool, err error) {
	b.seq++
	e.Seq = b.seq
	if e.Hold {
		b.held++
		b.entries = append(b.entries, e)
		return false, nil
	}
	if err := b.load(nil, []string{e.Key}); err != nil {
		return false, err
	}
	lane, err := b.lane(e.Lane)
	if err != nil {
		return false, err
	}
	lane.now++
	b.unfinished++
	head := e.Key == "" || !b.keys[e.Key]
	b.keys[e.Key] = true
	b.known.put(e.Seq, strings.Clone(e.Key), lane.name, head)
	e.Rules = inbox.Rules{Once: head} // of which nothing else is needed any more
	b.entries = append(b.entries, e)
	return head && e.NotBefore.IsZero(), nil
}

// flushEntries puts the new entries where they belong.
func (b *batch) flushEntries() error {
	var fresh, held [][]any
	for i := range b.entries {
		e := &b.entries[i]
		to, err := toJSON(e.To)
		if err != nil {
			return err
		}
		row := []any{
			e.Seq, e.Mark[:], e.Key, e.Sender, e.Owner, toMicros(e.Received), e.Attempts, toMicros(e.NotBefore), e.LastError, e.Body,
			e.Lane, toMicros(e.Turn), to, e.Alone, e.Notes,
		}
		if e.Hold {
			held = append(held, append(row, inbox.Held))
		} else {
			fresh = append(fresh, append(row, headOf(e)))
		}
	}
	if err := b.insert(`INSERT OR FAIL INTO fedihook_entries (`+entryColumns+`, head)`, fresh, ""); err != nil {
		return err
	}
	return b.insert(`INSERT OR FAIL INTO fedihook_shelf (`+entryColumns+`, shelf)`, held, "")
}

// headOf is the head of a new entry.
func headOf(e *inbox.Entry) int {
	switch {
	case !e.Rules.Once:
		return 0
	case !e.NotBefore.IsZero():
		return 1
	}
	return 2
}
