package signature_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/signature"
)

// Published is where this example's key source looks: in a real server it fetches the actor that
// a key id names.
type published map[string]signature.PublicKey

func (p published) PublicKey(_ context.Context, keyID string) (signature.PublicKey, error) {
	key, ok := p[keyID]
	if !ok {
		return key, fmt.Errorf("%s is not published: %w", keyID, signature.ErrNoKey)
	}
	return key, nil
}

// A Verifier stands before a handler of net/http; a Transport signs what a client sends to it.
func Example() {
	private, err := signature.GenerateKey()
	if err != nil {
		panic(err)
	}
	const id = "https://a.example/users/alice"
	keys := published{id + "#main-key": {Owner: id, Key: &private.PublicKey}}

	verifier := &signature.Verifier{Keys: keys, Authorities: []string{"b.example"}, Scheme: "http"}
	server := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sender, _ := signature.VerifiedFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s says %s\n", sender.Owner, body)
	})))
	defer server.Close()

	// The name b.example leads to the test server.
	there, _ := url.Parse(server.URL)
	client := &http.Client{Transport: &signature.Transport{
		Base: &http.Transport{Proxy: http.ProxyURL(there)},
		Key: func(context.Context) (signature.Key, error) {
			return signature.Key{ID: id + "#main-key", Private: private}, nil
		},
	}}
	response, err := client.Post("http://b.example/inbox", "application/activity+json", strings.NewReader(`"hello"`))
	if err != nil {
		panic(err)
	}
	fmt.Println(response.Status)

	unsigned, _ := http.Post(server.URL+"/inbox", "application/activity+json", strings.NewReader(`"hello"`))
	fmt.Println(unsigned.Status)
	// Output:
	// https://a.example/users/alice says "hello"
	// 200 OK
	// 401 Unauthorized
}

// A Transport is the RoundTripper of any http.Client. It learns which suite each host takes: this
// one understands RFC 9421 alone, so that the first request is sent twice and the next once.
func ExampleTransport() {
	private, err := signature.GenerateKey()
	if err != nil {
		panic(err)
	}
	peer := roundTripper(func(r *http.Request) (*http.Response, error) {
		status := http.StatusUnauthorized
		if r.Header.Get("Signature-Input") != "" {
			status = http.StatusAccepted
		}
		fmt.Println(r.Method, r.URL, status)
		return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
	})
	client := &http.Client{Transport: &signature.Transport{
		Base: peer,
		Key: func(context.Context) (signature.Key, error) {
			return signature.Key{ID: "https://a.example/users/alice#main-key", Private: private}, nil
		},
		Memory: &signature.Hosts{}, // shared by the Transports of one server
	}}
	for range 2 {
		if _, err := client.Post("https://b.example/inbox", "application/activity+json", strings.NewReader(`{}`)); err != nil {
			panic(err)
		}
	}
	// Output:
	// POST https://b.example/inbox 401
	// POST https://b.example/inbox 202
	// POST https://b.example/inbox 202
}

// roundTripper makes a func an http.RoundTripper.
type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Handler is middleware. With Replays it lets a request through once; examples/signing makes
// webhooks of that.
func ExampleVerifier_Handler() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	const id = "https://shop.example/key"
	verifier := &signature.Verifier{
		Keys:        published{id: {Owner: "https://shop.example", Key: public}},
		Authorities: []string{"books.example"},
		Replays:     &signature.Replays{},
	}
	hooks := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := signature.BodyFrom(r.Context())
		fmt.Printf("booked %s\n", body)
	}))

	order := []byte(`{"order":1}`)
	signed, _ := http.NewRequest(http.MethodPost, "https://books.example/orders", nil)
	if err := signature.Sign(signed, order, signature.Key{ID: id, Private: private}, signature.RFC9421); err != nil {
		panic(err)
	}
	for range 2 {
		r := httptest.NewRequest(http.MethodPost, "/orders", bytes.NewReader(order))
		r.Host, r.Header = signed.Host, signed.Header
		w := httptest.NewRecorder()
		hooks.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// booked {"order":1}
	// 200
	// 409
}

// Sign and Verify work on bytes alone. The error says what is wrong and which status to answer.
func ExampleVerifier_Verify() {
	private, _ := signature.GenerateKey()
	const id = "https://a.example/users/alice"
	verifier := &signature.Verifier{
		Keys:        published{id + "#main-key": {Owner: id, Key: &private.PublicKey}},
		Authorities: []string{"b.example"},
	}
	body := []byte(`{"type":"Like"}`)
	r, _ := http.NewRequest(http.MethodPost, "https://b.example/inbox", nil)
	if err := signature.Sign(r, body, signature.Key{ID: id + "#main-key", Private: private}, signature.Cavage); err != nil {
		panic(err)
	}
	verified, err := verifier.Verify(r, body)
	fmt.Println(verified.Owner, verified.Covered, err)

	_, err = verifier.Verify(r, []byte(`{"type":"Block"}`))
	var refusal *signature.Error
	fmt.Println(errors.As(err, &refusal), refusal.Status, errors.Is(err, signature.ErrDigest))
	// Output:
	// https://a.example/users/alice [(request-target) host date digest] <nil>
	// true 401 true
}

// Keys are kept and published as text.
func ExampleMarshalPublicKey() {
	private, _ := signature.GenerateKey()
	secret, _ := signature.MarshalPrivateKey(private)
	again, err := signature.ParsePrivateKey(secret)
	fmt.Println(private.Equal(again), err)

	publicKeyPem, _ := signature.MarshalPublicKey(again.Public())
	fmt.Println(strings.Split(publicKeyPem, "\n")[0])
	_, err = signature.ParsePublicKey(publicKeyPem + publicKeyPem)
	fmt.Println(errors.Is(err, signature.ErrBadKey))
	// Output:
	// true <nil>
	// -----BEGIN PUBLIC KEY-----
	// true
}
