package signature_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// Peers that speak RFC 9421.

// Fedify (seen 2.3) knocks with RFC 9421, answers Accept-Signature, and in draft-cavage covers every
// header and verifies the path alone.
func TestFedifyKnocksWithRFC9421AndCoversEverythingOtherwise(t *testing.T) {
	t.Parallel()
	r, body := knocked(t)
	attach(t, r, labelled{label: "sig1", components: `"@method" "@target-uri" "@authority" "host" "date" "content-digest"`,
		params: fmt.Sprintf(`;alg="rsa-v1_5-sha256";keyid="%s";created=%d`, aliceKey, time.Now().Unix())})
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Errorf("RFC 9421: %v", err)
	}
	checkPeer(t,
		peerCase{what: "draft-cavage", method: "POST", covered: "accept content-type date digest host user-agent (request-target)"},
		peerCase{what: "GET", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "accept date host user-agent (request-target)"},
	)
	// Having heard it, we answer in kind.
	h := &host{t: t, answer: by(map[string]int{"c": 202, "r": 202})}
	tr := h.transport()
	got := must[signature.Verified](t)(verifier(t).Verify(r, body))
	tr.Heard(t.Context(), "our.example", got)
	h.send(tr, http.MethodPost, inboxURL)
	if got := h.took(); got != "r202" {
		t.Error(got)
	}
	// A GET that it refuses for its query is signed without.
	h.answer = func(suite string, _ *http.Request) (int, http.Header) {
		if suite == "c?" {
			return 200, nil
		}
		return 401, nil
	}
	h.send(h.transport(), http.MethodGet, "https://our.example/x?page=1")
	if got := h.took(); got != "c401 c?200" {
		t.Error(got)
	}
}

// The plugin's inbox is a query (?rest_route=…) on some sites. It covers that, and since 9.3 knocks
// with RFC 9421.
func TestWordPressHasItsInboxInTheQuery(t *testing.T) {
	t.Parallel()
	const uri = "/?rest_route=%2Factivitypub%2F1.0%2Finbox"
	checkPeer(t,
		peerCase{what: "draft-cavage", method: "POST", uri: uri, covered: "(request-target) host date digest"},
		peerCase{what: "the query left out", method: "POST", uri: uri, path: "/", covered: "(request-target) host date digest", want: signature.ErrBadSignature},
	)
	r, body := knocked(t)
	r.RequestURI = uri
	attach(t, r, labelled{label: "wp", components: `"@method" "@target-uri" "@authority" "content-digest" "date"`, params: goodParams() + `;alg="rsa-v1_5-sha256"`})
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Error(err)
	}
	keyID := "https://peer.example/?author=0#main-key"
	v := verifier(t)
	v.Keys = keyring{keyID: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
	r, body = cavageOf(t, http.MethodPost, "/ap/inbox", "(request-target) host date digest", "", `keyId="`+keyID+`",headers="%s",signature="%s"`)
	if _, err := v.Verify(r, body); err != nil {
		t.Errorf("a key id with a query: %v", err)
	}
	sent, _ := outgoing(t, http.MethodPost, "https://our.example"+uri)
	arrived := sent.Clone(t.Context())
	arrived.RequestURI = uri
	if _, err := verifier(t).Verify(arrived, []byte(follow)); err != nil {
		t.Errorf("ours covers the query: %v", err)
	}
}

func TestNodeBBAndActivityPubBotWriteANonceAndATag(t *testing.T) {
	t.Parallel()
	r, body := knocked(t)
	attach(t, r, labelled{label: "sig1", components: goodComponents, params: goodParams() + `;nonce="YWJj";tag="activitypub"`})
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Error(err)
	}
	checkPeer(t, peerCase{what: "draft-cavage", method: "POST", covered: "(request-target) host date digest"})
}

func TestHubzillaStreamsAndForteHaveKeysOf4096BitsAndEd25519(t *testing.T) {
	t.Parallel()
	large := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 4096))
	ed := must[ed25519.PrivateKey](t)(edKey())
	const rsaID, edID = "https://peer.example/channel/alice?operation=rsakey", "https://peer.example/channel/alice#z6Mk"
	v := verifier(t)
	v.Keys = keyring{rsaID: &large.PublicKey, edID: ed.Public()}
	for _, tc := range []struct {
		key    signature.Key
		scheme signature.Scheme
	}{
		{signature.Key{ID: rsaID, Private: large}, signature.Cavage},
		{signature.Key{ID: rsaID, Private: large}, signature.RFC9421},
		{signature.Key{ID: edID, Private: ed}, signature.RFC9421},
	} {
		r := post(t)
		if err := signature.Sign(r, []byte(follow), tc.key, tc.scheme); err != nil {
			t.Fatal(err)
		}
		got, body := arrive(t, r)
		if _, err := v.Verify(got, body); err != nil {
			t.Errorf("%s with %s: %v", tc.scheme, tc.key.ID, err)
		}
	}
	if _, err := signature.ParsePublicKey(must[string](t)(signature.MarshalPublicKey(large.Public()))); err != nil {
		t.Error(err)
	}
}
