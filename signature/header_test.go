package signature

import (
	"reflect"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	in := `Signature created = "5" , x=y, headers="(request-target) (created) HOST",signature="AAAA",keyId="https://a.example/?a,b=c#k"`
	c, err := parseSignature(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `keyId="https://a.example/?a,b=c#k",created="5",headers="(request-target) (created) host",signature="AAAA"`
	if got := formatSignature(c); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func FuzzSignatureField(f *testing.F) {
	var v struct{ Cases []struct{ In string } }
	load(f, "cavage/header-grammar.json", &v)
	for _, c := range v.Cases {
		f.Add(c.In)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c, err := parseSignature(in)
		if err != nil {
			return
		}
		if c.keyID == "" || len(c.covered) == 0 || len(c.signature) == 0 || strings.ContainsAny(c.keyID, "\r\n\"\\") {
			t.Fatalf("%q is read as %+v", in, c)
		}
		once := formatSignature(c)
		again, err := parseSignature(once)
		if err != nil || !reflect.DeepEqual(c, again) || formatSignature(again) != once {
			t.Fatalf("not stable: %q, then %q, %v", once, formatSignature(again), err)
		}
	})
}

func FuzzMessageSignature(f *testing.F) {
	var v appendixB
	load(f, "rfc9421/appendix-B.json", &v)
	for _, c := range v.Cases {
		h := headerOf(c.Headers)
		f.Add(h.Get("Signature-Input"), h.Get("Signature"))
	}
	f.Add(`s=("@method");created=1;keyid="a", t=();x`, "s=:AAAA:\t,t=:AAAA:")
	f.Fuzz(func(t *testing.T, input, signature string) {
		claims, errs, err := parseMessageSignatures(input, signature)
		if err != nil {
			return
		}
		if len(claims) == 0 || len(claims) > maxLabels || len(errs) != len(claims) {
			t.Fatalf("%d claims, %d errors", len(claims), len(errs))
		}
		for i, c := range claims {
			// What is signed are the parameters as they arrived.
			if !strings.Contains(input, c.params) {
				t.Fatalf("params %q are not in %q", c.params, input)
			}
			if errs[i] == nil && (c.keyID == "" || c.created.IsZero() || len(c.signature) == 0) {
				t.Fatalf("%q is read as %+v", input, c)
			}
		}
	})
}
