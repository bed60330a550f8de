package threadslike

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestUnsignedRequestsAre404(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	post := w.frank.Post(Draft{Text: "hello"})
	w.pass(time.Hour)
	w.deliver("Create")
	for _, id := range []string{w.frank.ID(), post.ID, w.frank.ID() + "followers/"} {
		status, header, doc := w.get(id, false)
		if status != http.StatusNotFound || header.Get("Content-Type") != "application/json" || doc["error"] != "Not found" || doc["success"] != false {
			t.Errorf("GET %s, unsigned: %d %v", id, status, doc)
		}
		if status, header, doc := w.get(id, true); status != http.StatusOK || header.Get("Content-Type") != activityType || doc["id"] != id {
			t.Errorf("GET %s, signed: %d %v", id, status, doc)
		}
	}
}

func TestADislikedSignatureIs404(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, r *http.Request){
		"of another key":   func(w *world, r *http.Request) { edit(r, "signature=\"", "signature=\"AAAA") },
		"without (target)": func(w *world, r *http.Request) { edit(r, "(request-target) ", "") },
		"without host":     func(w *world, r *http.Request) { edit(r, " host", "") },
		"without digest":   func(w *world, r *http.Request) { edit(r, " digest", "") },
		"RSA with SHA-512": func(w *world, r *http.Request) { edit(r, "rsa-sha256", "rsa-sha512") },
		"old":              func(w *world, _ *http.Request) { w.pass(61 * time.Minute) },
		"of the future":    func(w *world, _ *http.Request) { w.pass(-61 * time.Minute) },
		"two of them":      func(_ *world, r *http.Request) { r.Header.Add("Signature", r.Header.Get("Signature")) },
		"none":             func(_ *world, r *http.Request) { r.Header.Del("Signature") },
		"a name for a key": func(w *world, r *http.Request) { edit(r, w.ada.id, "acct:ada@elsewhere.example") },
		"an unknown key":   func(w *world, r *http.Request) { edit(r, "/ada#", "/bob#") },
		"another of its keys": func(w *world, r *http.Request) {
			edit(r, "#main-key", "#other")
		},
		"key not ActivityPub": func(w *world, _ *http.Request) { w.ada.types["/ada"] = "text/html" },
		"key of another": func(w *world, _ *http.Request) {
			w.ada.docs["/ada"]["publicKey"].(object)["owner"] = "https://else.example/"
		},
		"key not PEM": func(w *world, _ *http.Request) { w.ada.docs["/ada"]["publicKey"].(object)["publicKeyPem"] = "x" },
	} {
		w := newWorld(t, nil)
		status, doc := w.postTo(w.frank.ID()+"inbox/", w.ada.says("Follow", w.frank.ID()), func(r *http.Request) { spoil(w, r) })
		if status != http.StatusNotFound || doc["error"] != "Not found" {
			t.Errorf("a signature %s: %d %v", name, status, doc)
		}
		if len(w.frank.Followers()) != 0 {
			t.Errorf("a signature %s: ada follows", name)
		}
	}
}

// A signature that is good and covers too little, or is over, is disliked as well.
func TestAGoodSignatureOverTooLittleIs404(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		field string
		want  int
	}{
		"all":                     {`algorithm="rsa-sha256",headers="(request-target) host date digest"`, 200},
		"created":                 {`algorithm="hs2019",created=1780574390,headers="(request-target) (created) host digest"`, 200},
		"no target":               {`algorithm="rsa-sha256",headers="host date digest"`, 404},
		"no host":                 {`algorithm="rsa-sha256",headers="(request-target) date digest"`, 404},
		"no digest":               {`algorithm="rsa-sha256",headers="(request-target) host date"`, 404},
		"no time":                 {`algorithm="rsa-sha256",headers="(request-target) host digest"`, 404},
		"created two hours ago":   {`algorithm="hs2019",created=1780567200,headers="(request-target) (created) host digest"`, 404},
		"expired a moment ago":    {`algorithm="hs2019",created=1780574390,expires=1780574399,headers="(request-target) (created) (expires) host digest"`, 404},
		"created and an old name": {`algorithm="rsa-sha256",created=1780574390,headers="(request-target) (created) host digest"`, 404},
	} {
		w := newWorld(t, nil)
		status, _ := w.postTo(w.frank.ID()+"inbox/", w.ada.says("Follow", w.frank.ID()), func(r *http.Request) {
			field := `keyId="` + w.ada.id + `#main-key",` + c.field + `,signature="`
			p, err := parseParameters(field + `AAAA"`)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "old name") {
				p.algorithm = "hs2019" // as who does not know the rule would sign
			}
			r.Header.Set("Signature", field+resigned(t, r, p)+`"`)
		})
		if status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
}

