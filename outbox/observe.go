package outbox

import (
	"context"
	"time"
)

// Observer is told what happens, for metrics and traces. Its methods are called by many goroutines at once and must
// return at once; they must not call the Outbox.
type Observer interface {
	// Saying is called as an activity of this type is about to be kept. It returns the trace that it belongs to, as a W3C
	// traceparent, "" for none, and what to call with its id, or why it was not kept. The trace is kept with the activity, if it has
	// no more than 55 bytes, and comes with each Delivery.
	Saying(ctx context.Context, typ string) (trace string, said func(id string, err error))
	// Handing is called as a record is about to be handed over. It returns ctx, or one made of it, under which Config.Followers,
	// Config.Enqueue and Config.Loop are called, and what to call with how many inboxes there were and why it failed, nil if not.
	Handing(ctx context.Context, h Handing) (context.Context, func(inboxes int, err error))
	// Ended is called when something does not go out, or not to all: it "expired", was "given up" or was "withdrawn" before anybody
	// was told, n at once.
	Ended(why string, n int)
}

// Handing tells of a hand-over that begins.
type Handing struct {
	Activity, Type, Trace string
	At                    time.Time // when it was said
	First                 bool      // see Delivery.First
}

// maxTrace is how many bytes a W3C traceparent has.
const maxTrace = 55

// saying asks the Observer, if there is one.
func (o *Outbox) saying(ctx context.Context, typ string) (trace string, said func(id string, err error)) {
	if o.Observer == nil {
		return "", func(string, error) {}
	}
	if trace, said = o.Observer.Saying(ctx, typ); len(trace) > maxTrace {
		trace = ""
	}
	return trace, said
}

// handOver gives one pass to the delivery queue, and on the first one tells our own inbox. The Observer is told of it.
func (o *Outbox) handOver(ctx context.Context, r *Record) error {
	if o.Observer == nil {
		_, err := o.enqueue(ctx, r)
		return err
	}
	ctx, handed := o.Observer.Handing(ctx, Handing{r.ID, r.Type, r.Trace, r.At, r.Pass == 0})
	n, err := o.enqueue(ctx, r)
	handed(n, err)
	return err
}

func (o *Outbox) ended(why string, n int) {
	if o.Observer != nil {
		o.Observer.Ended(why, n)
	}
}
