package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// lookTime bounds what one job waits for others. Whom it did not come to is looked for in the next.
const lookTime = time.Minute

// errExpired says that a record was not handed over in time.
var errExpired = errors.New("outbox: expired")

// step composes r if that was not done, finds inboxes and hands over, in one pass or more. What a pass goes to is saved
// before it is handed over: the queue knows a pass by its number, and after a crash gets the same one again.
func (o *Outbox) step(ctx context.Context, r *Record) error {
	if !time.Now().Before(o.expires(r)) {
		return fmt.Errorf("%w: %w", ErrGone, errExpired)
	}
	if r.Actor == "" {
		if err := o.compose(ctx, r); err != nil {
			return err
		}
	}
	if r.Pass == 0 {
		if err := o.relate(ctx, r); err != nil {
			return err
		}
		if err := o.leaving(ctx, r); err != nil {
			return err
		}
	}
	if len(r.Targets) > 0 { // by who crashed, or was refused by a full queue
		if done, err := o.pass(ctx, r, nil); err != nil || done {
			return err
		}
	}
	held, err := o.held(ctx, r)
	if err != nil {
		return err
	}
	wanted := slices.DeleteFunc(slices.Clone(r.Waiting), func(id string) bool { return slices.Contains(held, id) })
	typ, err := o.typeOf(ctx, r)
	if err != nil {
		return err
	}
	answers, stop := o.look(ctx, typ, wanted)
	unknown, err := o.passes(ctx, r, answers, len(wanted))
	stop()
	switch {
	case err != nil:
		return err
	case unknown != nil:
		return unknown
	case len(held) > 0 && r.State == Partly:
		return errNotYet
	}
	return nil
}

// passes hands over what is known when those who can be found quickly are, and then, once, what is known when all have
// answered. It returns an error of one who could not be found.
func (o *Outbox) passes(ctx context.Context, r *Record, answers <-chan answer, n int) (unknown, err error) {
	patience := time.NewTimer(o.Patience)
	defer patience.Stop()
	var got []answer
	for n > 0 {
		select {
		case a := <-answers:
			n--
			if a.err != nil && !errors.Is(a.err, ErrGone) {
				unknown = a.err
				continue
			}
			got = append(got, a)
		case <-patience.C:
			if r.Pass > 0 {
				continue // whoever was to hear of it at once has
			}
			if done, err := o.pass(ctx, r, got); err != nil || done {
				return nil, err
			}
			got = nil
		}
	}
	if r.Pass > 0 && len(got) == 0 && len(r.Waiting) > 0 {
		return unknown, nil
	}
	_, err = o.pass(ctx, r, got)
	return unknown, err
}

// answer is what is known of one recipient.
type answer struct {
	id     string
	target Target
	err    error
}

// look looks for the inboxes of ids. Stop ends it and returns when nobody is looking any more.
func (o *Outbox) look(ctx context.Context, typ string, ids []string) (answers chan answer, stop func()) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	answers = make(chan answer, len(ids))
	queue := make(chan string, len(ids))
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	var lookers sync.WaitGroup
	for range min(len(ids), cap(o.gate.all)) {
		lookers.Go(func() {
			for id := range queue {
				t, err := o.inboxes(ctx, id)
				answers <- answer{id, personal(typ, t), err}
			}
		})
	}
	return answers, func() {
		cancel()
		lookers.Wait()
	}
}

// inboxes finds where one actor takes its post; the zero Target says that it is here. See pass.
func (o *Outbox) inboxes(ctx context.Context, id string) (t Target, err error) {
	if o.Local(id) {
		return Target{}, nil
	}
	leave, err := o.gate.enter(ctx, id)
	if err != nil {
		return Target{}, err
	}
	defer leave()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("outbox: inboxes of %s: panic: %v", id, v)
		}
	}()
	return o.Inboxes(ctx, id)
}

// typeOf is r's type, of an Undo that of what it undoes: it goes to the same inboxes, or the two could not be folded alike.
func (o *Outbox) typeOf(ctx context.Context, r *Record) (string, error) {
	if r.Type != "Undo" {
		return r.Type, nil
	}
	old, err := o.undone(ctx, r)
	if errors.Is(err, ErrUnknown) {
		return r.Type, nil
	}
	return old.Type, err
}

// personal keeps what concerns one actor out of shared inboxes, as Mastodon does.
func personal(typ string, t Target) Target {
	switch typ {
	case "Create", "Update", "Delete", "Announce":
		return t
	}
	return Target{Inbox: t.Inbox}
}

// held lists recipients who are still to be sent an older version of the same object: a newer one waits until that is done
// or given up, so that each inbox gets them in order.
func (o *Outbox) held(ctx context.Context, r *Record) (ids []string, err error) {
	if r.Type != "Update" || len(r.Waiting) == 0 {
		return nil, nil
	}
	defer o.locks.lock(r.Object)()
	before, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return nil, err
	}
	for _, old := range before {
		if old.Seq >= r.Seq || old.State != Partly || old.Type != "Create" && old.Type != "Update" {
			continue
		}
		if len(old.Targets) > 0 {
			return nil, errNotYet
		}
		ids = union(ids, old.Waiting)
	}
	return ids, nil
}

// release lets newer records about r's object go on that waited for it. The object's lock is held.
func (o *Outbox) release(ctx context.Context, r *Record) error {
	if r.State == Partly || r.State == Pending || r.Type != "Create" && r.Type != "Update" {
		return nil
	}
	records, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return err
	}
	for _, newer := range records {
		if newer.Seq <= r.Seq || newer.State != Partly && newer.State != Pending || newer.Attempts == 0 {
			continue // done, or not put off: what is to be said later stays so
		}
		newer.NotBefore = time.Time{}
		if err := ignoreStale(o.save(ctx, &newer)); err != nil {
			return err
		}
	}
	return nil
}