func edit(r *http.Request, old, new string) {
	r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), old, new, 1))
}

func TestRFC9421IsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	status, _ := w.postTo(w.frank.ID()+"inbox/", w.ada.says("Follow", w.frank.ID()), func(r *http.Request) {
		r.Header.Set("Signature-Input", `sig1=("@method" "@target-uri" "content-digest");created=1780574400;keyid="https://elsewhere.example/ada#main-key"`)
		r.Header.Set("Signature", "sig1=:AAAA:")
	})
	if status != http.StatusNotFound {
		t.Errorf("RFC 9421: %d", status)
	}
}

func TestTheDigestIsInUpperCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	follow := w.ada.says("Follow", w.frank.ID())
	resign := func(change func(string) string) func(*http.Request) {
		return func(r *http.Request) { // signed again, so that nothing else is wrong
			field := change(r.Header.Get("Digest"))
			r.Header.Set("Digest", field)
			p, err := parseParameters(r.Header.Get("Signature"))
			if err != nil {
				t.Fatal(err)
			}
			old, _, _ := strings.Cut(r.Header.Get("Signature"), `signature="`)
			r.Header.Set("Signature", old+`signature="`+resigned(t, r, p)+`"`)
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		want   int
	}{
		"as it was":      {func(s string) string { return s }, 200},
		"lower case":     {func(s string) string { return strings.Replace(s, "SHA-256=", "sha-256=", 1) }, 404},
		"of two kinds":   {func(s string) string { return s + ",SHA-512=AAAA" }, 404},
		"another body's": {func(string) string { return digest([]byte("else")) }, 404},
	} {
		if status, _ := w.postTo(w.frank.ID()+"inbox/", follow, resign(c.change)); status != c.want {
			t.Errorf("a Digest %s: %d, want %d", name, status, c.want)
		}
	}
}

func TestKeysAreAskedForWithASignedRequestWhileTheirsWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var during int
	w.ada.hook = func(*http.Request) { during = len(w.Exchanges()) }
	w.follow()
	asked := w.ada.asked[0]
	if asked.URL.Path != "/ada" || during != 0 {
		t.Errorf("asked for %s after %d answers", asked.URL, during)
	}
	p, err := parseParameters(asked.Header.Get("Signature"))
	if err != nil || p.keyID != w.frank.KeyID() || p.checkSignature(asked, &theKey().PublicKey) != nil {
		t.Errorf("signed as %q: %v", p.keyID, err)
	}
	// The key is kept: the next request asks for nothing.
	before := len(w.ada.asked)
	w.get(w.frank.ID(), true)
	if len(w.ada.asked) != before {
		t.Error("a known key was fetched again")
	}
}

// Who looks at the signature of a request for a key needs the signer's actor, and gets it only by a signed request.
func TestWhoVerifiesTheFetchOfAKeyLoops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	depth, deepest := 0, 0
	w.ada.hook = func(r *http.Request) {
		if depth++; depth > deepest {
			deepest = depth
		}
		if depth < 8 { // a real server runs into a limit of its own
			w.get(w.frank.ID(), true)
		}
		depth--
	}
	w.post(w.ada.says("Follow", w.frank.ID()))
	if deepest != 8 {
		t.Errorf("the loop ended after %d rounds", deepest)
	}
}

