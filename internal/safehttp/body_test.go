package safehttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

func gzipped(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(w)
	io.WriteString(zip, body)
	zip.Close()
}

func TestBodiesAreReadUpToTheirBound(t *testing.T) {
	t.Parallel()
	const most = 4096
	noise := make([]byte, most)
	random := rand.NewChaCha8([32]byte{})
	random.Read(noise)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    int // bytes read
		large   bool
	}{
		{"empty", func(w http.ResponseWriter, _ *http.Request) {}, 0, false},
		{"exactly the bound", func(w http.ResponseWriter, _ *http.Request) { w.Write(noise) }, most, false},
		{"declared one byte longer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(most+1))
			w.Write(noise)
			w.Write(noise[:1])
		}, 0, true},
		{"exactly the bound in chunks", chunks(most / 16), most, false},
		{"endless chunks", chunks(1 << 40), most, true},
		{"gzip of exactly the bound", func(w http.ResponseWriter, _ *http.Request) { gzipped(w, string(noise)) }, most, false},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) { gzipped(w, strings.Repeat("\x00", 1<<24)) }, most, true},
		{"endless gzip of nothing", func(w http.ResponseWriter, r *http.Request) {
			var member bytes.Buffer
			gzip.NewWriter(&member).Close()
			w.Header().Set("Content-Encoding", "gzip")
			for r.Context().Err() == nil {
				if _, err := w.Write(member.Bytes()); err != nil {
					return
				}
			}
		}, 0, true},
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(c.name+" by "+proto, func(t *testing.T) {
				t.Parallel()
				config, url := safehttp.Config{MaxBody: most}, "http://a.test/"
				if proto == "HTTP/2.0" {
					address, roots := serveTLS(t, c.handler, "a.test")
					config.RootCAs, config.InsecureAllowLoopback = roots, map[string]string{"a.test": address}
					url = "https://a.test/"
				} else {
					config.InsecureAllowLoopback = map[string]string{"a.test": serve(t, c.handler)}
				}
				client := newClient(t, config)
				resp, err := get(t, client, url)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.Proto != proto {
					t.Errorf("protocol is %s", resp.Proto)
				}
				got, err := io.ReadAll(resp.Body)
				var large *safehttp.BodyTooLargeError
				if errors.As(err, &large) != c.large || !c.large && err != nil {
					t.Fatalf("error is %v", err)
				}
				if c.large && large.Max != most {
					t.Errorf("the error says %d bytes", large.Max)
				}
				if len(got) != c.want {
					t.Errorf("read %d bytes, want %d", len(got), c.want)
				}
				if n, again := resp.Body.Read(make([]byte, 1)); n != 0 || again == nil {
					t.Errorf("reading on gives %d bytes, %v", n, again)
				}
			})
		}
	}
}

func TestABodyMayNotGrowBeyondItsRatio(t *testing.T) {
	t.Parallel()
	// Lines that differ, as a collection's do: about a tenth when packed.
	var page strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&page, "\"https://host%d.example/users/%x\",\n", i*7919%1000, i*2654435761)
	}
	for _, c := range []struct {
		name  string
		ratio int64
		body  string
		want  int64 // the ratio that the error names, 0: all was read
	}{
		{"a collection", 0, page.String(), 0},
		{"64 KiB of nothing", 0, strings.Repeat("\x00", 64<<10), 0},
		{"900 KiB of nothing", 0, strings.Repeat("\x00", 900<<10), 100},
		{"a collection, where little is permitted", 2, page.String(), 2},
		{"900 KiB of nothing, where much is permitted", 2000, strings.Repeat("\x00", 900<<10), 0},
	} {
		client := serveOne(t, safehttp.Config{MaxRatio: c.ratio}, func(w http.ResponseWriter, _ *http.Request) { gzipped(w, c.body) })
		got, err := read(t, client, "http://a.test/")
		var large *safehttp.BodyTooLargeError
		switch {
		case c.want == 0 && (err != nil || got != c.body):
			t.Errorf("%s: %d bytes of %d, %v", c.name, len(got), len(c.body), err)
		case c.want != 0 && (!errors.As(err, &large) || large.Ratio != c.want || !strings.Contains(err.Error(), fmt.Sprint(c.want, " times"))):
			t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
		case c.want != 0 && len(got) > 256<<10:
			t.Errorf("%s: %d bytes were unpacked", c.name, len(got))
		}
	}
}

func chunks(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for range n {
			if _, err := io.WriteString(w, "0123456789abcdef"); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}

func TestTheLargestBoundIsNone(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{MaxBody: math.MaxInt64}, func(w http.ResponseWriter, _ *http.Request) { gzipped(w, "hello") })
	if got, err := read(t, client, "http://a.test/"); got != "hello" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestAHEADAnswerMayDeclareAnyLength(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{MaxBody: 10}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		w.Header().Set("Content-Encoding", "gzip")
	})
	resp, err := client.Head("http://a.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); len(got) != 0 || err != nil || resp.ContentLength != 1000000 {
		t.Fatalf("got %q, %v, length %d", got, err, resp.ContentLength)
	}
}

