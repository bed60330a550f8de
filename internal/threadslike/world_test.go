package threadslike

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// network leads requests to handlers by host, without a socket.
type network struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	h := n.hosts[r.URL.Host]
	n.mu.Unlock()
	if h == nil {
		h = http.NotFoundHandler()
	}
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := httptest.NewRecorder()
	h.ServeHTTP(out, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return out.Result(), nil
}

// world is Threads with one user who shares, frank, and one server elsewhere with one user, ada.
type world struct {
	*Server
	t     *testing.T
	net   *network
	frank *Account
	ada   *elsewhere

	mu  sync.Mutex
	now time.Time
}

// theKey is everybody's: making one takes long.
var theKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, net: &network{hosts: map[string]http.Handler{}}, now: time.Date(2026, 6, 4, 12, 0, 0, 0, time.UTC)}
	c := Config{Transport: w.net, Now: w.clock}
	if change != nil {
		change(&c)
	}
	var err error
	if w.Server, err = New(c); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"threads.net", "www.threads.net", "threads.com", "www.threads.com", "scontent.cdninstagram.com"} {
		w.net.hosts[host] = w.Server
	}
	if w.frank, err = w.AddUser(User{Handle: "frank", Name: "Frank", Sharing: true, Key: theKey()}); err != nil {
		t.Fatal(err)
	}
	w.ada = newElsewhere("elsewhere.example")
	w.net.hosts["elsewhere.example"] = w.ada
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// get asks for an address, signed by ada unless unsigned.
func (w *world) get(address string, signed bool) (int, http.Header, object) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if signed {
		if err := w.ada.how(w.clock()).sign(r, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) (int, http.Header, object) {
	w.t.Helper()
	resp, err := w.net.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var doc object
	_ = json.Unmarshal(body, &doc) // pages and pictures are none
	return resp.StatusCode, resp.Header, doc
}

// post sends an activity to frank's inbox, signed by ada, and returns the status and why.
func (w *world) post(activity object) (int, string) {
	w.t.Helper()
	status, _ := w.postTo(w.frank.ID()+"inbox/", activity, nil)
	all := w.Exchanges()
	return status, all[len(all)-1].Why
}

// postTo lets change spoil the request after it was signed.
func (w *world) postTo(inbox string, activity object, change func(*http.Request)) (int, object) {
	w.t.Helper()
	body, err := json.Marshal(activity)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, inbox, strings.NewReader(string(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.ada.how(w.clock()).sign(r, body); err != nil {
		w.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	status, _, answer := w.do(r)
	return status, answer
}

// follow makes ada follow frank.
func (w *world) follow() {
	w.t.Helper()
	status, why := w.post(w.ada.says("Follow", w.frank.ID()))
	if status != http.StatusOK {
		w.t.Fatalf("Follow: %d %s", status, why)
	}
	w.deliver("Accept")
}

// deliver expects that the next delivery is of this type, and returns what came.
func (w *world) deliver(typ string) received {
	w.t.Helper()
	for _, d := range w.Deliver(w.t.Context()) {
		if d.Err != nil || d.Status != http.StatusAccepted {
			w.t.Fatalf("delivery of %s: %d %v", d.ID, d.Status, d.Err)
		}
	}
	got := w.ada.take()
	if len(got) != 1 || text(got[0].activity, "type") != typ {
		w.t.Fatalf("want one %s, got %v", typ, got)
	}
	return got[0]
}

// elsewhere is a server with one user, ada, whose documents a test may change.
type elsewhere struct {
	host string
	id   string

	mu    sync.Mutex
	docs  map[string]object // by path
	types map[string]string // of content, by path
	asked []*http.Request
	came  []received
	hook  func(*http.Request) // called with each GET, without the lock
	n     int
}

// received is an activity that arrived, as it came.
type received struct {
	request  *http.Request
	body     []byte
	activity object
}

func newElsewhere(host string) *elsewhere {
	e := &elsewhere{host: host, id: "https://" + host + "/ada", docs: map[string]object{}, types: map[string]string{}}
	der, err := x509.MarshalPKIXPublicKey(&theKey().PublicKey)
	if err != nil {
		panic(err)
	}
	e.docs["/ada"] = object{
		"id": e.id, "type": "Person", "preferredUsername": "ada", "inbox": e.id + "/inbox",
		"publicKey": object{
			"id": e.id + "#main-key", "owner": e.id,
			"publicKeyPem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		},
	}
	e.docs["/.well-known/webfinger"] = object{
		"subject": "acct:ada@" + host, "links": []any{object{"rel": "self", "type": activityType, "href": e.id}},
	}
	return e
}

func (e *elsewhere) how(at time.Time) signature {
	return signature{keyID: e.id + "#main-key", key: theKey(), at: at, dateOnly: true}
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		got := received{request: r, body: body}
		_ = json.Unmarshal(body, &got.activity)
		e.mu.Lock()
		e.came = append(e.came, got)
		e.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if e.hook != nil {
		e.hook(r)
	}
	e.mu.Lock()
	e.asked = append(e.asked, r)
	doc, ok := e.docs[r.URL.Path]
	contentType := e.types[r.URL.Path]
	e.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if contentType == "" {
		contentType = activityType
	}
	w.Header().Set("Content-Type", contentType)
	_ = json.NewEncoder(w).Encode(doc)
}

func (e *elsewhere) take() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	came := e.came
	e.came = nil
	return came
}

// says makes an activity of ada's.
func (e *elsewhere) says(typ string, about any) object {
	e.n++
	return object{"id": e.id + "/" + strings.ToLower(typ) + string(rune('0'+e.n)), "type": typ, "actor": e.id, "object": about}
}

// note makes a public Note of ada's, serves it at its id, and lets change alter it.
func (e *elsewhere) note(name string, change object) object {
	o := object{
		"id": "https://" + e.host + "/" + name, "type": "Note", "attributedTo": e.id, "content": "plain words",
		"published": "2026-06-04T11:00:00Z", "url": "https://" + e.host + "/" + name + ".html",
		"to": []string{"https://www.w3.org/ns/activitystreams#Public"}, "cc": []string{e.id + "/followers"},
	}
	for name, value := range change {
		o[name] = value
		if value == nil {
			delete(o, name)
		}
	}
	e.docs["/"+name] = o
	return o
}