// pass hands r over to those who were found and, the first time, to the followers. Done says that nothing is left to do.
func (o *Outbox) pass(ctx context.Context, r *Record, got []answer) (done bool, err error) {
	defer o.locks.lock(r.Object)()
	now, err := o.Log.Record(ctx, r.ID)
	if err != nil {
		return false, err
	}
	if now.Version != r.Version { // a Delete may have come between
		return false, ErrStale
	}
	for _, a := range got {
		r.Waiting = slices.DeleteFunc(r.Waiting, func(id string) bool { return id == a.id })
		switch {
		case a.err != nil:
			host, _ := activity.Authority(a.id) // no more of who may be in bto or bcc
			o.Logger.InfoContext(ctx, "outbox: recipient left out", "activity", r.ID, "host", host, "error", ErrGone)
			o.Logger.DebugContext(ctx, "outbox: recipient left out", "activity", r.ID, "actor", a.id, "error", a.err)
		case a.target.Inbox != "" && !slices.Contains(r.Targets, a.target):
			r.Targets = append(r.Targets, a.target)
		}
	}
	if r.Pass == 0 && !slices.Contains(r.Targets, Target{}) {
		// It stands for the followers, and for nobody if they are not meant: whoever repeats the pass after a crash must
		// not find others by then, whom the queue would take for those that it has.
		r.Targets = append(r.Targets, Target{})
	}
	if len(r.Targets) > 0 {
		if err := o.save(ctx, r); err != nil {
			return false, err
		}
	}
	if err := o.handOver(ctx, r); err != nil {
		return false, err
	}
	r.Targets, r.State, r.LastError = nil, Sent, ""
	r.Pass++
	if len(r.Waiting) > 0 {
		r.State = Partly
	}
	if err := o.save(ctx, r); err != nil {
		return false, err
	}
	if r.State == Sent {
		if err := o.withdraw(ctx, r); err != nil {
			return false, err
		}
	}
	return r.State == Sent, o.release(ctx, r)
}

func (o *Outbox) enqueue(ctx context.Context, r *Record) (inboxes int, err error) {
	all, here, err := o.targets(ctx, r)
	if err != nil {
		return 0, err
	}
	if len(all) > 0 {
		key, err := o.keyOf(ctx, r)
		if err != nil {
			return 0, err
		}
		d := Delivery{
			ID: r.ID + " " + strconv.Itoa(r.Pass), First: r.Pass == 0, Sender: r.Actor, Key: key, Type: r.Type, Body: r.Activity,
			Class: classOf(r.Type, r.Followers, len(all)), Expires: o.expires(r),
			Public: r.Public, Followers: r.Followers, Trace: r.Trace,
		}
		if d.Variants, err = o.variants(r, maps.Values(all)); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrGone, err)
		}
		if err := o.Enqueue(ctx, d, maps.Values(all)); err != nil {
			return 0, err
		}
		o.count.sent.Add(1)
	}
	if here && r.Pass == 0 {
		return len(all), o.Loop(ctx, r.Actor, r.Activity)
	}
	return len(all), nil
}

// targets are where a pass goes, by the URL that is posted to: of a hundred thousand followers on ten thousand servers
// ten thousand are held. Nothing is posted to ourselves.
func (o *Outbox) targets(ctx context.Context, r *Record) (all map[string]Target, here bool, err error) {
	all = make(map[string]Target, len(r.Targets))
	add := func(t Target) {
		url := t.URL()
		if o.Local(url) || o.Local(t.Inbox) {
			o.Logger.WarnContext(ctx, "outbox: an inbox elsewhere is said to be here", "activity", r.ID, "inbox", url)
			return
		}
		if _, twice := all[url]; !twice {
			all[strings.Clone(url)] = t
		}
	}
	for _, t := range r.Targets {
		if t != (Target{}) {
			add(t)
		}
	}
	here = slices.ContainsFunc(r.To, o.Local)
	if r.Public && r.Pass == 0 && o.Everyone != nil {
		further, err := o.Everyone(ctx, r)
		if err != nil {
			return nil, false, err
		}
		for _, t := range further {
			add(t)
		}
	}
	if !r.Followers || r.Pass > 0 {
		return all, here, nil
	}
	for t, err := range o.Followers(ctx, r.Actor) {
		if err != nil {
			return nil, false, err
		}
		if t == (Target{}) {
			here = true
			continue
		}
		if authority, _ := activity.Authority(t.Inbox); !slices.Contains(r.Except, authority) {
			add(t)
		}
	}
	return all, here, nil
}

// keyOf names what must arrive in order: an object's life, or what goes on between two.
func (o *Outbox) keyOf(ctx context.Context, r *Record) (string, error) {
	switch r.Type {
	case "Create", "Update", "Delete", "Move": // a Move comes after the Update that tells it
		return r.Object, nil
	case "Undo":
		old, err := o.undone(ctx, r)
		if err != nil {
			return r.Object, ignoreUnknown(err)
		}
		return o.keyOf(ctx, &old)
	case "Accept", "Reject":
		if len(r.To) == 1 {
			return r.To[0] + " " + r.Actor, nil
		}
	}
	if object, ok := strings.CutSuffix(r.Object, announced); ok && r.Type == "Announce" {
		// Lemmy (0.19) refuses what Share says, so that it must not hold up what Wrap says.
		if a, err := activityOf(*r); err == nil && wrapped(a) == nil {
			return r.Actor + " " + object, nil
		}
	}
	return r.Actor + " " + r.Object, nil
}

func ignoreUnknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}
