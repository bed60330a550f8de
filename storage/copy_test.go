package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// fill puts something into every store that Copy has to bring over.
func fill(t *testing.T, s storage.Storage) {
	t.Helper()
	ctx := t.Context()
	const odd = "a\x00b'\"\\;,{}é"
	at := time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 700 { // more than one batch
		id := fmt.Sprintf("https://a.example/%d/%s", i, odd)
		must(s.Followers.PutFollow(ctx, actor.Follow{
			Follower: id, Followed: "https://here.example/u", ID: id, State: actor.FollowState(i%2 + 1), Inbox: id, At: at,
		}))
	}
	must(s.Followers.DeleteFollow(ctx, fmt.Sprintf("https://a.example/%d/%s", 699, odd), "https://here.example/u"))
	_, err := s.Keys.AddKey(ctx, actor.KeyPair{ActorID: odd, Serial: 3, Kind: actor.KeyEd25519, KeyID: odd, Private: []byte(odd), Created: at})
	must(err)
	for _, r := range []actor.Remote{
		{ID: odd, Document: []byte(odd), KeyIDs: []string{odd, "k"}, Fetched: at, ETag: odd, LastModified: odd, Handle: odd, Proved: at},
		{ID: "gone", Gone: at}, {ID: "empty", Document: []byte{}},
	} {
		must(s.Remotes.PutRemote(ctx, r))
	}
	for _, local := range []string{"", odd} {
		rule := moderation.Rule{Key: moderation.Key{Local: local, About: "b.example"}, Severity: moderation.Limit, Private: odd, At: at}
		must(s.Rules.ChangeRules(ctx, []moderation.Entry{{At: at, By: odd, Rule: rule}, {At: at, Reason: odd, Lifted: true, Rule: rule}, {Rule: rule}}))
	}
	must(s.Rules.SetEnforced(ctx, 2), s.Hosts.See(ctx, odd, at, 9))
	must(s.Relays.PutRelay(ctx, outbox.Relay{ID: odd, Inbox: odd, FollowID: odd, State: outbox.RelayAccepted, Wanted: true, At: at}))
	must(s.Forwards.PutForwarded(ctx, inbox.Forwarded{Object: odd, Author: odd, Local: odd, At: at}))
	_, err = s.Moves.AddMove(ctx, actor.Move{From: odd, To: odd, ID: odd, At: at, Step: actor.MoveAsking, After: 5}, time.Time{})
	must(err)
	must(s.Stamps.SaveStamp(ctx, consent.Stamp{Kind: consent.Like, Interaction: odd, Target: odd, ID: odd, Audience: []string{"x"}, Theirs: true, At: at}))
	for i := range 3 {
		must(s.Intents.AddIntent(ctx, nil, outbox.Intent{ID: fmt.Sprint(odd, i), Author: odd, At: at, Activity: []byte(`{}`)}))
	}
	list, err := s.Intents.NextIntents(ctx, 1)
	must(err, s.Intents.DropIntents(ctx, list[0].Seq))
	must(s.Log.AddRecord(ctx, outbox.Record{ID: odd, Type: "Create", Object: odd, Author: odd, Actor: odd, At: at, Public: true, Activity: []byte(`{}`)}))
	for i := range 4 { // of which two share a key
		e := inbox.Entry{Key: []string{"k", "k", "", odd}[i], Sender: odd, Received: at, Body: []byte(odd)}
		e.Mark[0], e.Mark[31] = byte(i), byte(i)
		_, err := s.Journal.Append(ctx, e, inbox.Bounds{})
		must(err)
	}
	// Three inboxes: one is done, one put off, one is dead, and a second activity waits for all.
	urls := []string{"https://x.example/inbox", "https://y.example/inbox", "https://z.example:8443/inbox?a"}
	add := delivery.Addition{Inboxes: urls, Record: delivery.Record{
		ID: "1" + odd, Sender: odd, Key: odd, ContentType: "application/activity+json", Created: at, Expires: at.Add(time.Hour),
		Bodies: delivery.Bodies{Body: []byte(odd), Other: []delivery.Body{{Name: "one", Bytes: []byte{0, 1, 2}}, {Name: "two, b", Bytes: []byte{}}}},
	}}
	first, err := s.Queue.Append(ctx, add)
	must(err)
	add.ID = "2" + odd
	_, err = s.Queue.Append(ctx, add)
	must(err)
	add.ID, add.Inboxes = "3"+odd, urls[:1] // of which nothing but a dead letter and its bodies stay
	third, err := s.Queue.Append(ctx, add)
	must(err)
	lease, err := s.Queue.Lease(ctx, delivery.LeaseRequest{Owner: "o", Now: at, TTL: time.Minute})
	must(err)
	page, err := s.Queue.Load(ctx, delivery.Query{Epoch: lease.Epoch, Limit: 100})
	must(err)
	ids := page.Records[0].Targets
	_, err = s.Queue.Flush(ctx, lease.Epoch, delivery.Flush{
		Now: at, Acks: []delivery.Ack{{Seq: first.Seq, Done: ids[:2], Failed: 1}, {Seq: third.Seq, Done: page.Records[2].Targets, Failed: 1}},
		Defers: []delivery.Deferral{{Seq: first.Seq, Inbox: ids[2], Attempts: 2, Next: at.Add(time.Minute), Status: 503, Err: odd}},
		Hosts:  []delivery.HostState{{Origin: "https://z.example:8443", Failures: 2, Last: at, Next: at.Add(time.Minute), Asked: true, Status: 503, Err: odd}},
		Dead: []delivery.DeadLetter{
			{Seq: first.Seq, Activity: "1" + odd, Sender: odd, Key: odd, Inbox: urls[0], At: at, Attempts: 9, Status: 410, Err: odd},
			{Seq: third.Seq, Activity: "3" + odd, Sender: odd, Key: odd, Inbox: urls[0], At: at, Attempts: 9, Status: 410, Err: odd},
		},
	})
	must(err)
}

