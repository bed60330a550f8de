package safehttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var someone = netip.MustParseAddr("93.184.216.34")

func TestOneLookupServesAllWhoAskAtOnceAndLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		n := newNames(func(ctx context.Context, _ string) ([]netip.Addr, error) {
			asked.Add(1)
			select {
			case <-time.After(time.Second):
				return []netip.Addr{someone}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := n.resolve(impatient, "a.example"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			wg.Go(func() {
				if got, err := n.resolve(t.Context(), "a.example"); err != nil || len(got) != 1 || got[0] != someone {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(keepFound - time.Second)
		n.resolve(t.Context(), "a.example")
		if asked.Load() != 1 {
			t.Errorf("%d lookups, want 1", asked.Load())
		}
		time.Sleep(time.Second)
		n.resolve(t.Context(), "a.example")
		if asked.Load() != 2 {
			t.Errorf("%d lookups after the answer expired, want 2", asked.Load())
		}
	})
}

func TestFailedLookupsAreRememberedOnlyIfTheNameIsAtFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		addrs []netip.Addr
		err   error
		again int32 // lookups after asking twice
	}{
		{"no such host", nil, &net.DNSError{IsNotFound: true}, 1},
		{"no addresses", nil, nil, 1},
		{"private addresses", []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil, 1},
		{"resolver is down", nil, &net.DNSError{IsTemporary: true}, 2},
		{"timeout", nil, context.DeadlineExceeded, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				n := newNames(func(context.Context, string) ([]netip.Addr, error) { asked.Add(1); return c.addrs, c.err })
				for range 2 {
					if addrs, err := n.resolve(t.Context(), "a.example"); err == nil || len(addrs) != 0 {
						t.Fatalf("got %v, %v", addrs, err)
					}
				}
				if asked.Load() != c.again {
					t.Errorf("%d lookups, want %d", asked.Load(), c.again)
				}
				time.Sleep(keepNone)
				n.resolve(t.Context(), "a.example")
				if asked.Load() != c.again+1 {
					t.Errorf("still remembered after %v", keepNone)
				}
			})
		})
	}
}

func TestRememberedNamesAreBounded(t *testing.T) {
	t.Parallel()
	n := newNames(func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{someone}, nil })
	for i := range maxNames + 100 {
		if _, err := n.resolve(t.Context(), fmt.Sprintf("h%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.known) != maxNames {
		t.Errorf("%d names are kept, want %d", len(n.known), maxNames)
	}
}

// The resolver's answer is checked, and so is the socket: here the first check is fooled.
func TestTheSocketItselfIsChecked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := 0
	d := &dialer{}
	conn, err := d.dialAddr(t.Context(), "tcp", netip.MustParseAddrPort(l.Addr().String()), func(a netip.Addr) bool {
		asked++
		return asked == 1 || Public(a)
	})
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, ErrRefused) || asked != 2 {
		t.Fatalf("error is %v after %d checks", err, asked)
	}
	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "[fe80::1%lo]:443", "nonsense", ""} {
		if err := checkSocket(address, Public); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: error is %v", address, err)
		}
	}
	if err := checkSocket("93.184.216.34:443", Public); err != nil {
		t.Error(err)
	}
}

func TestTheDialRefusesWhatTheRequestCheckWouldHave(t *testing.T) {
	t.Parallel()
	d := &dialer{names: newNames(func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{someone}, nil })}
	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "127.1:443", "10.0.0.1:443"} {
		conn, err := d.dialContext(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: error is %v", address, err)
		}
	}
}

func TestAnAddressThatHangsDoesNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs, answers := netip.MustParseAddr("2606:4700::1"), someone
		var closed atomic.Int32
		d := &dialer{
			names: newNames(func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{hangs, answers}, nil }),
			dial: func(ctx context.Context, _, address string) (net.Conn, error) {
				if address == "93.184.216.34:443" {
					time.Sleep(10 * time.Millisecond)
					return &countingConn{closed: &closed}, nil
				}
				<-ctx.Done() // and connects at the very last moment
				return &countingConn{closed: &closed}, nil
			},
		}
		start := time.Now()
		conn, err := d.dialContext(t.Context(), "tcp", "a.example:443")
		if err != nil || conn == nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != fallbackDelay+10*time.Millisecond {
			t.Errorf("connecting took %v", took)
		}
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("%d connections were closed, want the one that lost", closed.Load())
		}
	})
}

func TestAnAddressThatFailsIsFollowedByTheNextAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		d := &dialer{
			names: newNames(func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{someone, netip.MustParseAddr("1.1.1.1")}, nil
			}),
			dial: func(_ context.Context, _, address string) (net.Conn, error) {
				order = append(order, address)
				return nil, fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)
			},
		}
		start := time.Now()
		_, err := d.dialContext(t.Context(), "tcp", "a.example:443")
		if !errors.Is(err, syscall.ECONNREFUSED) || err.Error()[:13] != "93.184.216.34" {
			t.Errorf("error is %v, want the first address's", err)
		}
		if fmt.Sprint(order) != "[93.184.216.34:443 1.1.1.1:443]" || time.Since(start) != 0 {
			t.Errorf("dialed %v in %v", order, time.Since(start))
		}
		if len(d.names.known) != 0 {
			t.Error("the name's answer is kept though none of its addresses answered")
		}
	})
}

func TestDialingEndsAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{
			names: newNames(func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{someone, someone}, nil }),
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		start := time.Now()
		_, err := d.dialContext(t.Context(), "tcp", "a.example:443")
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != defaultConnect {
			t.Errorf("error is %v after %v", err, time.Since(start))
		}
	})
}

type countingConn struct {
	net.Conn
	closed *atomic.Int32
}

func (c *countingConn) Close() error { c.closed.Add(1); return nil }
