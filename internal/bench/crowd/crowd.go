// Package crowd plays the many actors of a server that sends: it serves their documents, signs what they
// say as Mastodon does (draft-cavage with RSA of 2048 bits), and posts it over connections that it keeps.
//
// It is written from the specifications and shares no code with the library that it measures.
package crowd

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Crowd is the actors of one server. It serves their documents and may be used by many goroutines at once.
type Crowd struct {
	Origin string // "http://crowd.test"
	Size   int    // how many actors there are

	// Fetched counts the documents that were asked for, At is how many are being asked for now and Most is
	// the highest that At has been.
	Fetched, At, Most atomic.Int64

	keys []key
}

type key struct {
	private *rsa.PrivateKey
	public  string // PEM
}

// maxKeys is how many keys a crowd has at most. Its actors share them, each under an id of its own: what a key
// costs to make is no part of what is measured.
const maxKeys = 4

// New makes the keys of a crowd.
func New(origin string, size int) (*Crowd, error) {
	c := &Crowd{Origin: origin, Size: size, keys: make([]key, min(size, maxKeys))}
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i := range c.keys {
		g.Go(func() error {
			private, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return err
			}
			der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
			if err != nil {
				return err
			}
			c.keys[i] = key{private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
			return nil
		})
	}
	return c, g.Wait()
}

// ID is the id of the actor with this number.
func (c *Crowd) ID(i int) string { return c.Origin + "/users/user" + strconv.Itoa(i%c.Size) }

// ServeHTTP serves the actors' documents.
func (c *Crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, found := strings.CutPrefix(r.URL.Path, "/users/user")
	i, err := strconv.Atoi(number)
	if !found || err != nil || i < 0 || i >= c.Size {
		http.NotFound(w, r)
		return
	}
	c.Fetched.Add(1)
	now := c.At.Add(1)
	defer c.At.Add(-1)
	for most := c.Most.Load(); now > most && !c.Most.CompareAndSwap(most, now); most = c.Most.Load() {
	}
	w.Header().Set("Content-Type", "application/activity+json; charset=utf-8")
	_, _ = w.Write(c.document(i))
}

// document is shaped like Mastodon's (4.4).
func (c *Crowd) document(i int) []byte {
	id, name := c.ID(i), "user"+strconv.Itoa(i)
	body, err := json.Marshal(map[string]any{
		"@context": []any{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1", map[string]any{
			"manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
			"toot":                      "http://joinmastodon.org/ns#",
			"featured":                  map[string]any{"@id": "toot:featured", "@type": "@id"},
			"featuredTags":              map[string]any{"@id": "toot:featuredTags", "@type": "@id"},
			"alsoKnownAs":               map[string]any{"@id": "as:alsoKnownAs", "@type": "@id"},
			"movedTo":                   map[string]any{"@id": "as:movedTo", "@type": "@id"},
			"schema":                    "http://schema.org#",
			"PropertyValue":             "schema:PropertyValue",
			"value":                     "schema:value",
			"discoverable":              "toot:discoverable",
			"suspended":                 "toot:suspended",
			"memorial":                  "toot:memorial",
			"indexable":                 "toot:indexable",
		}},
		"id": id, "type": "Person", "inbox": id + "/inbox", "outbox": id + "/outbox",
		"following": id + "/following", "followers": id + "/followers",
		"featured": id + "/collections/featured", "featuredTags": id + "/collections/tags",
		"preferredUsername": name, "name": "One of many", "summary": "<p>hello</p>", "url": c.Origin + "/@" + name,
		"manuallyApprovesFollowers": false, "discoverable": true, "indexable": false, "memorial": false,
		"published": "2024-01-01T00:00:00Z", "tag": []any{}, "attachment": []any{},
		"endpoints": map[string]any{"sharedInbox": c.Origin + "/inbox"},
		"publicKey": map[string]any{"id": id + "#main-key", "owner": id, "publicKeyPem": c.keys[i%len(c.keys)].public},
	})
	if err != nil {
		panic(fmt.Sprintf("crowd: a document that can't be written: %v", err)) // of constants and strings
	}
	return body
}