func TestBrokenGzipIsAnError(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"not gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "plain text that says it is gzip")
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			var b bytes.Buffer
			zip := gzip.NewWriter(&b)
			io.WriteString(zip, strings.Repeat("hello", 100))
			zip.Close()
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(b.Bytes()[:b.Len()-9])
		},
	} {
		client := serveOne(t, safehttp.Config{}, handler)
		if _, err := read(t, client, "http://a.test/"); err == nil || !strings.Contains(err.Error(), "http://a.test/") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestAnEncodingThatTheCallerAskedForIsTheCallers(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, _ *http.Request) { gzipped(w, "hello") })
	req, err := http.NewRequest(http.MethodGet, "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix(got, []byte{0x1f, 0x8b}) {
		t.Fatalf("got % x, %v, %v", got, resp.Header, err)
	}
}

func TestHugeHeadersAreAnError(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}
	client := serveOne(t, safehttp.Config{}, handler)
	if _, err := read(t, client, "http://a.test/"); err == nil {
		t.Error("200 KB of headers were read over HTTP/1.1")
	}
	client = serveOne(t, safehttp.Config{MaxHeader: 1 << 20}, handler)
	if _, err := read(t, client, "http://a.test/"); err != nil {
		t.Errorf("where 1 MiB is permitted: %v", err)
	}
	address, roots := serveTLS(t, handler, "a.test")
	client = newClient(t, safehttp.Config{RootCAs: roots, InsecureAllowLoopback: map[string]string{"a.test": address}})
	if _, err := read(t, client, "https://a.test/"); err == nil {
		t.Error("200 KB of headers were read over HTTP/2")
	}
}

// A server that sends a byte now and then keeps every deadline but the one for the whole.
func TestASlowDripEndsAtTheTimeout(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	client := serveOne(t, safehttp.Config{Timeout: 200 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		defer gone.Store(true)
		for r.Context().Err() == nil {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	start := time.Now()
	_, err := read(t, client, "http://a.test/")
	wantTimeout(t, err)

	req, err := http.NewRequest(http.MethodGet, "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	wantTimeout(t, err)
	resp.Body.Close()
	if took := time.Since(start); took < 400*time.Millisecond || took > 5*time.Second {
		t.Errorf("two exchanges of 200 ms took %v", took)
	}
	for end := time.Now().Add(5 * time.Second); !gone.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection was not closed")
		}
	}
}

func TestTheCallersContextEndsTheExchange(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
}

// Whatever bytes come as gzip: no more is read than the bounds say, and what goes wrong is an error.
func FuzzGzip(f *testing.F) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		io.WriteString(zip, text)
		zip.Close()
		return b.Bytes()
	}
	hello := pack("hello")
	f.Add(hello)
	f.Add(append(hello, hello...))
	f.Add(hello[:len(hello)-3])
	f.Add(pack(strings.Repeat("\x00", 200<<10)))
	f.Add([]byte("plain"))
	client, bodies := newGzipClient(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		bodies <- data
		resp, err := get(t, client, "http://a.test/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if len(got) > 128<<10 || len(got) > 96<<10 && len(got) > 20*(len(data)+1) {
			t.Fatalf("%d bytes became %d", len(data), len(got))
		}
		var large *safehttp.BodyTooLargeError
		if len(data) == 0 {
			if len(got) != 0 || err != nil { // an answer without a body need not be gzip's nothing
				t.Fatalf("nothing became %d bytes, %v", len(got), err)
			}
			return
		}
		if plain, plainErr := unzip(data); err == nil && (plainErr != nil || !bytes.Equal(plain, got)) {
			t.Fatalf("read %d bytes of %d, %v", len(got), len(plain), plainErr)
		} else if err != nil && plainErr == nil && !errors.As(err, &large) {
			t.Fatalf("%d good bytes are an error: %v", len(data), err)
		}
	})
}

func unzip(data []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zip, 1<<20))
}

// newGzipClient makes a client of a server that answers with what comes through the channel.
func newGzipClient(f *testing.F) (*http.Client, chan<- []byte) {
	bodies := make(chan []byte, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data := <-bodies
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}))
	f.Cleanup(s.Close)
	client, err := safehttp.New(safehttp.Config{
		MaxBody: 128 << 10, MaxRatio: 20, InsecureAllowLoopback: map[string]string{"a.test": s.Listener.Addr().String()},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.CloseIdleConnections)
	return client, bodies
}
