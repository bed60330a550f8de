package signature_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

func TestErrorsOfTheKeySourceDecide(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	genuine := proveAs(t, a, alice, aliceNote)
	for name, c := range map[string]struct {
		key    signature.PublicKey
		err    error
		want   error
		status int
	}{
		"gone":            {err: fmt.Errorf("x: %w", signature.ErrKeyGone), want: signature.ErrKeyGone, status: 401},
		"not there":       {err: signature.ErrNoKey, want: signature.ErrNoKey, status: 401},
		"refused":         {err: signature.ErrRefused, want: signature.ErrRefused, status: 403},
		"a passing fault": {err: errors.New("no route"), want: signature.ErrKeyUnavailable, status: 503},
		"another key":     {key: signature.PublicKey{ID: alice + "#x", Owner: alice, Key: a[alice].Public()}, want: signature.ErrNoKey, status: 401},
		"no material":     {key: signature.PublicKey{Owner: alice}, want: signature.ErrNoKey, status: 401},
		"no owner":        {key: signature.PublicKey{Key: a[alice].Public()}, want: signature.ErrOwner, status: 403},
		"an RSA key":      {key: signature.PublicKey{Owner: alice, Key: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}, want: signature.ErrBadSignature, status: 401},
	} {
		v := &signature.ProofVerifier{Key: func(context.Context, string) (signature.PublicKey, error) { return c.key, c.err }}
		_, err := v.Verify(t.Context(), genuine)
		var e *signature.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Status != c.status || e.KeyID != aliceEd {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if _, err := new(signature.ProofVerifier).Verify(t.Context(), genuine); !errors.Is(err, signature.ErrKeyUnavailable) {
		t.Errorf("no source: %v", err)
	}
	failing := a.verifier()
	failing.Owner = func([]byte) (string, error) { return "", signature.ErrRefused }
	if _, err := failing.Verify(t.Context(), genuine); !errors.Is(err, signature.ErrRefused) {
		t.Errorf("no owner: %v", err)
	}
	scribbling := a.verifier()
	scribbling.Owner = func(document []byte) (string, error) {
		clear(document)
		return alice, nil
	}
	if p, err := scribbling.Verify(t.Context(), genuine); err != nil || p.Owner != alice || p.Document[0] != '{' {
		t.Errorf("written over: %s, %v", p.Document, err)
	}
}

func TestANewKeyIsAskedForOnce(t *testing.T) {
	t.Parallel()
	a, old := newActors(t, alice), newActors(t, alice)
	genuine := proveAs(t, a, alice, aliceNote)
	for name, c := range map[string]struct {
		refresh func(context.Context, string) (signature.PublicKey, error)
		want    error
	}{
		"changed":         {a.key, nil},
		"the same":        {old.key, signature.ErrBadSignature},
		"none":            {nil, signature.ErrBadSignature},
		"a passing fault": {func(context.Context, string) (signature.PublicKey, error) { return signature.PublicKey{}, io.EOF }, signature.ErrKeyUnavailable},
		"of another": {func(ctx context.Context, m string) (signature.PublicKey, error) {
			k, err := a.key(ctx, m)
			k.Owner = mallory
			return k, err
		}, signature.ErrOwner},
	} {
		asked := 0
		v := &signature.ProofVerifier{Key: old.key}
		if c.refresh != nil {
			v.Refresh = func(ctx context.Context, m string) (signature.PublicKey, error) {
				asked++
				return c.refresh(ctx, m)
			}
		}
		_, err := v.Verify(t.Context(), genuine)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || c.refresh != nil && asked != 1 {
			t.Errorf("%s: asked %d times, %v", name, asked, err)
		}
	}
	v := a.verifier()
	v.Refresh = func(context.Context, string) (signature.PublicKey, error) {
		t.Error("a key that fits, or is somebody else's, is asked for again")
		return signature.PublicKey{}, io.EOF
	}
	if _, err := v.Verify(t.Context(), genuine); err != nil {
		t.Error(err)
	}
	v.Key = func(ctx context.Context, m string) (signature.PublicKey, error) {
		k, err := a.key(ctx, m)
		k.Owner = "https://peer.example/users/bob"
		return k, err
	}
	if _, err := v.Verify(t.Context(), genuine); !errors.Is(err, signature.ErrOwner) {
		t.Error(err)
	}
}

func TestNoKeyIsFetchedForWhatIsRefusedAnyway(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	v := &signature.ProofVerifier{Key: func(_ context.Context, method string) (signature.PublicKey, error) {
		t.Errorf("%s was asked for", method)
		return signature.PublicKey{}, io.EOF
	}}
	for name, document := range map[string][]byte{
		"purpose": provedWith(t, a[alice], func(p map[string]any) { p["proofPurpose"] = "authentication" }),
		"time":    provedWith(t, a[alice], func(p map[string]any) { p["created"] = "2999-01-01T00:00:00Z" }),
		"origin":  provedWith(t, a[alice], func(p map[string]any) { p["verificationMethod"] = malloryEd }),
		"value":   bytes.Replace(proveAs(t, a, alice, aliceNote), []byte(`"proofValue":"z`), []byte(`"proofValue":"m`), 1),
	} {
		if _, err := v.Verify(t.Context(), document); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOneProofVerifierServesMany(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	v, genuine := a.verifier(), proveAs(t, a, alice, aliceNote)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if _, err := v.Verify(t.Context(), genuine); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
