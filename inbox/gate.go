package inbox

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	// pace is how far an entry puts off the next turn of its lane: who sends more than a hundred in a second waits behind
	// those who send less, as long as there are any.
	pace = 10 * time.Millisecond

	maxLanes     = 10_000
	maxAddresses = 20_000
)

// gate says who may come in while there is much to do. Its zero value but for max works.
type gate struct {
	mu        sync.Mutex
	max       int64
	buffered  int64                // bytes of requests that are being judged
	strangers map[netip.Prefix]int // requests of unknown actors in this minute, by address
	others    int                  // those of the addresses that had no room in the map
	minute    int64
	fetching  map[string]*line   // requests of unknown actors that are being verified, by host
	turns     map[lane]time.Time // the next of each
}

// lane is a host, whose interactive entries have one of their own.
type lane struct {
	host        string
	interactive bool
}

// enter takes room for a request's body, or says that there is none. Done is called once.
func (g *gate) enter(r *http.Request, maxBody int64) (done func(), err error) {
	size := r.ContentLength
	if size < 0 || size > maxBody {
		size = maxBody
	}
	size += 4 << 10 // what else it costs
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.buffered > 0 && g.buffered+size > g.max {
		return nil, &Refusal{Status: http.StatusServiceUnavailable, Err: fmt.Errorf("%w: %d bytes of requests", ErrBusy, g.buffered)}
	}
	g.buffered += size
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.buffered -= size
	}, nil
}

// admitStranger bounds what it costs us that anyone can make up actors: who is not known here may need a fetch. Done is
// called once.
func (in *Inbox) admitStranger(r *http.Request, c *matter) (done func(), err error) {
	host, _ := activity.Authority(c.sender)
	if h, ok := in.Verifier.(Holder); ok && host == c.signer && h.Holds(r) { // who says what others said is as strange as they
		return func() {}, nil
	}
	known, err := in.Peers.Known(r.Context(), c.sender)
	if err != nil {
		return nil, c.refuse(http.StatusServiceUnavailable, err)
	}
	if known {
		return func() {}, nil
	}
	g, from := &in.gate, in.client(r)
	if from.IsValid() && g.count(from) > in.MaxStrangers {
		return nil, c.refuse(http.StatusTooManyRequests, fmt.Errorf("%w: unknown actors from one address", ErrBusy))
	}
	v := g.visit(c.signer, in.MaxFetching)
	if v == nil {
		return nil, c.refuse(http.StatusServiceUnavailable, fmt.Errorf("%w: unknown actors of %s", ErrBusy, c.signer))
	}
	if !v.wait(r.Context()) {
		return nil, c.refuse(http.StatusServiceUnavailable, fmt.Errorf("%w: unknown actors of %s wait for longer than %s", ErrBusy, c.signer, maxLine))
	}
	return v.leave, nil
}

// count counts a request of an address and returns how many there were in this minute.
func (g *gate) count(from netip.Prefix) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now().Unix() / 60; now != g.minute {
		g.minute, g.strangers, g.others = now, nil, 0
	}
	if g.strangers == nil {
		g.strangers = make(map[netip.Prefix]int)
	}
	if _, ok := g.strangers[from]; !ok && len(g.strangers) >= maxAddresses {
		g.others++
		return g.others
	}
	g.strangers[from]++
	return g.strangers[from]
}

// turn gives e its lane and its turn in it. What people wait for has a lane of its own in each host.
func (g *gate) turn(e *Entry, from string, interactive bool) {
	e.Lane, _ = activity.Authority(from)
	its := lane{e.Lane, interactive}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turns == nil {
		g.turns = make(map[lane]time.Time)
	}
	if len(g.turns) >= maxLanes {
		for lane, next := range g.turns {
			if next.Before(e.Received) {
				delete(g.turns, lane)
			}
		}
		if len(g.turns) >= maxLanes {
			clear(g.turns)
		}
	}
	e.Turn = e.Received
	next, ok := g.turns[its]
	if next.After(e.Turn) {
		e.Turn = next
	}
	if !ok {
		its.host = strings.Clone(its.host) // not the whole id of which it is a part
	}
	g.turns[its] = e.Turn.Add(pace)
}

// client is whom a request is from: the last address that none of our proxies vouches for. It is not valid for one that
// nobody on the Internet has: that is a proxy of which we were not told, behind which is everyone.
func (in *Inbox) client(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	from := at.Addr().Unmap()
	if in.isProxy(from) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && in.isProxy(from); i-- {
			hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
			if err != nil {
				break
			}
			from = hop.Unmap().WithZone("")
		}
	}
	if from.IsLoopback() || from.IsPrivate() || from.IsLinkLocalUnicast() {
		return netip.Prefix{}
	}
	bits := 64
	if from.Is4() {
		bits = 32
	}
	p, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (in *Inbox) isProxy(a netip.Addr) bool {
	for _, p := range in.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// sayBusy says why others are sent away, once a minute.
func (in *Inbox) sayBusy(ctx context.Context, why error) {
	now, last := time.Now().UnixNano(), in.busy.Load()
	if now-last >= int64(time.Minute) && in.busy.CompareAndSwap(last, now) {
		in.Logger.WarnContext(ctx, "inbox: senders are told to come again later", "error", why, "running", in.running.Load())
	}
}
