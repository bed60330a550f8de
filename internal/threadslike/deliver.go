package threadslike

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// parcel is an activity on its way to one inbox.
type parcel struct {
	from     *Account
	inbox    string
	activity object
}

// Delivery is what came of a parcel. There is no second attempt.
type Delivery struct {
	Inbox  string
	Type   string
	ID     string
	Status int // 0 if no answer came
	Err    error
}

// tell puts an activity before the inboxes of peers, each once. What is for all followers goes to shared inboxes. The caller
// holds the lock.
func (s *Server) tell(from *Account, to []*peer, activity object) {
	var inboxes []string
	for _, p := range to {
		inbox := p.inbox
		if p.shared != "" && activity["to"] != nil {
			inbox = p.shared
		}
		if !slices.Contains(inboxes, inbox) {
			inboxes = append(inboxes, inbox)
			s.waiting = append(s.waiting, parcel{from, inbox, activity})
		}
	}
}

// Deliver sends what users have done, answers first, and then what they wrote and can't edit any more: the newest first,
// since nothing at Threads keeps posts in order. It returns when all of it was answered.
func (s *Server) Deliver(ctx context.Context) (out []Delivery) {
	s.mu.Lock()
	for _, p := range slices.Backward(s.posts) {
		if !p.out && !p.deleted && p.Withheld == "" && p.author.exists() && !s.Now().Before(p.Published.Add(s.EditWindow)) {
			s.release(p)
		}
	}
	parcels := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, p := range parcels {
		d := Delivery{Inbox: p.inbox, Type: text(p.activity, "type"), ID: text(p.activity, "id")}
		d.Status, d.Err = s.send(ctx, p)
		out = append(out, d)
	}
	return out
}

func (s *Server) send(ctx context.Context, p parcel) (status int, err error) {
	body, err := json.Marshal(p.activity)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.inbox, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", activityType)
	r.Header.Set("User-Agent", s.agent())
	at := s.Now().Add(-max(s.Lag, 0))
	if err := (signature{p.from.KeyID(), p.from.key, at, s.DateOnly}).sign(r, body); err != nil {
		return 0, err
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return resp.StatusCode, nil
}
