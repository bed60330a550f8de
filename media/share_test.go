package media_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/media"
)

func TestAThousandAskersShareOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		r.on("a.example/cat.png", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.Write(pngOf(photo(20, 20)))
		})
		p := r.proxy(t, media.Config{})
		address := p.URL("https://a.example/cat.png", media.Full)
		var all sync.WaitGroup
		var good atomic.Int32
		for range 1000 {
			all.Go(func() {
				if w := get(p, address); w.Code == 200 && w.Header().Get("ETag") != "" {
					good.Add(1)
				}
			})
		}
		all.Wait()
		if good.Load() != 1000 || r.requests() != 1 {
			t.Errorf("%d were served, by %d fetches", good.Load(), r.requests())
		}
		p.Close()
		r.net.HangUp()
	})
}

func TestWhoAskedFirstMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		r.on("a.example/cat.png", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			w.Write(pngOf(photo(20, 20)))
		})
		p := r.proxy(t, media.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := p.Fetch(ctx, "https://a.example/cat.png", media.Full); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the first left after %v", took)
		}
		if _, err := p.Fetch(t.Context(), "https://a.example/cat.png", media.Full); err != nil {
			t.Errorf("the second: %v", err)
		}
		if r.requests() != 1 {
			t.Errorf("%d fetches", r.requests())
		}
		p.Close()
		r.net.HangUp()
	})
}

func TestFetchesAreBoundedAndNobodyIsHeldUpByASlowHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		var now, most, nowA, mostA atomic.Int32
		slow := func(w http.ResponseWriter, req *http.Request) {
			up := func(n, most *atomic.Int32) {
				if v := n.Add(1); v > most.Load() {
					most.Store(v)
				}
			}
			up(&now, &most)
			defer now.Add(-1)
			if req.Host != "b.example" {
				up(&nowA, &mostA)
				defer nowA.Add(-1)
				time.Sleep(3 * time.Second)
			}
			w.Write(pngOf(photo(5, 5)))
		}
		for i := range 100 {
			r.on(fmt.Sprintf("a.example/%d", i), slow)
			r.on(fmt.Sprintf("img.a.example/%d", i), slow)
			r.on(fmt.Sprintf("b.example/%d", i), slow)
		}
		p := r.proxy(t, media.Config{MaxFetches: 4, MaxFetchesPerHost: 2, Timeout: 5 * time.Second})
		var all sync.WaitGroup
		var good, busy atomic.Int32
		for i := range 100 { // two hosts of one domain; 16 of its fetches may run or wait
			host := []string{"a.example", "img.a.example"}[i%2]
			all.Go(func() {
				w := get(p, p.URL(fmt.Sprintf("https://%s/%d", host, i), media.Full))
				switch w.Code {
				case 200:
					good.Add(1)
				case 503:
					busy.Add(1)
				default:
					t.Errorf("status %d", w.Code)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		for i := range 20 {
			if w := get(p, p.URL(fmt.Sprintf("https://b.example/%d", i), media.Full)); w.Code != 200 {
				t.Errorf("b.example/%d: status %d", i, w.Code)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("b.example waited %v", took)
		}
		all.Wait()
		// Two at a time take three seconds, and who waits gives up after five.
		if good.Load() != 4 || busy.Load() != 96 {
			t.Errorf("%d were served and %d told to come back", good.Load(), busy.Load())
		}
		if mostA.Load() != 2 || most.Load() > 4 {
			t.Errorf("%d at once, %d of one domain", most.Load(), mostA.Load())
		}
		// Being busy is not held against a picture.
		if w := get(p, p.URL("https://a.example/98", media.Full)); w.Code != 200 {
			t.Errorf("later: status %d", w.Code)
		}
		p.Close()
		r.net.HangUp()
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine stays
		r := newRemote(t)
		r.has("a.example/cat.png", pngOf(photo(5, 5)))
		r.on("a.example/silent", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		p := r.proxy(t, media.Config{})
		if w := get(p, p.URL("https://a.example/cat.png", media.Full)); w.Code != 200 {
			t.Fatalf("status %d", w.Code)
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := p.Fetch(t.Context(), "https://a.example/silent", media.Full); err == nil {
					t.Error("something came")
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		p.Close()
		all.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		if w := get(p, p.URL("https://a.example/cat.png", media.Full)); w.Code != 200 {
			t.Errorf("what there is: status %d", w.Code)
		}
		if _, err := p.Fetch(t.Context(), "https://a.example/dog.png", media.Full); !errors.Is(err, media.ErrClosed) {
			t.Errorf("what there is not: %v", err)
		}
		if w := get(p, p.URL("https://a.example/dog.png", media.Full)); w.Code != 503 {
			t.Errorf("what there is not: status %d", w.Code)
		}
		p.Close()
		r.net.HangUp()
	})
}
