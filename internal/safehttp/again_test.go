package safehttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
)

// post sends body with or without the mark that says that it may be sent twice.
func post(t *testing.T, client *http.Client, url, body string, marked bool) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if marked {
		req.Header["Idempotency-Key"] = nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func TestAnHTTP2RequestOnAConnectionThatWasJustClosedIsMadeAgainIfItMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		marked bool
		header bool // the answer had begun
		want   string
		fails  bool
	}{
		{"marked", true, false, "first second second", false},
		{"not marked", false, false, "first second", true},
		{"the answer had begun", true, true, "first second", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := safehttptest.NewNet(t)
				n.Name("a.example", []string{"93.184.216.34"})
				var got []string
				n.Serve(t, "93.184.216.34", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = append(got, string(body))
					if _, sent := r.Header["Idempotency-Key"]; sent || r.ProtoMajor != 2 {
						t.Errorf("%s with %v", r.Proto, r.Header)
					}
					if len(got) == 2 {
						if c.header {
							w.WriteHeader(http.StatusEarlyHints)
							synctest.Wait()
						}
						n.HangUp()
						<-r.Context().Done()
					}
				}))
				client := n.Client(t)
				if err := post(t, client, "https://a.example/", "first", c.marked); err != nil {
					t.Fatal(err)
				}
				if err := post(t, client, "https://a.example/", "second", c.marked); (err != nil) != c.fails {
					t.Errorf("error is %v", err)
				}
				synctest.Wait()
				if strings.Join(got, " ") != c.want {
					t.Errorf("the server got %q, want %q", got, c.want)
				}
			})
		})
	}
}

// Over HTTP/1.1, with and without TLS, it is net/http that does it: this is what we count on.
func TestARequestIsMadeAgainOnlyIfNothingOfTheAnswerCameAndItMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		marked bool
		answer string // to the second request of a connection, before it is closed
		first  bool   // to the first as well
		want   int32
		fails  bool
	}{
		{"marked", true, "", false, 3, false},
		{"not marked", false, "", false, 2, true},
		{"half an answer", true, "HTTP/1.1 202 Acc", false, 2, true},
		{"a connection that was not used before", true, "", true, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			var requests atomic.Int32
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					in := bufio.NewReader(conn)
					for n := 0; ; n++ {
						req, err := http.ReadRequest(in)
						if err != nil {
							break
						}
						io.Copy(io.Discard, req.Body)
						requests.Add(1)
						if n == 1 || c.first {
							io.WriteString(conn, c.answer)
							break
						}
						io.WriteString(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
					}
					conn.Close()
				}
			}()
			client := newClient(t, safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": l.Addr().String()}})
			err = post(t, client, "http://a.test/", "first", c.marked)
			if !c.first {
				if err != nil {
					t.Fatal(err)
				}
				err = post(t, client, "http://a.test/", "second", c.marked)
			}
			if (err != nil) != c.fails || requests.Load() != c.want {
				t.Errorf("%d requests, want %d; error is %v", requests.Load(), c.want, err)
			}
		})
	}
}
