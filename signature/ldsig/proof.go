package ldsig

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/piprate/json-gold/ld"

	"github.com/fedihook/fedihook/signature"
)

// suite is the one kind of LD signature that the fediverse uses.
const suite = "RsaSignature2017"

// proof is the signature member of a document.
type proof struct {
	creator          string
	created, expires time.Time
	options          map[string]any // what is signed of it
	value            []byte
}

// readProof reads the signature of a document. Any other kind than ours means that the document is
// not signed.
func readProof(member any) (*proof, error) {
	m, ok := member.(map[string]any)
	if !ok || m["type"] != suite {
		return nil, signature.ErrUnsigned
	}
	p := &proof{options: make(map[string]any)}
	for name, v := range m {
		text, ok := v.(string)
		if !ok && name != "@context" { // which Fedify and Misskey put there; it is always identity/v1
			return nil, malformed("%.80q of the signature is not a string", name)
		}
		var err error
		switch name {
		case "type", "id", "@context":
			continue
		case "signatureValue":
			// Some peers break lines; nothing here is keyed by the text.
			if p.value, err = base64.StdEncoding.DecodeString(text); err != nil {
				return nil, malformed("signatureValue is not base64")
			}
			continue
		case "creator":
			p.creator = text
		case "created":
			p.created, err = time.Parse(time.RFC3339, text)
		case "expires":
			p.expires, err = time.Parse(time.RFC3339, text)
		case "nonce", "domain":
		default:
			// What the context of signatures does not define is not signed, and might mean a lot.
			return nil, fail(ErrUnprotected, "%.80q of the signature", name)
		}
		if err != nil {
			return nil, malformed("%s of the signature is not a time as RFC 3339 has it", name)
		}
		p.options[name] = text
	}
	if !isIRI(p.creator) || p.created.IsZero() || len(p.value) == 0 {
		return nil, malformed("the signature needs creator, created and signatureValue")
	}
	return p, nil
}

// digest is what is signed: two hashes in hex, of the signature's own properties and of the
// document, hashed again.
func digest(k *knowledge, options map[string]any, s *shape) ([]byte, error) {
	used := make(vocabulary, len(options))
	for name := range options {
		used[name] = k.options[name]
	}
	first, err := canonical(options, used, len(options), nil)
	if err != nil {
		return nil, err
	}
	second, err := canonical(s.tree, s.used, s.statements, s.sameAs, s.proof...)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(hexHash(first) + hexHash(second)))
	return sum[:], nil
}

// canonical writes the statements of a tree that makes n of them. If check is not nil it is shown
// what the library understood. Of the further statements the library need not be told.
func canonical(tree map[string]any, used vocabulary, n int, check func(compacted any) error, further ...*ld.Quad) (string, error) {
	r, err := understand(tree, used)
	if err != nil {
		return "", err
	}
	if check != nil {
		compacted, err := r.compact()
		if err != nil {
			return "", err
		}
		if err := check(compacted); err != nil {
			return "", err
		}
	}
	g, err := r.graph()
	if err != nil {
		return "", err
	}
	// Each value makes one statement and each cell of a list two. One that is missing was dropped:
	// the library leaves out, silently, what it holds for no IRI.
	if len(g.statements) != n {
		return "", fail(ErrUnprotected, "its values make %d statements, not %d", len(g.statements), n)
	}
	g.statements = append(g.statements, further...)
	return g.canonical()
}

func hexHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// fits does the arithmetic.
func (p *proof) fits(key crypto.PublicKey, digest []byte) error {
	public, err := rsaKey(key)
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, p.value) != nil {
		return signature.ErrBadSignature
	}
	return nil
}

// rsaKey takes the only keys that the suite knows, of sizes that cost less than a millisecond.
func rsaKey(key crypto.PublicKey) (*rsa.PublicKey, error) {
	public, ok := key.(*rsa.PublicKey)
	if !ok || public == nil || public.N == nil {
		return nil, fail(signature.ErrBadKey, "%T, where %s needs RSA", key, suite)
	}
	if bits := public.N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, fail(signature.ErrBadKey, "RSA key of %d bits", bits)
	}
	return public, nil
}
