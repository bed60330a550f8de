//go:build interop

package fedify_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// signer is an actor with an RSA key and an Ed25519 Multikey, and the server that shows both.
type signer struct {
	id         string
	rsa, multi signature.Key
}

func startSigner(t *testing.T, ca *authority) *signer {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ca.leaf(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s.id = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/users/signer"
	private, err := signature.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	edwards, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	s.rsa = signature.Key{ID: s.id + "#main-key", Private: private}
	s.multi = signature.Key{ID: s.id + "#ed25519-key", Private: edwards}
	return s
}

func (s *signer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	pem, err := signature.MarshalPublicKey(s.rsa.Private.Public())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	multibase, err := signature.MarshalMultikey(s.multi.Private.Public())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body, err := activity.Encode(&activity.Actor{
		ID: s.id, Type: activity.Types{activity.TypePerson}, PreferredUsername: "signer", Inbox: activity.IRI(s.id + "/inbox"),
		PublicKey: activity.Refs{activity.PublicKey{ID: s.rsa.ID, Owner: s.id, PEM: pem}.Ref()},
		AssertionMethod: activity.List{activity.Embed(&activity.Object{
			ID: s.multi.ID, Type: activity.Types{activity.TypeMultikey}, Controller: activity.IRI(s.id), PublicKeyMultibase: multibase,
		})},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", activity.ContentType)
	_, _ = w.Write(body)
}

// TestFedifyFindsNoMultikeyAndTakesTheNextSignature delivers with a Transport that was told what Fedify verifies, rightly or not.
// Fedify 2.3.6 looks for the key of a request in publicKey, never in assertionMethod, so that an Ed25519 signature costs a
// knock. Told nothing, as by Fedify's own actors, the Transport makes none.
func TestFedifyFindsNoMultikeyAndTakesTheNextSignature(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p := startPeer(t, ca)
	s := startSigner(t, ca)
	rsaBy9421, rsaByCavage := rfc9421+" "+s.rsa.ID+" 202", cavage+" "+s.rsa.ID+" 202"
	for _, c := range []struct {
		name  string
		suite signature.Suite
		told  bool
		knock []string // how each request was signed, and its status
	}{
		{"a host that says it verifies Ed25519", signature.SuiteEd25519, true, []string{rfc9421 + " " + s.multi.ID + " 401", rsaByCavage}},
		{"a host that says it verifies RFC 9421", signature.SuiteRFC9421, true, []string{rsaBy9421}},
		{"a host that says nothing", signature.SuiteEd25519, false, []string{rsaByCavage}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := s.id + "/likes/" + strings.ReplaceAll(c.name, " ", "-")
			body, err := activity.Encode(&activity.Activity{
				ID: id, Type: activity.Types{activity.TypeLike}, Actor: activity.IRI(s.id), Object: activity.Refs{activity.IRI(p.Actor)},
			})
			if err != nil {
				t.Fatal(err)
			}
			transport := &signature.Transport{
				Base:     ca.client(t).Transport,
				Key:      func(context.Context) (signature.Key, error) { return s.rsa, nil },
				Ed25519:  func(context.Context) (signature.Key, error) { return s.multi, nil },
				Verifies: func(context.Context, string) (signature.Suite, bool) { return c.suite, c.told },
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Actor+"/inbox", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", activity.ContentType)
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Fatalf("Fedify answers %d", resp.StatusCode)
			}
			if !eventually(t, func() bool {
				return slices.ContainsFunc(p.events(t, 0), func(e event) bool { return e.ID == id && e.Actor == s.id })
			}) {
				t.Fatal("the listener heard nothing")
			}
			var knocks []string
			for _, e := range p.exchanges(t, 0) {
				if e.Direction == "in" && e.Activity == id {
					knocks = append(knocks, fmt.Sprintf("%s %s %d", e.Scheme, e.keyID(), e.Status))
				}
			}
			if !slices.Equal(knocks, c.knock) {
				t.Errorf("the requests were %q, want %q", knocks, c.knock)
			}
		})
	}
}
