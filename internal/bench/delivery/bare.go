package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// bareLoop posts a body to each target, so many at once, with no queue at all: what it takes is what signing
// and sending take. It returns how long that was.
func bareLoop(ctx context.Context, urls []string, body []byte, key crypto.Signer, transport http.RoundTripper, atOnce int) (time.Duration, error) {
	var next, failures atomic.Int64
	var sample atomic.Value
	var wg sync.WaitGroup
	start := time.Now()
	for range min(atOnce, len(urls)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(urls) {
					return
				}
				if err := bareSend(ctx, urls[i], body, key, transport); err != nil {
					failures.Add(1)
					sample.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	wg.Wait()
	if n := failures.Load(); n > 0 {
		return 0, fmt.Errorf("the bare loop failed %d times of %d, first: %v", n, len(urls), sample.Load())
	}
	return time.Since(start), ctx.Err()
}

func bareSend(ctx context.Context, url string, body []byte, key crypto.Signer, transport http.RoundTripper) error {
	r, err := newRequest(ctx, url, body)
	if err != nil {
		return err
	}
	if err := bareSign(r, body, key); err != nil {
		return err
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("answered %s", answer.Status)
	}
	return nil
}

// bareSign signs by draft-cavage-12 §2.3, in as few steps as that takes.
func bareSign(r *http.Request, body []byte, key crypto.Signer) error {
	sum := sha256.Sum256(body)
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	date := time.Now().UTC().Format(http.TimeFormat)
	text := "(request-target): post " + r.URL.RequestURI() + "\nhost: " + r.URL.Host + "\ndate: " + date +
		"\ndigest: " + digest + "\ncontent-type: " + r.Header.Get("Content-Type")
	var bytes []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		hash := sha256.Sum256([]byte(text))
		bytes, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash[:])
	case ed25519.PrivateKey:
		bytes = ed25519.Sign(key, []byte(text))
	}
	if err != nil {
		return err
	}
	r.Header.Set("Date", date)
	r.Header.Set("Digest", digest)
	r.Header.Set("Signature", `keyId="`+sender+`#main-key",algorithm="hs2019",headers="(request-target) host date digest content-type",signature="`+
		base64.StdEncoding.EncodeToString(bytes)+`"`)
	return nil
}
