package ldsig_test

import (
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

func TestOtherSignaturesMeanUnsigned(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	for name, signed := range map[string]any{
		"none": nil, "a string": "RsaSignature2017", "an array": []any{}, "another type": map[string]any{"type": "RsaSignature2018"},
		"no type": map[string]any{"creator": aliceKey}, "two types": map[string]any{"type": []any{"RsaSignature2017"}},
	} {
		result, err := verifyAt(t, vectorTime, v.document(t, "honest-create", func(doc map[string]any) { doc["signature"] = signed }))
		refused(t, result, err, signature.ErrUnsigned)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestMalformedSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	for _, c := range []struct {
		name, member string
		value        any
		kind         error
	}{
		{"no creator", "creator", nil, signature.ErrMalformed},
		{"a creator without scheme", "creator", "alice", signature.ErrMalformed},
		{"an acct: creator", "creator", "acct:alice@a.example", ldsig.ErrCreator},
		{"an http creator", "creator", "http://a.example/users/alice#main-key", ldsig.ErrCreator},
		{"a creator on another port", "creator", "https://a.example:444/users/alice#main-key", ldsig.ErrCreator},
		{"a creator with a password", "creator", "https://x:y@a.example/users/alice#main-key", ldsig.ErrCreator},
		{"an object as creator", "creator", map[string]any{"id": aliceKey}, signature.ErrMalformed},
		{"no created", "created", "", signature.ErrMalformed},
		{"a date", "created", "2026-01-01", signature.ErrMalformed},
		{"a number", "created", 1767225600, signature.ErrMalformed},
		{"expires at no time", "expires", "never", signature.ErrMalformed},
		{"expires before", "expires", "2025-12-31T23:00:00Z", signature.ErrExpired},
		{"expires in time, but was not signed", "expires", "2026-01-02T00:00:00Z", signature.ErrBadSignature},
		{"another created", "created", "2026-01-01T00:00:01Z", signature.ErrBadSignature},
		{"a nonce that was not signed", "nonce", "x", signature.ErrBadSignature},
		{"no value", "signatureValue", "", signature.ErrMalformed},
		{"a value that is not base64", "signatureValue", "!", signature.ErrMalformed},
		{"a short value", "signatureValue", "AQIDBA==", signature.ErrBadSignature},
		{"an id, which is not signed", "id", "x:y", nil},
		{"a context, which is known", "@context", "https://w3id.org/identity/v1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			document := v.document(t, "honest-create", func(doc map[string]any) {
				if c.value == nil {
					delete(doc["signature"].(map[string]any), c.member)
				} else {
					doc["signature"].(map[string]any)[c.member] = c.value
				}
			})
			if result, err := verifyAt(t, vectorTime, document); c.kind != nil {
				refused(t, result, err, c.kind)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignaturesThatEndBeforeTheyBeganAreRefused(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	document := v.document(t, "honest-undo", func(doc map[string]any) {
		doc["signature"].(map[string]any)["expires"] = "2025-12-31T23:59:00Z" // which the skew would allow
	})
	result, err := verifyAt(t, "2026-01-01T00:00:30Z", document)
	refused(t, result, err, signature.ErrExpired)
}

func TestMisskeysSignatureWithNonceIsVerified(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	own := withoutRules(t)
	// Misskey 2024.5 signs a nonce, times with milliseconds, and names the context in the signature.
	document := v.document(t, "honest-undo", func(doc map[string]any) {
		doc["signature"] = map[string]any{"type": "RsaSignature2017", "creator": aliceKey, "nonce": "c0ffee",
			"domain": "a.example", "created": "2026-01-01T00:00:00.123Z"}
	})
	sum, _, err := own.digest(document)
	if err != nil {
		t.Fatal(err)
	}
	value := must[[]byte](t)(v.private.Sign(crand.Reader, sum, sha256Hash))
	document = edit(t, document, func(doc map[string]any) {
		doc["signature"].(map[string]any)["signatureValue"] = base64Text(value)
	})
	if result, err := verifyAt(t, vectorTime, document); err != nil || !result.Verified {
		t.Errorf("%+v, %v", result, err)
	}
}

// source is a KeySource that answers what it is told to.
type source func(id string) (signature.PublicKey, error)

func (s source) PublicKey(_ context.Context, id string) (signature.PublicKey, error) { return s(id) }

func TestErrorsOfKeySourcesSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	small := must[*rsa.PrivateKey](t)(rsa.GenerateKey(crand.Reader, 1024))
	key := func(k signature.PublicKey, err error) source {
		return func(string) (signature.PublicKey, error) { return k, err }
	}
	for _, c := range []struct {
		name string
		keys signature.KeySource
		kind error
	}{
		{"no source", nil, signature.ErrKeyUnavailable},
		{"a timeout", key(signature.PublicKey{}, context.DeadlineExceeded), signature.ErrKeyUnavailable},
		{"no such key", key(signature.PublicKey{}, fmt.Errorf("x: %w", signature.ErrNoKey)), signature.ErrNoKey},
		{"a gone owner", key(signature.PublicKey{}, signature.ErrKeyGone), signature.ErrKeyGone},
		{"a refusal", key(signature.PublicKey{}, signature.ErrRefused), signature.ErrRefused},
		{"a key with another id", key(signature.PublicKey{ID: "x:y", Owner: alice, Key: &v.private.PublicKey}, nil), signature.ErrNoKey},
		{"a key without owner", key(signature.PublicKey{Key: &v.private.PublicKey}, nil), ldsig.ErrCreator},
		{"an Ed25519 key", key(signature.PublicKey{Owner: alice, Key: ed.Public()}, nil), signature.ErrBadKey},
		{"no key at all", key(signature.PublicKey{Owner: alice}, nil), signature.ErrBadKey},
		{"a nil key", key(signature.PublicKey{Owner: alice, Key: (*rsa.PublicKey)(nil)}, nil), signature.ErrBadKey},
		{"a short key", key(signature.PublicKey{Owner: alice, Key: &small.PublicKey}, nil), signature.ErrBadKey},
		{"a key without id", key(signature.PublicKey{Owner: alice, Key: &v.private.PublicKey}, nil), nil},
	} {
		at(t, vectorTime, func(t *testing.T) {
			result, err := (&ldsig.Verifier{Keys: c.keys}).Verify(t.Context(), v.document(t, "honest-undo"))
			if c.kind != nil {
				refused(t, result, err, c.kind)
			} else if err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Error(c.name)
			}
		})
	}
}

func TestUnstructuredDocumentsAskForNoKey(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	asked := 0
	keys := source(func(string) (signature.PublicKey, error) { asked++; return signature.PublicKey{}, signature.ErrNoKey })
	for _, c := range v.Cases {
		at(t, "2036-01-01T00:00:00Z", func(t *testing.T) {
			_, err := (&ldsig.Verifier{Keys: keys}).Verify(t.Context(), c.Document)
			if err == nil {
				t.Errorf("%s is taken", c.ID)
			}
		})
	}
	if asked > 0 {
		t.Errorf("%d keys asked for, but all are ten years old", asked)
	}
}

// changing is a source whose key has changed.
type changing struct {
	source
	newer     *rsa.PublicKey
	refreshes int
}

func (c *changing) RefreshKey(context.Context, string) (signature.PublicKey, error) {
	c.refreshes++
	return signature.PublicKey{Owner: alice, Key: c.newer}, nil
}

func TestChangedKeysAreAskedForOnceMore(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	other := must[*rsa.PrivateKey](t)(signature.GenerateKey())
	stale := source(func(string) (signature.PublicKey, error) {
		return signature.PublicKey{Owner: alice, Key: &other.PublicKey}, nil
	})
	for _, newer := range []*rsa.PublicKey{&v.private.PublicKey, &other.PublicKey} {
		keys := &changing{source: stale, newer: newer}
		at(t, vectorTime, func(t *testing.T) {
			result, err := (&ldsig.Verifier{Keys: keys}).Verify(t.Context(), v.document(t, "honest-undo"))
			if newer == &other.PublicKey {
				refused(t, result, err, signature.ErrBadSignature)
			} else if err != nil || !result.Verified {
				t.Errorf("%+v, %v", result, err)
			}
		})
		if keys.refreshes != 1 {
			t.Errorf("%d refreshes", keys.refreshes)
		}
	}
}

func TestBlockedHostsAreRefusedBeforeTheirKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	for _, c := range []struct{ answer, kind error }{
		{fmt.Errorf("blocked: %w", signature.ErrRefused), signature.ErrRefused},
		{errors.New("no database"), signature.ErrKeyUnavailable},
		{nil, nil},
	} {
		var hosts []string
		at(t, vectorTime, func(t *testing.T) {
			verifier := verifier(t)
			verifier.Allow = func(_ context.Context, host string) error {
				hosts = append(hosts, host)
				return c.answer
			}
			if c.kind != nil {
				verifier.Keys = source(func(string) (signature.PublicKey, error) {
					t.Error("asked for the key")
					return signature.PublicKey{}, nil
				})
			}
			result, err := verifier.Verify(t.Context(), v.document(t, "honest-undo"))
			if c.kind != nil {
				refused(t, result, err, c.kind)
			} else if err != nil {
				t.Error(err)
			}
		})
		if fmt.Sprint(hosts) != "[a.example]" {
			t.Errorf("asked for %q", hosts)
		}
	}
}

func TestPlainHTTPNeedsToBeAskedFor(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	local := []byte(strings.ReplaceAll(`{"@context":"https://www.w3.org/ns/activitystreams","id":"http://l.example:80/1","type":"Delete",
		"actor":"http://l.example:80/alice","object":"http://l.example/2","to":"PUBLIC"}`, "PUBLIC", toPublic))
	signed := must[[]byte](t)(ldsig.Sign(local, signature.Key{ID: "http://L.example/alice#main-key", Private: v.private}, 0))
	keys := source(func(string) (signature.PublicKey, error) {
		return signature.PublicKey{Owner: "http://l.example:80/alice", Key: &v.private.PublicKey}, nil
	})
	result, err := (&ldsig.Verifier{Keys: keys}).Verify(t.Context(), signed)
	refused(t, result, err, ldsig.ErrCreator)
	if result, err := (&ldsig.Verifier{Keys: keys, Scheme: "http"}).Verify(t.Context(), signed); err != nil || !result.Verified {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWaitingHasAnEnd(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(must[time.Time](t)(time.Parse(time.RFC3339, vectorTime))))
		verifier := verifier(t)
		verifier.Parallel = 1
		release := ldsig.TakeTurn(verifier)
		start := time.Now()
		result, err := verifier.Verify(t.Context(), v.document(t, "honest-undo"))
		refused(t, result, err, ldsig.ErrBusy)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		result, err = verifier.Verify(ctx, v.document(t, "honest-undo"))
		refused(t, result, err, ldsig.ErrBusy)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		go func() {
			time.Sleep(time.Second / 2)
			release()
		}()
		if _, err := verifier.Verify(t.Context(), v.document(t, "honest-undo")); err != nil {
			t.Errorf("after half a second: %v", err)
		}
	})
}

func TestManyAreVerifiedAtOnce(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	verifier := &ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}, MaxWait: time.Minute}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 5 {
				document := edit(t, wire(t, "create-note-public"), func(doc map[string]any) { object(doc)["content"] = fmt.Sprint(i, j) })
				signed, err := ldsig.Sign(document, signature.Key{ID: wireKey, Private: key}, 0)
				if err != nil {
					t.Error(err)
					return
				}
				result, err := verifier.Verify(t.Context(), signed)
				var got struct{ Object struct{ Content string } }
				if err != nil || json.Unmarshal(result.Document, &got) != nil || got.Object.Content != fmt.Sprint(i, j) {
					t.Errorf("%+v, %v", result, err)
				}
			}
		})
	}
	wait.Wait()
}
