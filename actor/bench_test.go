package actor_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"
)

// benchmarkServed asks a handler over one keep-alive connection on loopback, with requests written as one piece of
// bytes and answers read without parsing more than their length, so that what is measured is the server. It reports
// requests per second and what the process allocates for each.
func benchmarkServed(b *testing.B, handler http.Handler, path, accept string) {
	b.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: " + accept + "\r\n\r\n")
	in := bufio.NewReaderSize(conn, 64<<10)
	ask := func() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if err := skipAnswer(in); err != nil {
			b.Fatal(err)
		}
	}
	ask() // makes the key
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		ask()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/req")
}

// skipAnswer reads one answer with status 200 and a Content-Length.
func skipAnswer(in *bufio.Reader) error {
	length, first := -1, true
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return io.ErrUnexpectedEOF
		}
		first = false
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err := in.Discard(length)
			return err
		}
	}
}

// bare answers with the same bytes and headers as another handler once did, and does nothing else.
func bare(handler http.Handler, path, accept string) http.Handler {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	kind := rec.Header().Get("Content-Type")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

func BenchmarkServe(b *testing.B) {
	_, mux, _ := newHandler(&bytes.Buffer{})
	for _, c := range []struct{ name, path, accept string }{
		{"actor", "/ap/users/alice", "application/activity+json, application/ld+json"},
		{"webfinger", "/.well-known/webfinger?resource=acct:alice@a.test", "application/jrd+json, application/json"},
	} {
		b.Run(c.name+"/bare", func(b *testing.B) { benchmarkServed(b, bare(mux, c.path, c.accept), c.path, c.accept) })
		b.Run(c.name+"/ours", func(b *testing.B) { benchmarkServed(b, mux, c.path, c.accept) })
	}
}
