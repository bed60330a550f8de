package signature_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

const (
	alice    = "https://peer.example/users/alice"
	aliceKey = alice + "#main-key"
	inboxURL = "https://our.example/ap/inbox"
	follow   = `{"type":"Follow","actor":"` + alice + `","object":"https://our.example/ap/users/bob"}`
)

var (
	rsaKey   = sync.OnceValues(signature.GenerateKey)
	otherKey = sync.OnceValues(signature.GenerateKey)
	edKey    = sync.OnceValues(func() (ed25519.PrivateKey, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	})
)

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// keyring is a KeySource with one key per id.
type keyring map[string]crypto.PublicKey

func (k keyring) PublicKey(_ context.Context, keyID string) (signature.PublicKey, error) {
	key, ok := k[keyID]
	if !ok {
		return signature.PublicKey{}, fmt.Errorf("%s: %w", keyID, signature.ErrNoKey)
	}
	owner, _, _ := strings.Cut(keyID, "#")
	return signature.PublicKey{ID: keyID, Owner: owner, Key: key}, nil
}

// ask makes a func a KeySource.
type ask func(keyID string) (signature.PublicKey, error)

func (f ask) PublicKey(_ context.Context, keyID string) (signature.PublicKey, error) { return f(keyID) }

// verifier answers to our.example and knows alice's RSA key.
func verifier(t testing.TB) *signature.Verifier {
	t.Helper()
	return &signature.Verifier{
		Keys:        keyring{aliceKey: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey},
		Authorities: []string{"our.example"},
	}
}

func aliceRSA(t testing.TB) signature.Key {
	t.Helper()
	return signature.Key{ID: aliceKey, Private: must[*rsa.PrivateKey](t)(rsaKey())}
}

// post makes the unsigned POST of a Follow.
func post(t testing.TB) *http.Request {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequest(http.MethodPost, inboxURL, strings.NewReader(follow)))
	r.Header.Set("Content-Type", "application/activity+json")
	return r
}

// arrive writes a client's request as it goes over the wire and reads it as a server does.
func arrive(t testing.TB, r *http.Request) (*http.Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got := must[*http.Request](t)(http.ReadRequest(bufio.NewReader(&wire)))
	return got, must[[]byte](t)(io.ReadAll(got.Body))
}

// signed is an arrived POST that alice signed with Sign.
func signed(t testing.TB, s signature.Scheme) (*http.Request, []byte) {
	t.Helper()
	r := post(t)
	if err := signature.Sign(r, []byte(follow), aliceRSA(t), s); err != nil {
		t.Fatal(err)
	}
	return arrive(t, r)
}

// forge signs an arrived request by hand, without the package under test: whatever covered says,
// whatever the parameters. The format's verbs are the covered list and the signature.
type forge struct {
	covered          string
	format           string // default: keyId of alice, rsa-sha256
	path             string // default: the request's
	created, expires int64
	key              *rsa.PrivateKey // default: alice's
}

func (f forge) sign(t testing.TB, r *http.Request) {
	t.Helper()
	if f.path == "" {
		f.path = r.RequestURI
	}
	if f.key == nil {
		f.key = must[*rsa.PrivateKey](t)(rsaKey())
	}
	if f.format == "" {
		f.format = `keyId="` + aliceKey + `",algorithm="rsa-sha256",headers="%s",signature="%s"`
	}
	var lines []string
	for name := range strings.FieldsSeq(f.covered) {
		value := strings.Join(r.Header.Values(name), ", ")
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + f.path
		case "(created)":
			value = fmt.Sprint(f.created)
		case "(expires)":
			value = fmt.Sprint(f.expires)
		case "host":
			value = r.Host
		}
		lines = append(lines, name+": "+value)
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	sig := must[[]byte](t)(rsa.SignPKCS1v15(nil, f.key, crypto.SHA256, sum[:]))
	r.Header.Set("Signature", fmt.Sprintf(f.format, f.covered, base64.StdEncoding.EncodeToString(sig)))
}

// unsigned is an arrived POST with Date and Digest in place.
func unsigned(t testing.TB) (*http.Request, []byte) {
	t.Helper()
	r, body := arrive(t, post(t))
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	sum := sha256.Sum256(body)
	r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
	return r, body
}

// refused checks that err is an *Error with this cause and the status that belongs to it.
func refused(t testing.TB, what string, err, want error) {
	t.Helper()
	statuses := map[error]int{
		signature.ErrMalformed: 400, signature.ErrRefused: 403, signature.ErrOwner: 403, signature.ErrReplayed: 409,
		signature.ErrTooLarge: 413, signature.ErrKeyUnavailable: 503,
	}
	status, ok := statuses[want]
	if !ok {
		status = 401
	}
	var e *signature.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Status != status {
		t.Errorf("%s: got %v, want %q with status %d", what, err, want, status)
	}
}