// waiting is what is to be delivered, in words that know no numbers of inboxes.
func waiting(t *testing.T, s storage.Storage) (lines []string) {
	t.Helper()
	ctx := t.Context()
	page, err := s.Queue.Load(ctx, delivery.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		all := slices.Clone(r.Targets)
		urls, err := s.Queue.URLs(ctx, all)
		if err != nil {
			t.Fatal(err)
		}
		name := make(map[int64]string)
		for i, id := range all {
			name[id] = urls[i]
		}
		slices.Sort(urls)
		line := fmt.Sprintf("%q %q %q %v %v of %d: %q", r.ID, r.Sender, r.Key, r.Created.UTC(), r.Expires.UTC(), r.Total, urls)
		for _, d := range r.Deferred {
			line += fmt.Sprintf(" %q %d %v %d %q", name[d.Inbox], d.Attempts, d.Next.UTC(), d.Status, d.Err)
		}
		bodies, err := s.Queue.Body(ctx, r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %q", line, bodies))
	}
	slices.Sort(lines)
	return lines
}

func filled(t *testing.T) (from storage.Storage) {
	t.Helper()
	from, _ = fresh(t)
	fill(t, from)
	return from
}

func openEmpty(t *testing.T) (storage.Storage, *sql.DB) {
	t.Helper()
	db := pgtest.Open(t)
	return openSocial(t, db), db
}

func TestACopyHasAllThatTheSourceHas(t *testing.T) {
	t.Parallel()
	to, _ := openEmpty(t)
	from := filled(t)
	ctx := t.Context()
	report, err := storage.Copy(ctx, to, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Tables {
		if c.Rows == 0 && c.Table != "fedihook_shelf" && c.Table != "fedihook_mark_owners" {
			t.Errorf("%s is empty: nothing is proved of it", c.Table)
		}
	}
	same := func(what string, get func(s storage.Storage) (any, error)) {
		t.Helper()
		was, err1 := get(from)
		is, err2 := get(to)
		if a, b := fmt.Sprintf("%+q", was), fmt.Sprintf("%+q", is); a != b || err1 != nil || err2 != nil {
			t.Errorf("%s:\n was %s, %v\n is  %s, %v", what, a, err1, b, err2)
		}
	}
	u := actor.FollowQuery{Followed: "https://here.example/u", Limit: 1000}
	same("follows", func(s storage.Storage) (any, error) { return s.Followers.Follows(ctx, u) })
	for _, state := range []actor.FollowState{0, actor.Pending, actor.Accepted} {
		same("count", func(s storage.Storage) (any, error) {
			return s.Followers.CountFollows(ctx, actor.FollowQuery{Followed: u.Followed, State: state})
		})
	}
	const odd = "a\x00b'\"\\;,{}é"
	same("keys", func(s storage.Storage) (any, error) { return s.Keys.ActorKeys(ctx, odd) })
	same("remote actor", func(s storage.Storage) (any, error) { return s.Remotes.RemoteByKey(ctx, odd) })
	same("rules", func(s storage.Storage) (any, error) { return s.Rules.ListRules(ctx, moderation.Query{Local: odd}) })
	same("trail", func(s storage.Storage) (any, error) { return s.Rules.Trail(ctx, 0, 100) })
	same("head", func(s storage.Storage) (any, error) { return s.Rules.RulesHead(ctx) })
	same("host", func(s storage.Storage) (any, error) { return s.Hosts.FirstSeen(ctx, odd) })
	same("relays", func(s storage.Storage) (any, error) { return s.Relays.Relays(ctx) })
	same("forwards", func(s storage.Storage) (any, error) { return s.Forwards.ForwardedTo(ctx, odd, odd) })
	same("move", func(s storage.Storage) (any, error) { return s.Moves.Move(ctx, odd) })
	same("stamps", func(s storage.Storage) (any, error) { return s.Stamps.Stamps(ctx, consent.Query{}) })
	same("intents", func(s storage.Storage) (any, error) { return s.Intents.NextIntents(ctx, 100) })
	same("record", func(s storage.Storage) (any, error) { return s.Log.Record(ctx, odd) })
	same("what waits", func(s storage.Storage) (any, error) { return waiting(t, s), nil })
	same("dead letters", func(s storage.Storage) (any, error) { return s.Queue.Dead(ctx, 0, 100) })
	same("hosts", func(s storage.Storage) (any, error) { return s.Queue.Hosts(ctx, "", 100) })
	same("status", func(s storage.Storage) (any, error) { return s.Queue.Status(ctx, "1"+odd) })
	same("entries", func(s storage.Storage) (any, error) {
		epoch, ok, err := s.Journal.Lease(ctx, "o", time.Now(), time.Minute)
		if err != nil || !ok {
			return ok, err
		}
		list, err := s.Journal.Due(ctx, epoch, time.Now(), 100)
		slices.SortFunc(list, func(a, b inbox.Entry) int { return int(a.Seq - b.Seq) })
		return list, errors.Join(err, s.Journal.Release(ctx, epoch))
	})
	// What is added then gets numbers that were never given.
	for i, s := range []storage.Storage{from, to} {
		if err := s.Followers.PutFollow(ctx, actor.Follow{Follower: "new", Followed: u.Followed}); err != nil {
			t.Fatal(err)
		}
		if f, err := s.Followers.Follow(ctx, "new", u.Followed); err != nil || f.Seq != 701 {
			t.Errorf("store %d: a new follow has the number %d, %v", i, f.Seq, err)
		}
		a, err := s.Queue.Append(ctx, delivery.Addition{Inboxes: []string{"https://new.example/inbox", "https://x.example/inbox"}, Record: delivery.Record{
			ID: "4", Bodies: delivery.Bodies{Body: []byte("{}")},
		}})
		if err != nil || a.Seq != 4 {
			t.Errorf("store %d: a new activity has the number %d, %v", i, a.Seq, err)
		}
	}
	same("dead letters that go again", func(s storage.Storage) (any, error) {
		return s.Queue.Redrive(ctx, delivery.Redrive{IDs: []int64{1, 2}, Now: time.Unix(1e9, 0), Expires: time.Unix(2e9, 0)})
	})
	for i, lines := range [][]string{waiting(t, from), waiting(t, to)} {
		if len(lines) != 5 { // two of before, the new one and two dead letters
			t.Errorf("store %d: %d activities wait: %q", i, len(lines), lines)
		}
	}
	same("what waits then", func(s storage.Storage) (any, error) { return waiting(t, s), nil })
}

func TestACopyThatDiffersLeavesTheTargetEmpty(t *testing.T) {
	t.Parallel()
	to, db := openEmpty(t)
	from := filled(t)
	for _, one := range []struct{ table, change string }{
		{"fedihook_rules", `NEW.rule := NEW.rule || 'x'`}, {"fedihook_follows", `IF NEW.seq = 600 THEN RETURN NULL; END IF`},
		{"fedihook_q_ack", `NEW.failed := 0`}, {"fedihook_q_inbox", `NEW.url := NEW.url || 'x'`}, {"fedihook_stamps", `NEW.theirs := false`},
	} {
		mustExec(t, db, `CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+one.change+`; RETURN NEW; END $$`)
		mustExec(t, db, `CREATE TRIGGER spoils BEFORE INSERT ON `+one.table+` FOR EACH ROW EXECUTE FUNCTION spoil()`)
		if _, err := storage.Copy(t.Context(), to, from); !errors.Is(err, pgdb.ErrDiffers) {
			t.Errorf("%s is spoilt: %v", one.table, err)
		}
		mustExec(t, db, `DROP TRIGGER spoils ON `+one.table)
	}
	if _, err := storage.Copy(t.Context(), to, from); err != nil {
		t.Errorf("after all that: %v", err)
	}
	if _, err := storage.Copy(t.Context(), to, from); !errors.Is(err, storage.ErrNotEmpty) {
		t.Errorf("once more: %v", err)
	}
}

func TestOnlyWhatNobodyUsesIsCopied(t *testing.T) {
	t.Parallel()
	to, _ := openEmpty(t)
	from := filled(t)
	ctx := t.Context()
	for _, pair := range [][2]storage.Storage{{from, from}, {to, to}, {to, storage.Memory()}, {storage.Memory(), from}} {
		if _, err := storage.Copy(ctx, pair[0], pair[1]); !errors.Is(err, storage.ErrNotCopied) {
			t.Errorf("to %T from %T: %v", pair[0].Log, pair[1].Log, err)
		}
	}
	mixed := from
	mixed.Keys = storage.Memory().Keys
	if _, err := storage.Copy(ctx, to, mixed); !errors.Is(err, storage.ErrNotCopied) {
		t.Errorf("with keys of another store: %v", err)
	}
	for what, take := range map[string]func(s storage.Storage) (release func() error, err error){
		"the journal": func(s storage.Storage) (func() error, error) {
			epoch, _, err := s.Journal.Lease(ctx, "o", time.Now(), time.Minute)
			return func() error { return s.Journal.Release(ctx, epoch) }, err
		},
		"the queue": func(s storage.Storage) (func() error, error) {
			l, err := s.Queue.Lease(ctx, delivery.LeaseRequest{Owner: "p", Now: time.Now(), TTL: time.Minute})
			return func() error { return s.Queue.Release(ctx, l.Epoch) }, err
		},
	} {
		release, err := take(from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := storage.Copy(ctx, to, from); !errors.Is(err, storage.ErrInUse) {
			t.Errorf("while somebody has %s: %v", what, err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := storage.Copy(context.Background(), to, from); err != nil {
		t.Errorf("after that: %v", err)
	}
}
