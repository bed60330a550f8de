package actor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrSynchronisation is wrapped by errors about a Collection-Synchronization field that says nothing.
var ErrSynchronisation = errors.New("actor: not a Collection-Synchronization field")

// FollowersDigest is what two servers compare to see whether they mean the same followers: the SHA-256 of their ids, XORed. The
// zero FollowersDigest is that of nobody. FEP-8fcf
type FollowersDigest [sha256.Size]byte

// Add adds a follower, or takes one away that was added before.
func (d *FollowersDigest) Add(id string) {
	sum := sha256.Sum256([]byte(id))
	for i := range d {
		d[i] ^= sum[i]
	}
}

// String is the digest in 64 digits of lower-case hexadecimal, as it goes on the wire.
func (d FollowersDigest) String() string { return hex.EncodeToString(d[:]) }

// Synchronisation is what a Collection-Synchronization field says: the sender's collection of followers, the digest of
// those that are on the receiver's server, and where that server finds who they are. FEP-8fcf
type Synchronisation struct {
	CollectionID string
	URL          string
	Digest       FollowersDigest
}

// String is the field's value, as Mastodon and the FEP write it.
func (s Synchronisation) String() string {
	return fmt.Sprintf(`collectionId="%s", digest="%s", url="%s"`, s.CollectionID, s.Digest, s.URL)
}

// ParseSynchronisation reads a field's value: parameters in quotes, in any order, with commas between. Those that it does not
// know are passed over; one that comes twice, or a digest that is none, is an error that wraps [ErrSynchronisation].
func ParseSynchronisation(value string) (s Synchronisation, err error) {
	fail := func(what string) (Synchronisation, error) {
		return Synchronisation{}, fmt.Errorf("%w: %s", ErrSynchronisation, what)
	}
	seen := map[string]bool{}
	for part := range splitQuoted(value, ',') {
		name, quoted, ok := strings.Cut(strings.TrimSpace(part), "=")
		text, opened := strings.CutPrefix(quoted, `"`)
		text, closed := strings.CutSuffix(text, `"`)
		if !ok || !opened || !closed || strings.ContainsAny(text, `"\`) {
			return fail("a parameter that is not quoted")
		}
		if seen[name] {
			return fail(name + " comes twice")
		}
		seen[name] = true
		switch name {
		case "collectionId":
			s.CollectionID = text
		case "url":
			s.URL = text
		case "digest":
			raw, err := hex.DecodeString(text)
			if err != nil || len(raw) != len(s.Digest) {
				return fail("a digest that is none")
			}
			copy(s.Digest[:], raw)
		}
	}
	if s.CollectionID == "" || s.URL == "" || !seen["digest"] {
		return fail("a parameter is missing")
	}
	return s, nil
}
