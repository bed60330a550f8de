package gtslike

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sign covers what GoToSocial covers: the target, host and date, and of a POST the digest. draft-cavage-12 §2.1
func sign(r *http.Request, body []byte, keyID string, key *rsa.PrivateKey) error {
	names := []string{"(request-target)", "host", "date"}
	if body != nil {
		sum := sha256.Sum256(body)
		r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
		names = append(names, "digest")
	}
	sum := sha256.Sum256([]byte(signingString(r, names)))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return err
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="hs2019",headers="%s",signature="%s"`,
		keyID, strings.Join(names, " "), base64.StdEncoding.EncodeToString(sig)))
	return nil
}

func signingString(r *http.Request, names []string) string {
	var lines []string
	for _, name := range names {
		switch name {
		case "(request-target)":
			lines = append(lines, name+": "+strings.ToLower(r.Method)+" "+r.URL.RequestURI())
		case "host":
			host := r.Host
			if host == "" {
				host = r.URL.Host
			}
			lines = append(lines, "host: "+host)
		default:
			lines = append(lines, name+": "+r.Header.Get(name))
		}
	}
	return strings.Join(lines, "\n")
}

// verify returns the actor whose key signed r.
func (s *Server) verify(r *http.Request, body []byte) (actor string, err error) {
	p := map[string]string{}
	for part := range strings.SplitSeq(r.Header.Get("Signature"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		p[name] = strings.Trim(value, `"`)
	}
	names := strings.Fields(p["headers"])
	need := []string{"(request-target)", "host", "date"}
	if r.Method == http.MethodPost {
		sum := sha256.Sum256(body)
		if r.Header.Get("Digest") != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
			return "", errors.New("digest")
		}
		need = append(need, "digest")
	}
	for _, name := range need {
		if !slices.Contains(names, name) {
			return "", fmt.Errorf("%s is not signed", name)
		}
	}
	if date, err := http.ParseTime(r.Header.Get("Date")); err != nil || time.Since(date).Abs() > time.Hour {
		return "", errors.New("date")
	}
	sig, err := base64.StdEncoding.DecodeString(p["signature"])
	if err != nil {
		return "", err
	}
	actor, key, err := s.key(r.Context(), p["keyId"])
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(signingString(r, names)))
	return actor, rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
}

// key fetches a key by its id, signed, as everything is.
func (s *Server) key(ctx context.Context, keyID string) (actor string, key *rsa.PublicKey, err error) {
	s.mu.Lock()
	known, ok := s.keys[keyID]
	s.mu.Unlock()
	if ok {
		return known.owner, known.PublicKey, nil
	}
	address, _, _ := strings.Cut(keyID, "#")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Accept", activityJSON)
	resp, err := s.do(r, nil)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	var doc struct {
		ID        string `json:"id"`
		PublicKey struct {
			ID    string `json:"id"`
			Owner string `json:"owner"`
			PEM   string `json:"publicKeyPem"`
		} `json:"publicKey"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&doc); err != nil {
		return "", nil, err
	}
	block, _ := pem.Decode([]byte(doc.PublicKey.PEM))
	if block == nil || doc.PublicKey.ID != keyID || doc.PublicKey.Owner != doc.ID {
		return "", nil, fmt.Errorf("%s has no key %s", address, keyID)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", nil, err
	}
	key, ok = parsed.(*rsa.PublicKey)
	if !ok {
		return "", nil, fmt.Errorf("%s is no RSA key", keyID)
	}
	s.mu.Lock()
	s.keys[keyID] = publicKey{key, doc.ID}
	s.mu.Unlock()
	return doc.ID, key, nil
}
