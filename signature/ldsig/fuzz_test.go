package ldsig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

const century = 100 * 365 * 24 * time.Hour

// Whatever is accepted says, byte for byte, what alice signed; nothing panics or takes long.
func FuzzVerify(f *testing.F) {
	v := must[*vectors](f)(readVectors())
	anytime := verifier(f)
	anytime.Skew, anytime.MaxAge, anytime.MaxDeleteAge = century, century, century
	honest := make(map[string]bool)
	for _, c := range v.Cases {
		f.Add([]byte(c.Document))
		if c.Expect == "accept" {
			result, err := anytime.Verify(f.Context(), c.Document)
			if err != nil {
				f.Fatal(err)
			}
			honest[string(must[[]byte](f)(json.Marshal(result)))] = true
		}
	}
	f.Add(unsound(f, `"attachment":[{"type":"Note","focalPoint":[1,1.5]},{"type":"Note","focalPoint":[1,1]}],"contentMap":{"en":"x"}`))
	if len(honest) != 2 { // the third control is the first, rearranged
		f.Fatalf("%d controls", len(honest))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		start := time.Now()
		result, err := anytime.Verify(t.Context(), document)
		if took := time.Since(start); took > 10*slowness*limit { // fuzzing keeps all processors busy
			t.Errorf("took %v", took)
		}
		var typed *ldsig.Error
		if err != nil && !errors.As(err, &typed) {
			t.Errorf("%T: %v", err, err)
		}
		if err == nil && !honest[string(must[[]byte](t)(json.Marshal(result)))] {
			t.Errorf("accepted %s\nas %+v", document, result)
		}
	})
}

// Whatever Sign signs satisfies the bare algorithm and Verify, and is the same document once more.
func FuzzSign(f *testing.F) {
	v := must[*vectors](f)(readVectors())
	key := v.key()
	for _, c := range v.Cases {
		f.Add([]byte(c.Document))
	}
	f.Add([]byte(updateActor))
	f.Add(unsound(f, `"to":"`+toPublic+`","totalItems":7,"latitude":1.5,"summaryMap":{"de-AT":"x"},"focalPoint":[0.1,-0.0],"tag":[{"name":1e9},{}]`))
	own := withoutRules(f)
	anytime := verifier(f)
	f.Fuzz(func(t *testing.T, document []byte) {
		signed, err := ldsig.Sign(document, key, time.Hour)
		var typed *ldsig.Error
		if err != nil {
			if !errors.As(err, &typed) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if err := own.verify(signed, &v.private.PublicKey); err != nil {
			t.Fatalf("by the bare algorithm: %v\n%s", err, signed)
		}
		result, err := anytime.Verify(t.Context(), signed)
		if err != nil || !result.MayRefetch || result.Owner == "" {
			t.Fatalf("%+v, %v\n%s", result, err, signed)
		}
		if !result.Verified {
			return
		}
		// Document is its own normal form.
		var doc map[string]any
		if err := json.Unmarshal(result.Document, &doc); err != nil {
			t.Fatal(err)
		}
		var in struct {
			Context any `json:"@context"`
		}
		if err := json.Unmarshal(signed, &in); err != nil {
			t.Fatal(err)
		}
		doc["@context"] = in.Context
		again, err := ldsig.Sign(must[[]byte](t)(json.Marshal(doc)), signature.Key{ID: key.ID, Private: key.Private}, 0)
		if err != nil {
			t.Fatalf("%v\n%s", err, result.Document)
		}
		if second, err := anytime.Verify(t.Context(), again); err != nil || !bytes.Equal(second.Document, result.Document) {
			t.Fatalf("%v: once\n%s\ntwice\n%s", err, result.Document, second.Document)
		}
	})
}
