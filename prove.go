package fedihook

import (
	"context"
	"errors"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// What others forward is believed for the proof or the LD signature that it carries.

// proofs checks object integrity proofs for the inbox. FEP-8b32
func (s *Server) proofs() func(ctx context.Context, document []byte) (owner string, err error) {
	v := &signature.ProofVerifier{Key: s.resolver.ProofKey, Refresh: s.resolver.RefreshProofKey}
	return func(ctx context.Context, document []byte) (string, error) {
		proved, err := v.Verify(ctx, document)
		return proved.Owner, err
	}
}

// ldSignatures checks LD signatures for the inbox.
func (s *Server) ldSignatures() func(ctx context.Context, document []byte) (inbox.LDSigned, error) {
	v := &ldsig.Verifier{Keys: s.resolver, Allow: s.allowSigner, Scheme: s.scheme()}
	return func(ctx context.Context, document []byte) (inbox.LDSigned, error) {
		r, err := v.Verify(ctx, document)
		if errors.Is(err, ldsig.ErrBusy) {
			err = errors.Join(signature.ErrKeyUnavailable, err) // to be tried again, as that is
		}
		return inbox.LDSigned{Owner: r.Owner, ID: r.ID, Type: r.Type, Object: r.Object, Whole: r.Verified}, err
	}
}

// signable is the body of d without what no LD signature can protect: what a Tombstone was, a name where ActivityStreams'
// context has an IRI.
func signable(d outbox.Delivery) []byte {
	a, err := decodeActivity(d.Body)
	if err != nil || d.Type != activity.TypeDelete || len(a.Object) != 1 {
		return d.Body
	}
	doc, err := a.Object[0].Document()
	o, ok := doc.(*activity.Object)
	if err != nil || !ok {
		return d.Body
	}
	o.FormerType = nil
	a.Object[0] = activity.Embed(o)
	body, err := activity.Encode(a)
	if err != nil {
		return d.Body
	}
	return body
}

func (s *Server) scheme() string {
	scheme, _, _ := strings.Cut(s.names.Origin, "://")
	return scheme
}

// Receive judges an activity that came another way than to an inbox: a page of an outbox, what a relay or a group
// shares, a file. See [inbox.Inbox.Receive].
func (s *Server) Receive(ctx context.Context, raw []byte) error { return s.inbox.Receive(ctx, raw) }

// Inbox is where activities wait for their hooks, for operators and moderators: what was given up, what is held for
// review, and what to do about it.
func (s *Server) Inbox() *inbox.Inbox { return s.inbox }
