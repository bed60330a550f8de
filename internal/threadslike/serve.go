package threadslike

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/jpeg"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// webFinger answers unsigned questions for acct:user@threads.net. An actor's id is no resource here, and who does not share is
// nobody (Fedify issue 122, 2024-08). Ids of 2023 at www. were found by others only if WebFinger for a name at that host
// answered too, with the subject at threads.net.
func (s *Server) webFinger(r *http.Request) answer {
	acct, ok := strings.CutPrefix(r.URL.Query().Get("resource"), "acct:")
	user, host, _ := strings.Cut(acct, "@")
	if !ok || r.Method != http.MethodGet || host != s.host && host != "www."+s.host {
		return notFound("WebFinger knows handles alone")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if !strings.EqualFold(a.user.Handle, user) || !a.exists() {
			continue
		}
		return document(http.StatusOK, "application/jrd+json", object{
			"subject": "acct:" + a.user.Handle + "@" + s.host,
			"links": []any{
				object{"rel": "self", "type": activityType, "href": a.id},
				object{"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": s.scheme + "://www." + s.host + "/@" + a.user.Handle},
			},
		})
	}
	return notFound("nobody of that name shares")
}

// get serves what has this id, to whom has signed.
func (s *Server) get(id string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.account(id); a != nil {
		return document(http.StatusOK, activityType, a.document())
	}
	if p := s.post(id); p != nil && p.out && p.author.exists() {
		return document(http.StatusOK, activityType, p.document())
	}
	for name, count := range map[string]func(*Account) int{
		"followers/": func(a *Account) int { return len(a.followers) }, "following/": func(a *Account) int { return len(a.following) },
	} {
		if owner, ok := strings.CutSuffix(id, name); ok && s.account(owner) != nil {
			// A number and nobody's name.
			return document(http.StatusOK, activityType, object{
				"@context": context1(), "id": id, "type": "OrderedCollection", "totalItems": count(s.account(owner)),
			})
		}
	}
	return notFound("nothing that is shared; outboxes are not") // Ghost's ActivityPub issue 981 (2026-07)
}

func document(status int, contentType string, doc object) answer {
	body, err := json.Marshal(doc)
	if err != nil {
		return broken(err.Error())
	}
	return answer{Exchange: Exchange{Status: status}, contentType: contentType, body: body}
}

// mediaURL is an address that is good for a while. Bridgy Fed issue 1825.
func (s *Server) mediaURL(path string) string {
	ends := strconv.FormatInt(s.Now().Add(s.MediaLife).Unix(), 16)
	return s.Media + "/v/" + path + "?oe=" + ends + "&oh=" + mark(path, ends)
}

func mark(path, ends string) string {
	sum := sha256.Sum256([]byte("threadslike " + path + " " + ends))
	return hex.EncodeToString(sum[:12])
}

func (s *Server) serveMedia(r *http.Request) answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/v/")
	query := r.URL.Query()
	ends, err := strconv.ParseInt(query.Get("oe"), 16, 64)
	switch {
	case !ok || err != nil || query.Get("oh") != mark(path, query.Get("oe")):
		return answer{Exchange: Exchange{Status: http.StatusForbidden, Why: "Bad URL hash"}, contentType: "text/plain"}
	case s.Now().After(time.Unix(ends, 0)):
		return answer{Exchange: Exchange{Status: http.StatusForbidden, Why: "URL signature expired"}, contentType: "text/plain"}
	}
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		return broken(err.Error())
	}
	return answer{Exchange: Exchange{Status: http.StatusOK}, contentType: "image/jpeg", body: picture.Bytes()}
}