func TestAKeyThatLeadsToAStubIs500(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	key := w.ada.docs["/ada"]["publicKey"].(object)
	key["id"] = w.ada.id + "/main-key"
	w.ada.docs["/ada/main-key"] = object{"id": w.ada.id, "type": "Person", "preferredUsername": "ada", "publicKey": key}
	r, err := http.NewRequest(http.MethodGet, w.frank.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	how := w.ada.how(w.clock())
	how.keyID = w.ada.id + "/main-key"
	if err := how.sign(r, nil); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := w.do(r); status != http.StatusInternalServerError {
		t.Errorf("a stub for a key: %d", status)
	}
}

func TestAKeyIsFetchedAgainWhenASignatureFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	w.Server.mu.Lock()
	p := *w.peers[w.ada.id+"#main-key"]
	_, p.key = readVectors(t)
	w.peers[p.keyID] = &p
	w.Server.mu.Unlock()
	if status, _, _ := w.get(w.frank.ID(), true); status != http.StatusOK {
		t.Errorf("after a change of keys: %d", status)
	}
}

func TestFetchesUseMetasUserAgents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	seen := map[string]bool{}
	for range agents {
		if _, err := w.fetchActor(t.Context(), w.ada.id); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range w.ada.asked {
		seen[r.UserAgent()] = true
	}
	for _, name := range []string{"facebookexternalua", "facebookexternalhit/1.1", "meta-externalagent/1.1"} {
		if !seen[name] {
			t.Errorf("%s never asked; %v did", name, seen)
		}
	}
}

func TestThrottlingGoesByTheSignersDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.Throttle("elsewhere.example", Limit{})
	if status, header, _ := w.get(w.frank.ID(), true); status != http.StatusTooManyRequests || header.Get("Retry-After") != "" {
		t.Errorf("GET: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if len(w.ada.asked) != 0 {
		t.Error("its key was fetched all the same")
	}
	if status, _ := w.post(w.ada.says("Follow", w.frank.ID())); status != http.StatusOK {
		t.Errorf("POST: %d", status)
	}
	night := newElsewhere("nightly.elsewhere.example")
	w.net.hosts[night.host] = night
	day := w.ada
	w.ada = night
	if status, _, _ := w.get(w.frank.ID(), true); status != http.StatusOK {
		t.Errorf("GET signed by another name of the same server: %d", status)
	}
	w.ada = day
	w.Throttle("elsewhere.example", Limit{Posts: true, RetryAfter: time.Minute})
	status, _ := w.post(w.ada.says("Follow", w.frank.ID()))
	if _, header, _ := w.get(w.frank.ID(), true); status != http.StatusTooManyRequests || header.Get("Retry-After") != "60" {
		t.Errorf("POST: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	w.Unthrottle("elsewhere.example")
	if status, _, _ := w.get(w.frank.ID(), true); status != http.StatusOK {
		t.Errorf("GET afterwards: %d", status)
	}
}

func TestABlockIsInvisible(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	w.Block("elsewhere.example")
	status, _, doc := w.get(w.frank.ID(), true)
	if status != http.StatusNotFound || doc["error"] != "Not found" {
		t.Errorf("GET: %d %v", status, doc)
	}
	if status, _ := w.post(w.ada.says("Like", w.frank.ID())); status != http.StatusNotFound {
		t.Errorf("POST: %d", status)
	}
	w.Unblock("elsewhere.example")
	if status, _, _ := w.get(w.frank.ID(), true); status != http.StatusOK {
		t.Errorf("GET afterwards: %d", status)
	}
}

func TestTheListOfBlockedServersIsAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.Block("elsewhere.example")
	for _, host := range []string{"www.threads.com", "www.threads.net"} {
		r, err := http.NewRequest(http.MethodGet, "https://"+host+"/moderated_servers", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.net.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(body), "elsewhere.example") {
			t.Errorf("%s: %d %s, %v", host, resp.StatusCode, body, err)
		}
	}
}
