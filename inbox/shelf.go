package inbox

import (
	"context"
	"fmt"
	"time"
)

// Shelved lists dead letters, or what the filter held back: the newest first, at most limit, and only what has a lower Seq
// than before, unless that is zero. It may be called while Run runs, or without.
func (in *Inbox) Shelved(ctx context.Context, s Shelf, before int64, limit int) ([]Entry, error) {
	return in.Journal.Shelved(ctx, s, before, limit)
}

// Show returns one entry of a shelf and the Message that its hook would get, as far as that can be said without asking its
// origin. The error wraps [ErrNoEntry] if there is none.
func (in *Inbox) Show(ctx context.Context, s Shelf, seq int64) (Entry, *Message, error) {
	e, err := in.shelved(ctx, s, seq)
	if err != nil {
		return Entry{}, nil, err
	}
	a, err := read(e.Body)
	if err != nil {
		return e, nil, nil // a dead letter for that very reason
	}
	m := &Message{
		Activity: a, Body: e.Body, Sender: e.Sender, Received: e.Received, ObjectID: a.Object.First(),
		Owner: e.Owner, To: e.To, Alone: e.Alone,
	}
	if n, err := readNotes(e.Notes); err == nil {
		m.By, m.Via, m.More, m.ToFollowers = n.By, n.Via, n.More, n.ToFollowers && !e.Alone
		m.Group, m.ToMembers, m.Moderates = n.Group, n.ToMembers && !e.Alone, n.Moderates
		if n.Verdict != nil {
			m.Labels = n.Verdict.Labels
		}
	}
	if m.By != ByOrigin {
		_ = m.readEmbedded() // what may not be believed stays out
	}
	return e, m, nil
}

func (in *Inbox) shelved(ctx context.Context, s Shelf, seq int64) (Entry, error) {
	list, err := in.Journal.Shelved(ctx, s, seq+1, 1)
	if err != nil {
		return Entry{}, err
	}
	if len(list) == 0 || list[0].Seq != seq {
		return Entry{}, fmt.Errorf("%w: %d", ErrNoEntry, seq)
	}
	return list[0], nil
}

// Retry takes an entry from its shelf and has its hook run, as if it had just arrived: a dead letter once more, one that was
// held for the first time, without asking the filter again. Nothing runs of what was deleted or undone meanwhile. The error wraps
// [ErrNoEntry] if there is none.
func (in *Inbox) Retry(ctx context.Context, s Shelf, seq int64) error {
	e, err := in.shelved(ctx, s, seq)
	if err != nil {
		return err
	}
	if a, err := read(e.Body); err == nil {
		_, e.Rules = marksOf(a, e.Body)
	}
	n, err := readNotes(e.Notes)
	if err != nil {
		return fmt.Errorf("inbox: notes of entry %d: %w", seq, err)
	}
	n.Since = time.Now()
	if n.Verdict == nil {
		n.Verdict = &Verdict{}
	}
	n.Verdict.Decision = Pass
	e.Notes = n.marshal()
	if err := in.Journal.Unshelve(ctx, s, seq, &e); err != nil {
		return err
	}
	in.wake()
	return nil
}

// Discard takes an entry from its shelf for good. The error wraps [ErrNoEntry] if there is none.
func (in *Inbox) Discard(ctx context.Context, s Shelf, seq int64) error {
	return in.Journal.Unshelve(ctx, s, seq, nil)
}
