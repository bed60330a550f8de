package inboxtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// peer is what a Server knows of an actor elsewhere.
type peer struct{ inbox, shared, handle string }

// parcel is a signed request to one inbox.
type parcel struct {
	url    string
	header http.Header
	body   []byte
}

// say sends an activity to those whom it addresses, to followers if it is for them, and to also.
func (a *Actor) say(act *activity.Activity, also ...string) int {
	a.s.n.helper()
	var whom []string
	for _, id := range act.Recipients() {
		switch {
		case id == a.id+"/followers":
			whom = append(whom, a.Followers()...)
		case !activity.IsPublic(id):
			whom = append(whom, id)
		}
	}
	must := append(also, a.manner.To...)
	var inboxes []string
	for i, id := range append(must, whom...) {
		if activity.SameAuthority(id, a.id) {
			continue
		}
		p, err := a.s.meet(a.account, id)
		if err != nil && i < len(must) {
			a.s.n.errorf("inboxtest: %s cannot find %s: %v", a.id, id, err)
		} else if err != nil {
			a.s.n.logf("inboxtest: %s cannot find %s: %v", a.id, id, err) // as every server meets ids of those who are gone
		}
		inbox := p.inbox
		if p.shared != "" && !a.manner.Personal && (act.To.Has(activity.Public) || act.CC.Has(activity.Public)) {
			inbox = p.shared
		}
		if inbox != "" && !slices.Contains(inboxes, inbox) {
			inboxes = append(inboxes, inbox)
		}
	}
	return a.deliver(act, inboxes)
}

// sayToAll sends an activity to followers and to every server of which anybody is known here.
func (a *Actor) sayToAll(act *activity.Activity) int {
	a.s.n.helper()
	inboxes := map[string]bool{}
	for _, id := range append(a.Followers(), a.manner.To...) {
		p, err := a.s.meet(a.account, id)
		if err != nil {
			a.s.n.errorf("inboxtest: %s cannot find %s: %v", a.id, id, err)
		}
		inboxes[cmp.Or(p.shared, p.inbox)] = true
	}
	a.s.mu.Lock()
	for id, p := range a.s.known {
		if !activity.SameAuthority(id, a.id) {
			inboxes[cmp.Or(p.shared, p.inbox)] = true
		}
	}
	a.s.mu.Unlock()
	delete(inboxes, "")
	return a.deliver(act, sorted(inboxes))
}

func (a *Actor) deliver(act *activity.Activity, inboxes []string) (status int) {
	a.s.n.helper()
	if len(inboxes) == 0 {
		a.s.n.logf("inboxtest: %s says %s to nobody: it has no follower and addresses nobody elsewhere; see Manner.To", a.id, act.Type)
	}
	body, err := activity.Encode(act)
	if err == nil && a.manner.Proof {
		body, err = a.prove(body)
	}
	if err == nil && a.manner.LDSignature {
		body, err = a.ldSign(body)
	}
	if err != nil {
		a.s.n.errorf("inboxtest: %s of %s: %v", act.Type, a.id, err)
		return 0
	}
	a.s.mu.Lock()
	a.said[act.Type.String()+" "+act.Object.First()] = act
	if act.Is(activity.TypeCreate) || act.Is(activity.TypeAnnounce) {
		a.outbox = append(a.outbox, act.ID)
	}
	a.s.mu.Unlock()
	for _, inbox := range inboxes {
		status = max(status, a.Post(inbox, body))
	}
	return status
}

// Post signs any bytes and posts them to an inbox, by its URL. Pad and Nest of the [Manner] apply.
func (a *Actor) Post(inbox string, body []byte) int {
	a.s.n.helper()
	p, err := a.pack(inbox, a.manner.spoil(body))
	if err != nil {
		a.s.n.errorf("inboxtest: %s cannot post to %s: %v", a.id, inbox, err)
		return 0
	}
	a.s.mu.Lock()
	a.last = &p
	holding := a.s.holding
	if holding {
		a.s.held = append(a.s.held, p)
	}
	a.s.mu.Unlock()
	if holding {
		return 0
	}
	return a.s.post(p)
}

