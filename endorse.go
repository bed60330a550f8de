package fedihook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// What is said to everyone carries with it who said it, so that others may pass it on and be believed.

// endorsed are the types of activities that others pass on.
var endorsed = []string{"Create", "Announce", "Update", "Delete", "Undo"}

// endorse is the body of d with a proof and an LD signature, as far as it is to have them. The proof comes first, for the LD
// signature covers it: FEP-8b32.
func (s *Server) endorse(ctx context.Context, d outbox.Delivery, sender string) ([]byte, error) {
	if s.config.NoLDSignatures && s.config.NoProofs || !d.Public || sender != d.Sender || !slices.Contains(endorsed, d.Type) {
		return d.Body, nil
	}
	if d.Type == activity.TypeDelete || d.Type == activity.TypeUndo {
		if ok, err := s.endsPublic(ctx, d); err != nil || !ok {
			return d.Body, err
		}
	} else if s.config.AuthorizedFetch != 0 { // it is not for everyone
		return d.Body, nil
	}
	body := d.Body
	if !s.config.NoLDSignatures {
		body = signable(d)
	}
	if !s.config.NoProofs {
		proved, err := s.withProof(ctx, d.Sender, body)
		if err == nil {
			body = proved
		}
		s.unendorsed(ctx, d, "proof", err)
	}
	if !s.config.NoLDSignatures {
		key, err := s.keys.Private(ctx, d.Sender)
		if err == nil {
			var signed []byte
			if signed, err = ldsig.Sign(body, key, 0); err == nil {
				body = signed
			}
		}
		s.unendorsed(ctx, d, "LD signature", err)
	}
	return body, nil
}

// unendorsed logs that d goes without: it is worth as much without, to whom we send it.
func (s *Server) unendorsed(ctx context.Context, d outbox.Delivery, what string, err error) {
	if err != nil {
		s.config.Logger.InfoContext(ctx, "fedihook: no "+what, "activity", d.ID, "type", d.Type, "error", err)
	}
}

// endsPublic tells whether a Delete or an Undo to everyone is about something that was for everyone: who deletes what few knew
// of must not prove to all that there was such a thing. Of what nothing is known it says no, except of the actor itself.
func (s *Server) endsPublic(ctx context.Context, d outbox.Delivery) (bool, error) {
	a, err := decodeActivity(d.Body)
	if err != nil {
		return false, nil
	}
	if id := a.Object.First(); id == d.Sender && d.Type == activity.TypeDelete {
		return true, nil
	} else if d.Type == activity.TypeDelete {
		return s.outbox.WasPublic(ctx, id)
	} else {
		old, err := s.config.Storage.Log.Record(ctx, id)
		if errors.Is(err, outbox.ErrUnknown) {
			return false, nil
		}
		return old.Public, err
	}
}

// withProof adds a proof by the actor's Ed25519 key, if it has one. The proof covers @context, so what an LD signature needs is
// there before it.
func (s *Server) withProof(ctx context.Context, actorID string, body []byte) ([]byte, error) {
	key, err := s.keys.Ed25519(ctx, actorID)
	if err != nil || key.Private == nil {
		return body, err
	}
	contexts := []string{proofContext}
	if !s.config.NoLDSignatures {
		contexts = append(contexts, signatureContext)
	}
	if body, err = withContexts(body, contexts); err != nil {
		return nil, err
	}
	return signature.Prove(body, key, signature.ProofOptions{})
}

// The contexts that define the terms of proofs and of LD signatures.
const (
	proofContext     = "https://w3id.org/security/data-integrity/v1"
	signatureContext = "https://w3id.org/security/v1"
)

// withContexts adds what is not there to a document's @context. All else stays as it is, byte by byte. A document that holds another
// with an @context of its own, as a group passes it on, is left alone: the contexts of proofs protect their terms, and a processor of
// JSON-LD would refuse all of it where the inner one defines them in another way. A reader of JSON needs none of them.
func withContexts(document []byte, add []string) ([]byte, error) {
	rest, value, err := takeOut(document, "@context")
	if err != nil || bytes.Contains(rest, []byte(`"@context"`)) {
		return document, err
	}
	var list []json.RawMessage
	if value != nil && json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	for _, context := range add {
		quoted := json.RawMessage(strconv.Quote(context))
		if !slices.ContainsFunc(list, func(c json.RawMessage) bool { return bytes.Equal(c, quoted) }) {
			list = append(list, quoted)
		}
	}
	if value, err = json.Marshal(list); err != nil {
		return nil, err
	}
	start := bytes.IndexByte(rest, '{') + 1
	comma := []byte{','}
	if bytes.HasPrefix(bytes.TrimLeft(rest[start:], " \t\r\n"), []byte{'}'}) {
		comma = nil
	}
	return slices.Concat(rest[:start], []byte(`"@context":`), value, comma, rest[start:]), nil
}

// takeOut takes a member out of a JSON object; value is nil if it has none of this name.
func takeOut(document []byte, name string) (rest []byte, value []byte, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(document))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, nil, fmt.Errorf("fedihook: not a JSON object: %w", err)
	}
	for d.PeekKind() == '"' {
		before := d.InputOffset()
		t, err := d.ReadToken()
		if err != nil {
			return nil, nil, err
		}
		found := t.String() == name
		v, err := d.ReadValue()
		if err != nil {
			return nil, nil, err
		}
		if !found {
			continue
		}
		value = bytes.Clone(v)
		// Either the comma in front of it or, for the first member, the one behind goes too.
		head, tail := document[:before], document[d.InputOffset():]
		if rest := bytes.TrimLeft(tail, " \t\r\n"); bytes.HasSuffix(bytes.TrimRight(head, " \t\r\n"), []byte{'{'}) && rest[0] == ',' {
			tail = rest[1:]
		} else if head[len(head)-1] == ',' {
			head = head[:len(head)-1]
		}
		return slices.Concat(head, tail), value, nil
	}
	return document, nil, nil
}
