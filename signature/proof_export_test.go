package signature

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Here a ProofVerifier loses one rule at a time, to show what it is good for. All else is as in Verify.

// VerifyWithoutRule lacks a rule of proofRules.
func (v *ProofVerifier) VerifyWithoutRule(ctx context.Context, document []byte, name string) (Proved, error) {
	rules := slices.DeleteFunc(slices.Clone(proofRules[:]), func(r proofRule) bool { return r.name == name })
	if len(rules) != len(proofRules)-1 {
		return Proved{}, fmt.Errorf("there is no rule %q", name)
	}
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return Proved{}, err
	}
	return v.verify(ctx, o, rules)
}

// VerifyLaxJSON reads the document as most programs do: of members with one name the last counts, what
// is no character is replaced, and numbers are what a double makes of them.
func (v *ProofVerifier) VerifyLaxJSON(ctx context.Context, document []byte) (Proved, error) {
	canonical, err := LaxJCS(document)
	if err != nil {
		return Proved{}, err
	}
	o, err := members(canonical)
	if err != nil {
		return Proved{}, err
	}
	return v.verify(ctx, o, proofRules[:])
}

// LaxJCS is the canonical form of what encoding/json reads.
func LaxJCS(document []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var any any
	if err := d.Decode(&any); err != nil {
		return nil, err
	}
	text, err := json.Marshal(any)
	if err != nil {
		return nil, err
	}
	value := jsontext.Value(text)
	err = value.Canonicalize()
	return value, err
}

// VerifyAnyDepth takes the first proof that it finds for the document's, even if it is that of an object
// in it.
func (v *ProofVerifier) VerifyAnyDepth(ctx context.Context, document []byte) (Proved, error) {
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return Proved{}, err
	}
	for o.get("proof") == nil {
		i := slices.IndexFunc(o, func(m member) bool { return m.value[0] == '{' })
		if i < 0 {
			return Proved{}, ErrUnsigned
		}
		if o, err = members(o[i].value); err != nil {
			return Proved{}, err
		}
	}
	return v.verify(ctx, o, proofRules[:])
}

// VerifyAnyProof is content with one good proof among several.
func (v *ProofVerifier) VerifyAnyProof(ctx context.Context, document []byte) (p Proved, err error) {
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return Proved{}, err
	}
	proofs, err := elements(o.get("proof"))
	if err != nil {
		return Proved{}, err
	}
	for _, one := range proofs {
		if p, err = v.verify(ctx, o.replace("proof", one), proofRules[:]); err == nil {
			return p, nil
		}
	}
	return p, err
}

// VerifyAnyMultibase takes the first 64 bytes of a proofValue in any base that Multikeys may have.
func (v *ProofVerifier) VerifyAnyMultibase(ctx context.Context, document []byte) (Proved, error) {
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return Proved{}, err
	}
	p, err := members(o.get("proof"))
	if err != nil {
		return Proved{}, err
	}
	text, _ := stringOf(p.get("proofValue"))
	raw, ok := decodeMultibase(text)
	if !ok || len(raw) < 64 {
		return Proved{}, fmt.Errorf("proofValue %q", text)
	}
	p = p.replace("proofValue", quoted("z"+encodeBase58(raw[:64])))
	return v.verify(ctx, o.replace("proof", p.text(nil)), proofRules[:])
}

// VerifyWithSignature leaves the member signature in what must have been signed.
func (v *ProofVerifier) VerifyWithSignature(ctx context.Context, document []byte) error {
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return err
	}
	proofs, err := proofsOf(o)
	if err != nil {
		return err
	}
	c, err := v.candidate(o, proofs[0])
	if err != nil {
		return err
	}
	c.document = o.text(c.context, "proof")
	return v.judge(ctx, &c, proofRules[:])
}

// VerifyAnySuite does not look at type and cryptosuite.
func (v *ProofVerifier) VerifyAnySuite(ctx context.Context, document []byte) error {
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return err
	}
	m, err := members(o.get("proof"))
	if err != nil {
		return err
	}
	p, err := parseProof(m)
	if err != nil {
		return err
	}
	c, err := v.candidate(o, p)
	if err != nil {
		return err
	}
	return v.judge(ctx, &c, proofRules[:])
}

func (o object) replace(name string, value []byte) object {
	out := slices.Clone(o)
	for i := range out {
		if string(out[i].name) == `"`+name+`"` {
			out[i].value = value
		}
	}
	return out
}

// Base58 and Multibase are what other programs' vectors are written in.
func Base58(raw []byte) string { return encodeBase58(raw) }

func Multibase(text string) ([]byte, bool) { return decodeMultibase(text) }

// SignedHash is what is signed with a proof's canonical form and a document's.
func SignedHash(config, document []byte) []byte { return signedHash(config, document) }
