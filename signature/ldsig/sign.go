package ldsig

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/go-json-experiment/json/jsontext"
)

// Sign returns a public activity with an LD signature, as Mastodon makes them, so that those who
// receive it may forward it. The other members stay the bytes that they are; the context
// https://w3id.org/security/v1 is added to @context if it is not there, and a signature that the
// document has is replaced. The key is the actor's RSA key. If life is positive the signature says
// that it expires after it, as those of Mastodon 4.7 do after two days; else it doesn't say.
//
// Sign takes only what [Verifier.Verify] would take, so that nobody can rearrange it on its way:
// an activity of the types Create, Update, Delete, Undo, Announce, Add or Remove that is addressed
// to the public in to or cc. The error is an [*Error]; it wraps [ErrPrivate] if the activity is not
// public, [signature.ErrBadKey] if the key cannot sign, and otherwise what Verify says. [ErrContext]
// and [ErrUnprotected] mean that it has terms which the contexts here do not define. Send such an
// activity without an LD signature.
//
// Whoever gets the result can prove to anybody that the actor said this, until the key is changed.
// Sign may be called by many goroutines at once. It costs some milliseconds.
func Sign(document []byte, k signature.Key, life time.Duration) ([]byte, error) {
	signed, err := sign(document, k, life)
	if err != nil {
		return nil, &Error{Creator: k.ID, Err: err}
	}
	return signed, nil
}

func sign(document []byte, k signature.Key, life time.Duration) ([]byte, error) {
	out, err := prepare(document)
	if err != nil {
		return nil, err
	}
	tree, err := readTree(out)
	if err != nil {
		return nil, err
	}
	known, err := know()
	if err != nil {
		return nil, err
	}
	terms, err := known.read(tree["@context"])
	if err != nil {
		return nil, err
	}
	s, err := inspect(tree, terms)
	if err != nil {
		return nil, err
	}
	a, err := s.activity()
	if err != nil {
		return nil, err
	}
	if !s.isPublic() {
		return nil, fail(ErrPrivate, "%s %.200q", a.kind, a.id)
	}
	if k.Private == nil {
		return nil, fail(signature.ErrBadKey, "no private key")
	}
	if _, err := rsaKey(k.Private.Public()); err != nil {
		return nil, err
	}
	host, ok := authority(a.actor, true)
	if keyHost, _ := authority(k.ID, true); !ok || keyHost != host || !isIRI(k.ID) {
		return nil, fail(ErrCreator, "actor %.200q", a.actor)
	}
	now := time.Now().UTC()
	options := map[string]any{"creator": k.ID, "created": now.Format(time.RFC3339)}
	if life > 0 {
		options["expires"] = now.Add(life).Format(time.RFC3339)
	}
	sum, err := digest(known, options, s)
	if err != nil {
		return nil, err
	}
	value, err := k.Private.Sign(rand.Reader, sum, crypto.SHA256)
	if err != nil {
		return nil, fail(signature.ErrBadKey, "%v", err)
	}
	options["type"] = suite
	options["signatureValue"] = base64.StdEncoding.EncodeToString(value)
	member, err := encode(options)
	if err != nil {
		return nil, err
	}
	out = append(bytes.TrimSuffix(out, []byte("}")), `,"signature":`...)
	out = append(append(out, member...), '}')
	if len(out) > maxDocument {
		return nil, fail(signature.ErrTooLarge, "more than %d bytes with its signature", maxDocument)
	}
	return out, nil
}

// prepare copies a document without its signature and with the context of signatures. Members keep
// their bytes and their order.
func prepare(document []byte) ([]byte, error) {
	if len(document) > maxDocument {
		return nil, fail(signature.ErrTooLarge, "more than %d bytes", maxDocument)
	}
	d := jsontext.NewDecoder(bytes.NewReader(document))
	if d.PeekKind() != '{' {
		return nil, malformed("not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, malformed("%v", err)
	}
	out := []byte{'{'}
	for d.PeekKind() != '}' {
		written, err := d.ReadValue()
		if err != nil {
			return nil, malformed("%v", err)
		}
		raw := slices.Clone(written) // the decoder's again with the next read
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, malformed("%v", err)
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, malformed("%v", err)
		}
		switch name {
		case "signature":
			continue
		case "@context":
			if value, err = addContext(value); err != nil {
				return nil, err
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, raw...), ':'), value...)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, malformed("%v", err)
	}
	if len(bytes.TrimSpace(document[d.InputOffset():])) > 0 {
		return nil, malformed("more than one JSON value")
	}
	return append(out, '}'), nil
}

// addContext adds the context of signatures at the end, where Mastodon has it.
func addContext(context []byte) ([]byte, error) {
	var entries []json.RawMessage
	if json.Unmarshal(context, &entries) != nil || entries == nil { // not an array, or null
		entries = []json.RawMessage{context}
	}
	own := json.RawMessage(`"` + securityContext + `"`)
	for _, entry := range entries {
		if bytes.Equal(entry, own) {
			return context, nil
		}
	}
	return json.Marshal(append(entries, own))
}
