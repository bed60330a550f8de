package signature_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

func TestOnlyWhatWasHandledIsRemembered(t *testing.T) {
	t.Parallel()
	for status, again := range map[int]int{200: 409, 202: 409, 204: 409, 301: 301, 400: 400, 404: 404, 500: 500, 503: 503} {
		r, body := signed(t, signature.Cavage)
		v := verifier(t)
		v.Replays = &signature.Replays{}
		send := counted(t, v, r, body, status)
		if first, second := send().Code, send().Code; first != status || second != again {
			t.Errorf("answered %d: then %d, want %d", first, second, again)
		}
		if n := v.Replays.Len(); n != map[bool]int{true: 1}[again == 409] {
			t.Errorf("%d: %d entries", status, n)
		}
	}
	// A GET changes nothing and may come as often as it likes: two in one second look the same.
	r := must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/x", nil))
	if err := signature.Sign(r, nil, aliceRSA(t), signature.Cavage); err != nil {
		t.Fatal(err)
	}
	got, _ := arrive(t, r)
	v := verifier(t)
	v.Replays = &signature.Replays{}
	send := counted(t, v, got, nil, 200)
	for range 2 {
		if w := send(); w.Code != 200 || v.Replays.Len() != 0 {
			t.Errorf("a GET: %d, %d entries", w.Code, v.Replays.Len())
		}
	}
}

func TestAHandlerThatPanicsHasNotHandledTheRequest(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	v := verifier(t)
	v.Replays = &signature.Replays{}
	times := 0
	h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if times++; times == 1 {
			w.WriteHeader(202)
			panic(http.ErrAbortHandler)
		}
	}))
	send := func() (code int, panicked any) {
		defer func() { panicked = recover() }()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, withBody(r.Clone(t.Context()), bytes.NewReader(body), int64(len(body))))
		return w.Code, nil
	}
	if _, p := send(); !errors.Is(p.(error), http.ErrAbortHandler) {
		t.Errorf("%v", p)
	}
	if code, p := send(); code != 200 || p != nil {
		t.Errorf("after the panic: %d, %v", code, p)
	}
	if code, _ := send(); code != 409 {
		t.Errorf("after that: %d", code)
	}
}

func TestTheSameAtOnceIsHandledOnce(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	v := verifier(t)
	v.Replays = &signature.Replays{}
	var handled, busy, done atomic.Int32
	inside, leave := make(chan struct{}), make(chan struct{})
	h := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if handled.Add(1) == 1 {
			close(inside)
			<-leave
		}
	}))
	send := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, withBody(r.Clone(t.Context()), bytes.NewReader(body), int64(len(body))))
		return w.Code
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if send() == 200 {
			done.Add(1)
		}
	})
	<-inside
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			if send() == 503 {
				busy.Add(1)
			}
		})
	}
	others.Wait()
	close(leave)
	wg.Wait()
	if handled.Load() != 1 || done.Load() != 1 || busy.Load() != 20 || send() != 409 {
		t.Errorf("handled %d times, %d done, %d told to come again", handled.Load(), done.Load(), busy.Load())
	}
}

func TestReplaysEndWithTheSignatureAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, body := signed(t, signature.Cavage)
		v := verifier(t)
		got := must[signature.Verified](t)(v.Verify(r, body))
		if life := got.Until.Sub(got.Created); life != time.Hour+5*time.Minute {
			t.Errorf("valid for %s", life)
		}
		p := &signature.Replays{Max: 3}
		if err := p.Pass(got); err != nil {
			t.Fatal(err)
		}
		refused(t, "again", p.Pass(got), signature.ErrReplayed)
		time.Sleep(time.Until(got.Until) + time.Second)
		_, err := v.Verify(r, body)
		refused(t, "by its age", err, signature.ErrExpired)
		if err := p.Pass(got); err != nil {
			t.Errorf("remembered longer than it is valid: %v", err)
		}
		// Another key id with the same bytes is another request.
		for i := range 10 {
			other := got
			other.KeyID = fmt.Sprint(i)
			other.Until = time.Now().Add(time.Duration(20-i) * time.Minute)
			if err := p.Pass(other); err != nil {
				t.Error(err)
			}
		}
		if p.Len() != 3 {
			t.Errorf("%d entries", p.Len())
		}
	})
}

// What handlers ask of a writer reaches the one below.
func TestTheWriterPassesOnWhatTheOneBelowCanDo(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	v := verifier(t)
	v.Replays = &signature.Replays{}
	w := httptest.NewRecorder()
	v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("%v, want what the recorder says", err)
		}
		if n, err := w.Write([]byte("x")); n != 1 || err != nil {
			t.Error(n, err)
		}
	})).ServeHTTP(w, withBody(r, bytes.NewReader(body), int64(len(body))))
	if !w.Flushed || w.Body.String() != "x" || v.Replays.Len() != 1 {
		t.Errorf("%+v, %d entries", w, v.Replays.Len())
	}
}

// bare is a writer that can only write.
type bare struct{ statuses []int }

func (b *bare) Header() http.Header         { return http.Header{} }
func (b *bare) Write(p []byte) (int, error) { return len(p), nil }
func (b *bare) WriteHeader(status int)      { b.statuses = append(b.statuses, status) }

func TestEarlyHintsAreNoAnswer(t *testing.T) {
	t.Parallel()
	for status, left := range map[int]int{500: 0, 200: 1} {
		r, body := signed(t, signature.Cavage)
		v, w := verifier(t), &bare{}
		v.Replays = &signature.Replays{}
		v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(status)
		})).ServeHTTP(w, withBody(r, bytes.NewReader(body), int64(len(body))))
		if fmt.Sprint(w.statuses) != fmt.Sprint([]int{103, status}) || v.Replays.Len() != left {
			t.Errorf("%v, %d entries", w.statuses, v.Replays.Len())
		}
	}
}
