package kill

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/outbox"
)

// What stands here touches the library, all of it from outside: stores and a RoundTripper that stand in front of the usual ones and
// pass the killer's points. Nothing in the library knows of this.

// Intents is an outbox.Intents.
type Intents struct {
	outbox.Intents
	Killer  *Killer
	Outside bool // broken: writes beside the app's transaction
}

func (i *Intents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if i.Outside {
		tx = nil
	}
	return i.Intents.AddIntent(ctx, tx, in)
}

func (i *Intents) DropIntents(ctx context.Context, seq int64) error {
	i.Killer.At("intent before dropped")
	return i.Intents.DropIntents(ctx, seq)
}

// Queue is a delivery.Store.
type Queue struct {
	delivery.Store
	Split     bool // records acks one by one, so that there are enough of them to compact
	Early     bool // broken: says that an activity is kept before it is
	Forgetful bool // broken: records no ack
	Mixed     bool // broken: knows no order
}

func (q *Queue) Append(ctx context.Context, a delivery.Addition) (delivery.Appended, error) {
	ctx = Working(ctx, "enqueue")
	if q.Early {
		go func() {
			time.Sleep(Tardy)
			_, _ = q.Store.Append(context.WithoutCancel(ctx), a)
		}()
		return delivery.Appended{Seq: 1, Targets: len(a.Inboxes)}, nil
	}
	return q.Store.Append(ctx, a)
}

func (q *Queue) Load(ctx context.Context, what delivery.Query) (delivery.Page, error) {
	page, err := q.Store.Load(ctx, what)
	if q.Mixed {
		for i := range page.Records {
			r := &page.Records[i]
			r.Key, r.Deferred = "", nil
			for _, inbox := range r.Targets {
				r.Deferred = append(r.Deferred, delivery.Deferral{
					Seq: r.Seq, Inbox: inbox, Attempts: 1, Next: time.Now().Add(rand.N(4 * Tardy)),
				})
			}
		}
	}
	return page, err
}

func (q *Queue) Flush(ctx context.Context, epoch int64, f delivery.Flush) (gone []int64, err error) {
	ctx = Working(ctx, "flush")
	if q.Forgetful {
		f.Acks = nil
	}
	if q.Split {
		// A store takes all of them or none: of the parts, what was said first has to come first.
		slices.SortFunc(f.Acks, func(a, b delivery.Ack) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, a := range f.Acks {
			for _, inbox := range a.Done {
				part := delivery.Flush{Now: f.Now, Acks: []delivery.Ack{{Seq: a.Seq, Done: []int64{inbox}, Failed: min(a.Failed, 1)}}}
				a.Failed -= part.Acks[0].Failed
				unknown, err := q.Store.Flush(ctx, epoch, part)
				if err != nil {
					return nil, err
				}
				gone = append(gone, unknown...)
			}
		}
		f.Acks = nil
	}
	unknown, err := q.Store.Flush(ctx, epoch, f)
	gone = append(gone, unknown...)
	slices.Sort(gone)
	return slices.Compact(gone), err
}

// Transport posts.
type Transport struct {
	Base   http.RoundTripper
	Killer *Killer
}

func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { t.Killer.At("request written") },
	})
	resp, err := t.Base.RoundTrip(r.WithContext(ctx))
	if err == nil {
		t.Killer.At("answer read")
	}
	return resp, err
}

// Answer is a http.ResponseWriter that passes the point "before the answer".
type Answer struct {
	http.ResponseWriter
	Killer *Killer
}

func (a *Answer) WriteHeader(status int) {
	if status == http.StatusAccepted {
		a.Killer.At("before the answer")
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Tardy is how much later than they say the broken ones do their work.
const Tardy = 50 * time.Millisecond
