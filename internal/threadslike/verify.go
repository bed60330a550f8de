package threadslike

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// verify finds out who signed r. Before it knows, it asks the signer's server for the key, while r waits. What it dislikes is
// answered 404, so that one can't tell a bad signature from an actor that is not there (Fedify issue 122, activitypub-bot
// issue 179).
func (s *Server) verify(r *http.Request, body []byte) (*peer, *answer) {
	refuse := func(a answer) (*peer, *answer) { return nil, &a }
	fields := r.Header.Values("Signature")
	if len(fields) != 1 {
		return refuse(notFound("not signed"))
	}
	// RFC 9421 says sig1=:…: here, which has no keyId.
	p, err := parseParameters(fields[0])
	if err != nil {
		return refuse(notFound("Signature: " + err.Error()))
	}
	u, err := url.Parse(p.keyID)
	if err != nil || u.Host == "" {
		return refuse(notFound("keyId is no URL"))
	}
	s.mu.Lock()
	limit, limited := s.limits[u.Host]
	blocked := s.blocked[u.Host]
	s.mu.Unlock()
	if limited && (limit.Posts || r.Method == http.MethodGet) {
		return refuse(answer{
			Exchange: Exchange{Status: http.StatusTooManyRequests, Why: u.Host + " is throttled"}, retryAfter: limit.RetryAfter,
		})
	}
	if blocked {
		return refuse(notFound(u.Host + " is blocked"))
	}
	if r.Method == http.MethodPost {
		if err := checkDigest(r.Header.Values("Digest"), body); err != nil {
			return refuse(notFound(err.Error()))
		}
	}
	if err := errors.Join(p.checkCoverage(r.Method), p.checkTime(r, s.Now())); err != nil {
		return refuse(notFound("Signature: " + err.Error()))
	}
	signer, known, err := s.keyOf(r.Context(), p.keyID, false)
	if err == nil && known && p.checkSignature(r, signer.key) != nil {
		signer, _, err = s.keyOf(r.Context(), p.keyID, true) // it may have changed
	}
	switch {
	case errors.Is(err, errStub):
		return refuse(broken(err.Error()))
	case err != nil:
		return refuse(notFound("key: " + err.Error()))
	}
	if err := p.checkSignature(r, signer.key); err != nil {
		return refuse(notFound("Signature: " + err.Error()))
	}
	return signer, nil
}

// checkDigest wants one Digest, whose algorithm is in upper case: Threads answers 404 to sha-256= (Fedify issue 125, 2024-08).
func checkDigest(fields []string, body []byte) error {
	if len(fields) != 1 {
		return errors.New("no Digest, or several")
	}
	value, ok := strings.CutPrefix(fields[0], "SHA-256=")
	if !ok {
		return errors.New("the Digest is not SHA-256=, in upper case")
	}
	sum := sha256.Sum256(body)
	if value != base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("the Digest is not the body's")
	}
	return nil
}
