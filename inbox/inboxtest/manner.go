package inboxtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// Manner is how an actor sends. The zero value is how it should be done.
type Manner struct {
	// To are the ids of further actors who are told.
	To []string
	// Personal delivers to personal inboxes where a shared one would do.
	Personal bool
	// Scheme signs with RFC 9421 rather than draft-cavage-12; Ed25519 does so with the actor's second key.
	Scheme  signature.Scheme
	Ed25519 bool
	// Proof adds an object integrity proof (FEP-8b32), by which an activity can be believed that another one forwards.
	Proof bool
	// LDSignature adds an LD signature to what is for everyone, as Mastodon does.
	LDSignature bool
	// Header is sent too, and signed if the scheme signs such fields. Added comes after that: no signature covers it.
	Header, Added http.Header

	// What follows is done wrong.

	// Unsigned leaves the signature out.
	Unsigned bool
	// Signer signs in the actor's place, in its own name: the one who forwards, or a liar.
	Signer *Actor
	// ForeignKey signs with the key of another actor and says that it is this one's.
	ForeignKey *Actor
	// ID is the activity's id, whatever it should be.
	ID string
	// Late signs with a time so long ago, as if the request had been under way since. It is for draft-cavage-12.
	Late time.Duration
	// Pad makes the body so many bytes long. Nest puts so many lists into each other in it. Zero leaves it as it is.
	Pad, Nest int
}

// With returns the same actor, who sends in this manner.
func (a *Actor) With(m Manner) *Actor { return &Actor{account: a.account, manner: m} }

// spoil makes a body as large and as deep as it should be.
func (m *Manner) spoil(body []byte) []byte { return padded(nested(body, m.Nest), m.Pad) }

// nested puts a member of so many lists into an object.
func nested(body []byte, levels int) []byte {
	if levels <= 0 || len(body) == 0 || body[0] != '{' {
		return body
	}
	return fmt.Appendf(nil, `{"nested":%s%s,%s`, strings.Repeat("[", levels), strings.Repeat("]", levels), body[1:])
}

// padded makes an object so many bytes long, by one member.
func padded(body []byte, size int) []byte {
	const frame = len(`{"padding":"",`)
	if size < len(body)+frame || len(body) == 0 || body[0] != '{' {
		return body
	}
	return fmt.Appendf(nil, `{"padding":"%s",%s`, strings.Repeat("x", size-len(body)-frame+1), body[1:])
}

// prove adds the proof of the actor whose activity it is.
func (a *account) prove(body []byte) ([]byte, error) {
	return signature.Prove(body, signature.Key{ID: a.edKeyID(), Private: a.ed}, signature.ProofOptions{Created: time.Now()})
}

// ldSign adds the LD signature of the actor whose activity it is.
func (a *account) ldSign(body []byte) ([]byte, error) {
	a.s.mu.Lock()
	key := signature.Key{ID: a.keyID(), Private: a.rsa}
	a.s.mu.Unlock()
	return ldsig.Sign(body, key, 0)
}

// sign signs r as an actor does who has this manner.
func (a *account) sign(r *http.Request, body []byte, m Manner) error {
	who := a
	if m.Signer != nil {
		who = m.Signer.account
	}
	a.s.mu.Lock()
	newer := a.s.mood.rfc9421
	key := signature.Key{ID: who.keyID(), Private: who.rsa}
	if m.Ed25519 {
		key = signature.Key{ID: who.edKeyID(), Private: who.ed}
	}
	if m.ForeignKey != nil {
		key.Private = m.ForeignKey.rsa
	}
	a.s.mu.Unlock()
	switch {
	case m.Unsigned:
		r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		return nil
	case m.Late > 0:
		return signLate(r, body, key.ID, key.Private.(*rsa.PrivateKey), time.Now().Add(-m.Late))
	case m.Ed25519 || newer:
		return signature.Sign(r, body, key, signature.RFC9421)
	}
	return signature.Sign(r, body, key, m.Scheme)
}

// signLate signs as signature.Sign would have done at another time. draft-cavage-12 §2
func signLate(r *http.Request, body []byte, keyID string, key *rsa.PrivateKey, at time.Time) error {
	sum := sha256.Sum256(body)
	r.Header.Set("Date", at.UTC().Format(http.TimeFormat))
	r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
	var text bytes.Buffer
	fmt.Fprintf(&text, "(request-target): %s %s\nhost: %s\ndate: %s\ndigest: %s", strings.ToLower(r.Method), r.URL.RequestURI(),
		r.URL.Host, r.Header.Get("Date"), r.Header.Get("Digest"))
	hash := sha256.Sum256(text.Bytes())
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash[:])
	if err != nil {
		return err
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="%s"`,
		keyID, base64.StdEncoding.EncodeToString(sig)))
	return nil
}
