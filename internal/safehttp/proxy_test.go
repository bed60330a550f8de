package safehttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
)

// proxied is a network whose only way out is a proxy at proxy.lan:3128.
type proxied struct {
	*safehttptest.Net
	answer string // instead of the tunnel

	mu    sync.Mutex
	asked []string // CONNECT's targets and credentials
}

func (p *proxied) config() safehttp.Config {
	c := p.Net.Config()
	c.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("us", "secret"), Host: "proxy.lan:3128"}
	through := c.Dial
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "proxy.lan:3128" {
			return nil, fmt.Errorf("%s was dialled beside the proxy", address)
		}
		ours, theirs := net.Pipe()
		go p.tunnel(ctx, theirs, through)
		return ours, nil
	}
	return c
}

func (p *proxied) tunnel(ctx context.Context, client net.Conn, dial func(context.Context, string, string) (net.Conn, error)) {
	defer client.Close()
	in := bufio.NewReader(client)
	req, err := http.ReadRequest(in)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	user, password, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
	p.mu.Lock()
	p.asked = append(p.asked, req.RequestURI+" "+req.Host+" "+user+":"+password)
	p.mu.Unlock()
	if p.answer != "" {
		io.WriteString(client, p.answer)
		io.Copy(io.Discard, client)
		return
	}
	server, err := dial(context.WithoutCancel(ctx), "tcp", req.RequestURI)
	if err != nil {
		io.WriteString(client, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer server.Close()
	io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(server, in); server.Close() }()
	io.Copy(client, server)
}

func (p *proxied) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

func TestAProxyThatWasAskedForIsToldCheckedAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &proxied{Net: safehttptest.NewNet(t)}
		p.Name("a.example", []string{"10.0.0.1", "93.184.216.34"}, []string{"10.0.0.1"})
		p.Serve(t, "93.184.216.34", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Host+r.Header.Get("Proxy-Authorization"))
		}))
		client := newClient(t, p.config())
		if got, err := read(t, client, "https://a.example:8443/"); got != "a.example:8443" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if got := p.log(); len(got) != 1 || got[0] != "93.184.216.34:8443 93.184.216.34:8443 us:secret" {
			t.Fatalf("the proxy was asked for %q", got)
		}
		// Ten minutes later the name leads inside, and not through the proxy either.
		time.Sleep(10 * time.Minute)
		_, err := read(t, client, "https://a.example:8443/")
		wantRefused(t, err, "no public address")
		for _, to := range p.NameTargets() {
			if _, err := read(t, client, "https://"+to.Host+"/"); err == nil {
				t.Errorf("%s: there was an answer", to.Name)
			}
		}
		if got := p.log(); len(got) != 1 {
			t.Errorf("the proxy was asked for %q", got[1:])
		}
		// A stranger's URL of the proxy itself goes where every other does.
		_, err = read(t, client, "https://proxy.lan:3128/")
		if err == nil || len(p.log()) != 1 {
			t.Errorf("the proxy's own URL: %v, %q", err, p.log())
		}
	})
}

func TestAProxyThatRefusesIsAnErrorWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"refused":              {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"},
		"another success":      {"HTTP/1.1 204 No Content\r\n\r\n", "204"},
		"no HTTP":              {"220 smtp.lan ESMTP\r\n", "malformed"},
		"bytes after":          {"HTTP/1.1 200 OK\r\n\r\nhello", "bytes after"},
		"a header without end": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10), "EOF"},
		"no answer":            {"HTTP/1.1 200", "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &proxied{Net: safehttptest.NewNet(t), answer: c.answer}
				p.Name("a.example", []string{"93.184.216.34"})
				client := newClient(t, p.config())
				start := time.Now()
				_, err := read(t, client, "https://a.example/")
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error is %v, want %q", err, c.want)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
