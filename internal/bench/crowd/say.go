package crowd

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	public      = "https://www.w3.org/ns/activitystreams#Public"
	contentType = "application/activity+json"
)

// Create is what Mastodon sends for a public post that mentions to: some 2.7 KB. Extra goes into its text.
func (c *Crowd) Create(i int, run, to, extra string) []byte {
	return c.create(i, run, to, extra, nil)
}

// Reply is a Create of an answer to object, an id.
func (c *Crowd) Reply(i int, run, to, object string) []byte {
	return c.create(i, run, to, "", object)
}

func (c *Crowd) create(i int, run, to, extra string, inReplyTo any) []byte {
	actor := c.ID(i)
	id := fmt.Sprintf("%s/statuses/%s%d", actor, run, i)
	now := time.Now().UTC().Format(time.RFC3339)
	text := fmt.Sprintf(`<p><span class="h-card" translate="no"><a href="%s" class="u-url mention">@<span>bob</span></a></span> %s%s</p>`,
		to, strings.Repeat("lorem ipsum dolor sit amet ", 11), extra)
	return marshal(map[string]any{
		"@context": []any{"https://www.w3.org/ns/activitystreams", map[string]any{
			"ostatus": "http://ostatus.org#", "atomUri": "ostatus:atomUri", "inReplyToAtomUri": "ostatus:inReplyToAtomUri",
			"conversation": "ostatus:conversation", "sensitive": "as:sensitive", "toot": "http://joinmastodon.org/ns#",
			"votersCount": "toot:votersCount",
		}},
		"id": id + "/activity", "type": "Create", "actor": actor, "published": now,
		"to": []any{public}, "cc": []any{actor + "/followers", to},
		"object": map[string]any{
			"id": id, "type": "Note", "summary": nil, "inReplyTo": inReplyTo, "published": now,
			"url": fmt.Sprintf("%s/@user%d/%s%d", c.Origin, i%c.Size, run, i), "attributedTo": actor,
			"to": []any{public}, "cc": []any{actor + "/followers", to}, "sensitive": false, "atomUri": id,
			"inReplyToAtomUri": inReplyTo, "content": text, "contentMap": map[string]any{"en": text}, "attachment": []any{},
			"conversation": "tag:crowd.test,2024-01-01:objectId=" + strconv.Itoa(i) + ":objectType=Conversation",
			"tag":          []any{map[string]any{"type": "Mention", "href": to, "name": "@bob@local.test"}},
			"replies": map[string]any{"id": id + "/replies", "type": "Collection", "first": map[string]any{
				"type": "CollectionPage", "next": id + "/replies?only_other_accounts=true&page=true",
				"partOf": id + "/replies", "items": []any{}}},
		},
	})
}

// Like is what Mastodon sends for a favourite.
func (c *Crowd) Like(i int, run, object string) []byte {
	actor := c.ID(i)
	return marshal(map[string]any{
		"@context": "https://www.w3.org/ns/activitystreams", "id": fmt.Sprintf("%s#likes/%s%d", actor, run, i),
		"type": "Like", "actor": actor, "object": object,
	})
}

// Announce is what Mastodon sends for a boost.
func (c *Crowd) Announce(i int, run, object string) []byte {
	actor := c.ID(i)
	return marshal(map[string]any{
		"@context": "https://www.w3.org/ns/activitystreams", "id": fmt.Sprintf("%s/statuses/%s%d/activity", actor, run, i),
		"type": "Announce", "actor": actor, "object": object, "published": time.Now().UTC().Format(time.RFC3339),
		"to": []any{public}, "cc": []any{actor + "/followers"},
	})
}

func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("crowd: an activity that can't be written: %v", err)) // of constants and strings
	}
	return body
}

// Request is the bytes of a POST of body, signed by the actor with this number. A forged one has a bit of its
// signature changed. draft-cavage-12 §2.3.
func (c *Crowd) Request(i int, to *url.URL, body []byte, forged bool) ([]byte, error) {
	sum := sha256.Sum256(body)
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	date := time.Now().UTC().Format(http.TimeFormat)
	text := "(request-target): post " + to.RequestURI() + "\nhost: " + to.Host + "\ndate: " + date +
		"\ndigest: " + digest + "\ncontent-type: " + contentType
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, c.keys[i%c.Size%len(c.keys)].private, crypto.SHA256, hash[:])
	if err != nil {
		return nil, err
	}
	if forged {
		signature[10] ^= 1
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mastodon/4.4.0 (http.rb/5.3.1; +%s/)\r\nDate: %s\r\n"+
		"Accept-Encoding: gzip\r\nDigest: %s\r\nContent-Type: %s\r\nSignature: keyId=\"%s#main-key\",algorithm=\"rsa-sha256\","+
		"headers=\"(request-target) host date digest content-type\",signature=\"%s\"\r\nContent-Length: %d\r\n\r\n",
		to.RequestURI(), to.Host, c.Origin, date, digest, contentType, c.ID(i), base64.StdEncoding.EncodeToString(signature), len(body))
	b.Write(body)
	return b.Bytes(), nil
}

// Requests signs n requests on all cores; body tells what each says and whether it is forged.
func (c *Crowd) Requests(n int, to *url.URL, body func(i int) (text []byte, forged bool)) ([][]byte, error) {
	requests := make([][]byte, n)
	var g errgroup.Group
	workers := runtime.NumCPU()
	for w := range workers {
		g.Go(func() error {
			for i := w; i < n; i += workers {
				text, forged := body(i)
				var err error
				if requests[i], err = c.Request(i, to, text, forged); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return requests, g.Wait()
}
