package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/signature"
)

// shop signs what it sends with an Ed25519 key, and shows the public half at /key.
type shop struct {
	url     string
	private ed25519.PrivateKey
	public  string // PEM

	last *http.Request // as it went out, for those who would send it again
	body string
}

func newShop() (*shop, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := signature.MarshalPublicKey(public)
	return &shop{private: private, public: text}, err
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		fmt.Fprint(w, s.public)
	})
	return mux
}

// client signs with RFC 9421 and nothing else: both ends are ours.
func (s *shop) client() *http.Client {
	return &http.Client{Transport: &signature.Transport{
		Base:   keepLast{s},
		Scheme: signature.RFC9421,
		Fixed:  true,
		Key: func(context.Context) (signature.Key, error) {
			return signature.Key{ID: s.url + "/key", Private: s.private}, nil
		},
	}}
}

// keepLast is where an eavesdropper would sit.
type keepLast struct{ *shop }

func (k keepLast) RoundTrip(r *http.Request) (*http.Response, error) {
	k.last = r
	return http.DefaultTransport.RoundTrip(r)
}

// order tells the bookkeeper of an order. Its number keeps two of the same amount apart.
func (s *shop) order(ctx context.Context, to string, number int) (int, error) {
	s.body = fmt.Sprintf(`{"order":%d,"amount":%d}`, number, 100*number)
	return post(ctx, s.client(), to+"/orders", s.body, http.Header{"Content-Type": {"application/json"}})
}

func (s *shop) repeat(ctx context.Context) (int, error) {
	return post(ctx, &http.Client{}, s.last.URL.String(), s.body, s.last.Header)
}

func (s *shop) tamper(ctx context.Context) (int, error) {
	return post(ctx, &http.Client{}, s.last.URL.String(), strings.Replace(s.body, "200", "900", 1), s.last.Header)
}

func unsigned(ctx context.Context, to string) (int, error) {
	return post(ctx, &http.Client{}, to+"/orders", `{"order":3,"amount":300}`, http.Header{"Content-Type": {"application/json"}})
}

// stranger is a shop with a key of its own at an address that the bookkeeper does not know.
func stranger(ctx context.Context, to string) (int, error) {
	other, err := newShop()
	if err != nil {
		return 0, err
	}
	other.url = "http://127.0.0.1:1"
	return other.order(ctx, to, 3)
}
