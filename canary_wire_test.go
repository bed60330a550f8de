package fedihook_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// passage is something that left a server, and where it went: "answer to GET /x for http://far.test/…#main-key",
// "POST far.test/inbox", or what [wire.writer] was given.
type passage struct{ place, text string }

// wire stands between a server and everybody else, and remembers every byte that the server sends.
type wire struct {
	t     *testing.T
	mu    sync.Mutex
	calls []*dialogue
	kept  map[string]*bytes.Buffer // of writer
}

// dialogue is a connection.
type dialogue struct {
	host           string // whom the server called; "" for who called the server
	near           net.Conn
	asked, replied bytes.Buffer
}

func newWire(t *testing.T) *wire { return &wire{t: t, kept: make(map[string]*bytes.Buffer)} }

// part writes to one half of what a wire remembers.
type part struct {
	wire *wire
	to   *bytes.Buffer
}

func (p part) Write(b []byte) (int, error) {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	return p.to.Write(b)
}

// writer keeps what leaves the server in another way than by a connection: its log, for instance.
func (w *wire) writer(place string) io.Writer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept[place] == nil {
		w.kept[place] = new(bytes.Buffer)
	}
	return part{w, w.kept[place]}
}

// to returns an address at which the server reaches a host; with host "", at which others reach the server.
func (w *wire) to(host, address string) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	w.t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.calls {
			c.near.Close() // which may be kept alive, idle
		}
		w.mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				near.Close()
				continue
			}
			c := &dialogue{host: host, near: near}
			w.mu.Lock()
			w.calls = append(w.calls, c)
			w.mu.Unlock()
			carry := func(to, from net.Conn, kept *bytes.Buffer) {
				_, _ = io.Copy(io.MultiWriter(part{w, kept}, to), from) // until one of them hangs up
				to.Close()
				from.Close()
			}
			all.Go(func() { carry(far, near, &c.asked) })
			all.Go(func() { carry(near, far, &c.replied) })
		}
	})
	return l.Addr().String()
}

var keyID = regexp.MustCompile(`(?i)keyid="([^"]*)"`)

// passages are all that left so far.
func (w *wire) passages() (list []passage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for place, text := range w.kept {
		list = append(list, passage{place, text.String()})
	}
	for _, c := range w.calls {
		asked, replied := bufio.NewReader(bytes.NewReader(c.asked.Bytes())), bufio.NewReader(bytes.NewReader(c.replied.Bytes()))
		for {
			r, err := http.ReadRequest(asked)
			if err != nil {
				break
			}
			body, _ := io.ReadAll(r.Body) // cut off where the connection was
			if c.host != "" {
				list = append(list, passage{r.Method + " " + c.host + r.URL.Path, r.RequestURI + "\n" + r.Host + "\n" + fieldsOf(r.Header) + string(body)})
				continue
			}
			answer, err := http.ReadResponse(replied, r)
			if err != nil {
				break
			}
			body, _ = io.ReadAll(answer.Body)
			who := r.Header.Get("Asker")
			if m := keyID.FindStringSubmatch(fieldsOf(r.Header)); m != nil {
				who = m[1]
			}
			list = append(list, passage{fmt.Sprintf("answer to %s %s for %s", r.Method, r.URL.Path, who), answer.Status + "\n" + fieldsOf(answer.Header) + string(body)})
		}
		left := asked
		if c.host == "" {
			left = replied
		}
		if rest, _ := io.ReadAll(left); len(rest) > 0 { // nothing goes by unseen because it is no HTTP
			list = append(list, passage{"what could not be read for " + c.host, string(rest)})
		}
	}
	return list
}

func fieldsOf(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b) // of a Builder: no error
	return b.String() + "\n"
}

// holds tells whether a text has a word in it, as it is, in base64 or in hexadecimal digits.
func (p passage) holds(word string) bool {
	if strings.Contains(p.text, word) || strings.Contains(strings.ToLower(p.text), hex.EncodeToString([]byte(word))) {
		return true
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(p.text)
	for i := range 3 { // the word may begin anywhere in a group of three bytes
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", i) + word))
		text = strings.TrimRight(text, "=")
		first, last := []int{0, 2, 3}[i], len(text)-1 // which the neighbours change
		if strings.Contains(standard, text[first:last]) {
			return true
		}
	}
	return false
}

// fromAfar has everybody connect from one address, as if the server were on the Internet.
type fromAfar struct {
	net.Listener
	from string
}

type connFrom struct {
	net.Conn
	from net.Addr
}

func (l fromAfar) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return connFrom{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.from))}, err
}

func (c connFrom) RemoteAddr() net.Addr { return c.from }

func TestTheWireReadsWhatIsWrittenInAnotherWay(t *testing.T) {
	t.Parallel()
	const word = "canary7word"
	for _, before := range []string{"", "a", "ab", "abc"} {
		for _, text := range []string{
			base64.StdEncoding.EncodeToString([]byte(before + word + "?>?after")), base64.RawURLEncoding.EncodeToString([]byte(before + word)),
			hex.EncodeToString([]byte(before + word)), before + word, fmt.Sprintf("%X", before+word),
		} {
			if !(passage{"x", "…" + text + "…"}).holds(word) {
				t.Errorf("it is not found in %q", text)
			}
		}
	}
	for _, text := range []string{"", "canary7wor", base64.StdEncoding.EncodeToString([]byte("canary8word"))} {
		if (passage{"x", text}).holds(word) {
			t.Errorf("it is found in %q", text)
		}
	}
	w := newWire(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { // until l is closed
		for _, piece := range []string{"can", "ary7", "word"} {
			_, _ = io.WriteString(rw, piece)
			_ = http.NewResponseController(rw).Flush()
		}
	}))
	defer l.Close()
	for _, host := range []string{"", "far.test"} {
		resp, err := http.Post("http://"+w.to(host, l.Addr().String())+"/x?"+word, "text/plain", strings.NewReader("canary9body"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	places := map[string][]string{}
	for _, p := range w.passages() {
		for _, c := range []string{word, "canary9body"} {
			if p.holds(c) {
				places[p.place] = append(places[p.place], c)
			}
		}
	}
	if got := places["answer to POST /x for "]; !slices.Equal(got, []string{word}) {
		t.Errorf("in the answer: %q", got)
	}
	if got := places["POST far.test/x"]; !slices.Equal(got, []string{word, "canary9body"}) || len(places) != 2 {
		t.Errorf("in the request: %q of %q", got, places)
	}
}
