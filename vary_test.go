package fedihook_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
)

// wrapped is a Server around one page.
func wrapped(t *testing.T, page http.HandlerFunc) http.Handler {
	t.Helper()
	s, err := fedihook.New(fedihook.Config{Origin: "https://a.test", Profile: func(context.Context, string) (actor.Profile, error) {
		return actor.Profile{}, actor.ErrNotFound
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Wrap(page)
}

func TestPagesOfTheAppVaryByAccept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		page http.HandlerFunc
		want []string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>") }, []string{"Accept"}},
		{"a page in bytes", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<p>")) }, []string{"Accept"}},
		{"a page whose header goes first", func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Accept"}},
		{"a page whose header goes first, of old", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Accept"}},
		{"a page that is named so", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusOK)
		}, []string{"Accept"}},
		{"a page that varies", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "Cookie")
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Cookie", "Accept"}},
		{"a page that says so itself", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "Cookie, accept")
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Cookie, accept"}},
		{"a page that varies by all", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "*")
			_, _ = io.WriteString(w, "<p>")
		}, []string{"*"}},
		{"a page that varies by Accept-Encoding", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "Accept-Encoding")
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Accept-Encoding", "Accept"}},
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, []string{"Accept"}},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, []string{"Accept"}},
		{"not found", http.NotFound, nil}, // http.Error says text/plain
		{"a file", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.Copy(w, strings.NewReader("png"))
		}, nil},
		{"a copied page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("<p>")) }, []string{"Accept"}},
		{"after early hints", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Vary", "Cookie")
			_, _ = io.WriteString(w, "<p>")
		}, []string{"Cookie", "Accept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(wrapped(t, c.page))
			defer web.Close()
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Get(web.URL + "/page")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Values("Vary"); !slices.Equal(got, c.want) {
				t.Errorf("Vary %q, want %q", got, c.want)
			}
		})
	}
}

func TestPostsOfTheAppAreLeftAlone(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	wrapped(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>") }).
		ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/page", nil))
	if got := rec.Header().Values("Vary"); len(got) != 0 {
		t.Errorf("Vary %q", got)
	}
}

func TestAPageStreamsThroughWrap(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"Flusher", "ResponseController"} {
		next := make(chan bool)
		web := httptest.NewUnstartedServer(wrapped(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "one\n")
			if f, ok := w.(http.Flusher); how == "Flusher" && ok {
				f.Flush()
			} else if how == "ResponseController" {
				c := http.NewResponseController(w)
				if err := c.Flush(); err != nil {
					t.Errorf("Flush: %v", err)
				}
				if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Errorf("SetWriteDeadline: %v", err)
				}
			}
			<-next
			_, _ = io.WriteString(w, "two\n")
		}))
		web.EnableHTTP2 = how == "Flusher"
		web.StartTLS()
		resp, err := web.Client().Get(web.URL + "/page")
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != 2 == web.EnableHTTP2 {
			t.Errorf("HTTP/%d", resp.ProtoMajor)
		}
		body := bufio.NewReader(resp.Body)
		if line, err := body.ReadString('\n'); err != nil || line != "one\n" {
			t.Errorf("%s: before the page is whole: %q, %v", how, line, err)
		}
		if resp.Header.Get("Vary") != "Accept" {
			t.Errorf("Vary %q", resp.Header.Get("Vary"))
		}
		close(next)
		if line, err := body.ReadString('\n'); err != nil || line != "two\n" {
			t.Errorf("%s: %q, %v", how, line, err)
		}
		resp.Body.Close()
		web.Close()
	}
}

func TestAConnectionIsHijackedThroughWrap(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"Hijacker", "ResponseController"} {
		web := httptest.NewServer(wrapped(t, func(w http.ResponseWriter, _ *http.Request) {
			var conn net.Conn
			var err error
			if h, ok := w.(http.Hijacker); how == "Hijacker" && ok {
				conn, _, err = h.Hijack()
			} else {
				conn, _, err = http.NewResponseController(w).Hijack()
			}
			if err != nil {
				t.Errorf("%s: %v", how, err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhello\n")
		}))
		conn, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n")
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(got), "\r\n\r\nhello\n") {
			t.Errorf("%s: %q, %v", how, got, err)
		}
		conn.Close()
		web.Close()
	}
}

// Each of these can do one thing more than write.
type (
	canFlush  struct{ http.ResponseWriter }
	canHijack struct{ http.ResponseWriter }
	canPush   struct{ http.ResponseWriter }
	canAll    struct{ http.ResponseWriter }
	canDuplex struct {
		canFlush
		http.Hijacker
	}
	canStream struct {
		canFlush
		http.Pusher
	}
	canBoth struct {
		canHijack
		http.Pusher
	}
)

func (canFlush) Flush()                                          {}
func (canAll) Flush()                                            {}
func (canHijack) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return nil, nil, io.EOF }
func (canAll) Hijack() (net.Conn, *bufio.ReadWriter, error)      { return nil, nil, io.EOF }
func (canPush) Push(target string, opts *http.PushOptions) error { return io.EOF }
func (canAll) Push(target string, opts *http.PushOptions) error  { return io.EOF }

func TestAPageCanDoWhatItsConnectionCan(t *testing.T) {
	t.Parallel()
	plain := struct{ http.ResponseWriter }{httptest.NewRecorder()}
	abilities := func(w http.ResponseWriter) string {
		_, f := w.(http.Flusher)
		_, h := w.(http.Hijacker)
		_, p := w.(http.Pusher)
		return fmt.Sprintf("flush %v, hijack %v, push %v", f, h, p)
	}
	for _, w := range []http.ResponseWriter{
		plain, canFlush{plain}, canHijack{plain}, canPush{plain}, canAll{plain},
		canDuplex{canFlush{plain}, canHijack{plain}}, canStream{canFlush{plain}, canPush{plain}}, canBoth{canHijack{plain}, canPush{plain}},
	} {
		var got string
		wrapped(t, func(w http.ResponseWriter, _ *http.Request) { got = abilities(w) }).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", nil))
		if want := abilities(w); got != want {
			t.Errorf("%T: %s, want %s", w, got, want)
		}
	}
}
