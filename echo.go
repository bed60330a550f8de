package fedihook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// Check sends the site a signed request and is told how it arrived. Whoever else asks learns no more than what they sent.

// echo is how a request arrived.
type echo struct {
	Host     bool     `json:"host"` // it is this site's
	Fields   []string `json:"fields"`
	Body     bool     `json:"body"` // it is what Check sends
	Verified bool     `json:"verified"`
	Error    string   `json:"error,omitempty"`
}

// echoed are the fields without which no signature verifies.
var echoed = []string{"Signature", "Signature-Input", "Digest", "Content-Digest", "Date", "Content-Type"}

const echoBody = `{"@context":"https://www.w3.org/ns/activitystreams","type":"Note","content":"Does this arrive as it was sent?"}`

// serveEcho tells how a request arrived. Only a signature that claims to be the instance actor's own is looked at, so that
// nothing is fetched for a stranger.
func (s *Server) serveEcho(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	e := echo{Body: string(body) == echoBody, Host: s.answersTo(r.Host)}
	for _, field := range echoed {
		if r.Header.Get(field) != "" {
			e.Fields = append(e.Fields, field)
		}
	}
	if id, err := signature.KeyID(r); err == nil && id == s.names.KeyID(s.names.Instance()) {
		own := signature.Verifier{Keys: ownKey{s}, Authorities: []string{s.names.Authority()}, Scheme: s.scheme()}
		v, err := own.Verify(r, body)
		e.Verified = err == nil && v.Owner == s.names.Instance()
		if failed := (*signature.Error)(nil); errors.As(err, &failed) {
			e.Error = failed.Public()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(e)
}

// ownKey knows the instance actor's keys alone, which nobody has to be asked for.
type ownKey struct{ *Server }

func (o ownKey) PublicKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	list, err := o.keys.Public(ctx, o.names.Instance())
	for _, k := range list {
		if k.ID == keyID {
			return k, err
		}
	}
	return signature.PublicKey{}, errors.Join(signature.ErrKeyUnavailable, err)
}

// answersTo tells whether host is the origin's, with or without the default port.
func (s *Server) answersTo(host string) bool {
	scheme, _, _ := strings.Cut(s.names.Origin, "://")
	authority, ok := activity.Authority(scheme + "://" + host)
	return ok && authority == s.names.Authority()
}

// signed looks at how requests arrive that are signed in one way and in the other.
func (c *checkup) signed() {
	seen := map[string]bool{}
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		if f := c.signedBy(scheme); f != nil && !seen[f.What] {
			seen[f.What] = true
			c.found = append(c.found, f)
		}
	}
}

func (c *checkup) signedBy(scheme signature.Scheme) *Finding {
	address := strings.TrimSuffix(c.names.Instance(), "/actor") + "/echo"
	bad := func(what, do string, err error) *Finding {
		return &Finding{Code: CodeProxy, What: what, Do: do, Err: err}
	}
	ctx, stop := context.WithTimeout(c.ctx, checkTimeout)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader([]byte(echoBody)))
	if err != nil {
		return bad("a signed request could not be made", "", err)
	}
	r.Header.Set("Content-Type", activity.ContentType)
	key, err := c.keys.Private(ctx, c.names.Instance())
	if err == nil {
		err = signature.Sign(r, []byte(echoBody), key, scheme)
	}
	if err != nil {
		return bad("a signed request could not be made", "see to the instance actor's keys in Storage.Keys", err)
	}
	sent := map[string]bool{}
	for _, field := range echoed {
		sent[field] = r.Header.Get(field) != ""
	}
	resp, body, err := c.do(r)
	var e echo
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		return bad("a POST to "+address+" does not arrive", "pass everything under the prefix to this app, by every method", err)
	}
	var lost []string
	for _, field := range echoed {
		if sent[field] && !strings.Contains(" "+strings.Join(e.Fields, " ")+" ", " "+field+" ") {
			lost = append(lost, field)
		}
	}
	const do = "configure the proxy to pass requests on as they come"
	switch {
	case len(lost) > 0:
		return bad("a proxy takes fields off requests: "+strings.Join(lost, ", "), do, nil)
	case !e.Host:
		return bad("a proxy changes the Host of requests", `have it pass the Host on: "proxy_set_header Host $host" in nginx`, nil)
	case !e.Body:
		return bad("a proxy changes the body of requests", do, nil)
	case !e.Verified:
		return bad("a proxy changes the path, the query or what else a signature covers", do+"; set Config.Mount if it takes a path off", errors.New(e.Error))
	}
	return nil
}
