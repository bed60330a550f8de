package inboxtest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// mood is how a Server treats who asks. The zero value is how it should be.
type mood struct {
	refuse, signed, rfc9421, hide bool
	hang, gone, tooMany, threads  bool
	retryAfter, drip              time.Duration
	huge, deep                    int
	lies                          map[string]string
}

func (s *Server) feels() mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mood
}

func (s *Server) change(f func(*mood)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.mood)
}

// Behave ends all misbehaviour of the server.
func (s *Server) Behave() {
	s.change(func(m *mood) { *m = mood{} })
	s.connections(false, false)
}

// RefuseSignatures answers 401 to all that is signed, deliveries among it.
func (s *Server) RefuseSignatures() { s.change(func(m *mood) { m.refuse = true }) }

// RequireSignatures answers 401 to requests for documents that are not signed, but for the actor of the server itself, whose key
// others need to verify the server's own requests. Mastodon calls it secure mode.
func (s *Server) RequireSignatures() { s.change(func(m *mood) { m.signed = true }) }

// RequireRFC9421 answers 401 to draft-cavage signatures, with an Accept-Signature that says what it wants, and signs with RFC 9421
// alone. RFC 9421 §5
func (s *Server) RequireRFC9421() { s.change(func(m *mood) { m.rfc9421 = true }) }

// Hide requires signatures, and answers 404 where it would say 401.
func (s *Server) Hide() { s.change(func(m *mood) { m.signed, m.hide = true, true }) }

// Drip sends each byte of a body after such a pause.
func (s *Server) Drip(pause time.Duration) { s.change(func(m *mood) { m.drip = pause }) }

// Hang takes requests and never answers.
func (s *Server) Hang() { s.change(func(m *mood) { m.hang = true }) }

// TooMany answers 429, with a Retry-After in whole seconds if it is not zero. RFC 6585 §4
func (s *Server) TooMany(retryAfter time.Duration) {
	s.change(func(m *mood) { m.tooMany, m.retryAfter = true, retryAfter })
}

// Gone answers 410 to everything.
func (s *Server) Gone() { s.change(func(m *mood) { m.gone = true }) }

// BreakTLS ends all connections and shows those that follow a certificate for another name.
func (s *Server) BreakTLS() { s.connections(false, true) }

// Down ends all connections and refuses those that follow.
func (s *Server) Down() { s.connections(true, false) }

// Huge makes every document that is served so many bytes long.
func (s *Server) Huge(size int) { s.change(func(m *mood) { m.huge = size }) }

// Deep puts so many lists into each other in every document that is served.
func (s *Server) Deep(levels int) { s.change(func(m *mood) { m.deep = levels }) }

// Lie makes the document that is served under id say that its id is another one.
func (s *Server) Lie(id, as string) {
	s.change(func(m *mood) {
		lies := map[string]string{id: as}
		for k, v := range m.lies {
			if k != id {
				lies[k] = v
			}
		}
		m.lies = lies // a copy of the mood is read without the lock
	})
}

func (s *Server) connections(down, broken bool) {
	s.n.mu.Lock()
	h := s.n.hosts[s.host]
	s.n.mu.Unlock()
	if h != nil {
		h.set(down, broken)
	}
}

// upset is the answer of a server that treats everyone alike; a status of 0 and no reason where it does not.
func (m *mood) upset(w http.ResponseWriter, r *http.Request) (why string, status int) {
	switch {
	case m.hang:
		<-r.Context().Done()
		return "it hangs", 0
	case m.gone:
		return "everything is gone", http.StatusGone
	case m.tooMany:
		if m.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(m.retryAfter/time.Second)))
		}
		return "too many requests", http.StatusTooManyRequests
	}
	return "", 0
}

// spoil is what a document becomes.
func (m *mood) spoil(id string, body []byte) []byte {
	if as, ok := m.lies[id]; ok {
		var doc map[string]json.RawMessage
		if json.Unmarshal(body, &doc) == nil {
			doc["id"] = jsonOf(as)
			body = jsonOf(doc)
		}
	}
	if m.threads {
		body = likeThreads(body)
	}
	return padded(nested(body, m.deep), m.huge)
}

// write sends a body, byte by byte if it drips.
func (m *mood) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if m.drip <= 0 {
		_, _ = w.Write(body) // who asked may have left
		return
	}
	flush := http.NewResponseController(w)
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-time.After(m.drip):
		case <-r.Context().Done():
			return
		}
	}
}