// Replay sends the very bytes of the actor's last request again, with the signature that they had.
func (a *Actor) Replay() int {
	a.s.n.helper()
	a.s.mu.Lock()
	last := a.last
	a.s.mu.Unlock()
	if last == nil {
		a.s.n.errorf("inboxtest: %s has sent nothing yet", a.id)
		return 0
	}
	return a.s.post(*last)
}

// Hold keeps back what the server's actors send from now on, signed as of now, until Release.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Release sends what was held back and returns the statuses: in the order in which it was said or, if order is given, those
// requests that it names, counted from 0, one after the other; the others are lost, and one named twice is sent twice.
func (s *Server) Release(order ...int) (statuses []int) {
	s.n.helper()
	s.mu.Lock()
	held := s.held
	s.held, s.holding = nil, false
	s.mu.Unlock()
	if len(order) == 0 {
		for i := range held {
			order = append(order, i)
		}
	}
	for _, i := range order {
		if i < 0 || i >= len(held) {
			s.n.errorf("inboxtest: Release(%d) of %d requests that were held", i, len(held))
			continue
		}
		statuses = append(statuses, s.post(held[i]))
	}
	return statuses
}

func (a *Actor) pack(inbox string, body []byte) (p parcel, err error) {
	r, err := http.NewRequest(http.MethodPost, inbox, bytes.NewReader(body))
	if err != nil {
		return p, err
	}
	r.Header.Set("Content-Type", activity.ContentType)
	r.Header.Set("User-Agent", a.s.agent())
	m := a.manner
	if m.Late == 0 && a.s.feels().threads {
		m.Late = 7 * time.Minute // Friendica issue 14488 (2024-10) saw 6 min 46 s
	}
	maps.Copy(r.Header, m.Header)
	if err := a.sign(r, body, m); err != nil {
		return p, err
	}
	maps.Copy(r.Header, m.Added)
	return parcel{inbox, r.Header, body}, nil
}

// post returns 0 where no answer came.
func (s *Server) post(p parcel) int {
	s.n.helper()
	r, err := http.NewRequest(http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		s.n.errorf("inboxtest: %v", err)
		return 0
	}
	r.Header = p.header.Clone()
	resp, err := s.client.Do(r)
	if err != nil {
		s.n.logf("inboxtest: %s: %v", s.host, err)
		return 0
	}
	defer resp.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode >= 300 {
		s.n.logf("inboxtest: %s was answered %d by %s: %s", s.host, resp.StatusCode, p.url, bytes.TrimSpace(why))
	}
	return resp.StatusCode
}

var errGone = errors.New("there is no such thing, or no more")

// fetch gets a document, signed by one of ours.
func (s *Server) fetch(as *account, id string) (activity.Document, error) {
	body, err := s.get(context.Background(), as, id)
	if err != nil {
		return nil, err
	}
	return activity.Decode(body)
}

func (s *Server) get(ctx context.Context, as *account, id string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", activity.ContentType)
	r.Header.Set("User-Agent", s.agent())
	if err := as.sign(r, nil, Manner{}); err != nil {
		return nil, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("GET %s: %d: %w", id, resp.StatusCode, errGone)
	default:
		return nil, fmt.Errorf("GET %s: %d", id, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

// meet finds out where an actor's inboxes are, once.
func (s *Server) meet(as *account, id string) (peer, error) {
	s.mu.Lock()
	p, ok := s.known[id]
	s.mu.Unlock()
	if ok {
		return p, nil
	}
	doc, err := s.fetch(as, id)
	if err != nil {
		return peer{}, err
	}
	who, ok := doc.(*activity.Actor)
	if !ok || who.ID != id || who.Inbox.ID == "" {
		return peer{}, fmt.Errorf("%s is no actor", id)
	}
	host, _ := activity.Authority(id)
	p = peer{inbox: who.Inbox.ID, shared: who.SharedInbox(), handle: who.PreferredUsername + "@" + host}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = p
	return p, nil
}

func (s *Server) agent() string { return "inboxtest (+" + s.Origin() + "/)" }

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}
