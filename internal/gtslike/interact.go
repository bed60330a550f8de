package gtslike

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy says who may do each of Like, Reply and Announce: at once, and after being asked. A kind that is missing is free.
type Policy map[string]struct{ Always, Ask []string }

// one is a list of one as that one, as GoToSocial writes it.
func one(ids []string) any {
	if len(ids) == 1 {
		return ids[0]
	}
	if ids == nil {
		return []string{}
	}
	return ids
}

// Post makes a public post and returns its id. The author may always do everything, and is therefore in every list.
func (s *Server) Post(html string, p Policy) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.newID("statuses")
	note := object{
		"@context": []any{"https://www.w3.org/ns/activitystreams", "https://gotosocial.org/ns"},
		"id":       id, "type": "Note", "attributedTo": s.ID(), "content": html, "to": Public, "cc": s.ID() + "/followers",
		"published": time.Now().UTC().Format(time.RFC3339), "tag": []any{}, "attachment": []any{},
	}
	if p != nil {
		rules := object{}
		for kind, rule := range p {
			always := append([]string{}, rule.Always...)
			if !slices.Contains(always, Public) && !slices.Contains(always, s.ID()) {
				always = append(always, s.ID())
			}
			if s.c.Old {
				rules["can"+kind] = object{"always": one(always), "approvalRequired": one(rule.Ask)}
			} else {
				rules["can"+kind] = object{"automaticApproval": one(always), "manualApproval": one(rule.Ask)}
			}
		}
		note["interactionPolicy"] = rules
	}
	s.docs[path(id)] = note
	return id
}

// permits reads a post's policy for an actor: 2 at once, 1 after asking, 0 never. More specific entries win.
func permits(post object, kind, actor string) int {
	policy, _ := post["interactionPolicy"].(object)
	rule, ok := policy["can"+kind].(object)
	if !ok || actor == text(post, "attributedTo") {
		return 2
	}
	names := [2]string{"automaticApproval", "manualApproval"}
	if rule[names[0]] == nil && rule[names[1]] == nil {
		names = [2]string{"always", "approvalRequired"}
	}
	switch {
	case has(rule, names[0], actor):
		return 2
	case has(rule, names[1], actor):
		return 1
	case has(rule, names[0], Public):
		return 2
	case has(rule, names[1], Public):
		return 1
	}
	return 0
}

// Interact has zork like, answer or share a post elsewhere. What needs leave waits for it; see [Server.Interactions].
func (s *Server) Interact(ctx context.Context, kind, target string) (id string, err error) {
	post, err := s.Fetch(ctx, target)
	if err != nil {
		return "", err
	}
	leave, author := permits(post, kind, s.ID()), text(post, "attributedTo")
	if leave == 0 {
		return "", ErrForbidden
	}
	s.mu.Lock()
	in := &Interaction{Kind: kind, Actor: s.ID(), Target: target}
	var instrument object
	switch kind {
	case "Reply":
		in.ID = s.newID("statuses")
		instrument = object{
			"id": in.ID, "type": "Note", "attributedTo": s.ID(), "content": "<p>yes</p>", "inReplyTo": target, "to": Public, "cc": author,
			"published": time.Now().UTC().Format(time.RFC3339), "tag": object{"type": "Mention", "href": author, "name": "@author"},
		}
		in.activity = object{"id": in.ID + "/activity#Create", "type": "Create", "actor": s.ID(), "object": instrument, "to": Public, "cc": author}
		s.docs[path(in.ID)] = instrument
	default:
		in.ID = s.newID(strings.ToLower(kind) + "s")
		in.activity = object{"id": in.ID, "type": kind, "actor": s.ID(), "object": target, "to": author}
		if kind == "Announce" {
			in.activity["to"], in.activity["cc"] = Public, author
		}
		instrument = in.activity
	}
	a := in.activity
	if leave == 1 {
		s.waiting[in.ID] = in
		if !s.c.Old {
			in.Request = s.newID("requests")
			a = object{"id": in.Request, "type": kind + "Request", "actor": s.ID(), "object": target, "instrument": instrument, "to": author}
		}
	} else {
		s.done = append(s.done, *in)
	}
	s.mu.Unlock()
	return in.ID, s.post(ctx, author, a)
}

// Interactions lists what was done and is permitted, here by others and by zork elsewhere.
func (s *Server) Interactions(kind string) (list []Interaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.done {
		if in.Kind == kind {
			list = append(list, in)
		}
	}
	return list
}

// Pending lists what waits for zork's leave.
func (s *Server) Pending() (list []Interaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.pending {
		list = append(list, *in)
	}
	return list
}

// Answer gives leave for a pending interaction by its id, or refuses it.
func (s *Server) Answer(ctx context.Context, id string, yes bool) error {
	s.mu.Lock()
	in := s.pending[id]
	if in == nil {
		s.mu.Unlock()
		return fmt.Errorf("gtslike: nothing waits under %s", id)
	}
	delete(s.pending, id)
	about := in.ID
	if in.Request != "" {
		about = in.Request
	}
	a := object{"id": s.newID("rejects"), "type": "Reject", "actor": s.ID(), "object": about, "to": in.Actor}
	if yes {
		in.Approval = s.newID("authorizations")
		stamp := object{
			"@context": []any{"https://www.w3.org/ns/activitystreams", "https://gotosocial.org/ns"}, "id": in.Approval, "attributedTo": s.ID(),
		}
		if s.c.Old {
			stamp["type"], stamp["object"], stamp["target"] = in.Kind+"Approval", in.ID, in.Target
		} else {
			stamp["type"], stamp["interactingObject"], stamp["interactionTarget"] = in.Kind+"Authorization", in.ID, in.Target
		}
		s.docs[path(in.Approval)] = stamp
		a["id"], a["type"], a["result"] = s.newID("accepts"), "Accept", in.Approval
		if in.Kind == "Like" && in.Request != "" { // the request was all of it
			s.done = append(s.done, *in)
		}
	}
	s.mu.Unlock()
	return s.post(ctx, in.Actor, a)
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request, signer string, body []byte) {
	var a object
	if err := json.Unmarshal(body, &a); err != nil || text(a, "actor") != signer {
		http.Error(w, `{"error":"Bad Request"}`, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.received = append(s.received, a)
	s.mu.Unlock()
	if err := s.effect(r.Context(), a, signer); err != nil {
		http.Error(w, `{"error":"`+err.Error()+`"}`, http.StatusForbidden)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) effect(ctx context.Context, a object, signer string) error {
	typ := text(a, "type")
	switch typ {
	case "Like", "Announce":
		return s.interacted(Interaction{Kind: typ, ID: text(a, "id"), Actor: signer, Target: text(a, "object"), activity: a}, a)
	case "LikeRequest", "ReplyRequest", "AnnounceRequest":
		in := Interaction{Kind: strings.TrimSuffix(typ, "Request"), ID: text(a, "instrument"), Actor: signer, Target: text(a, "object"), Request: text(a, "id")}
		if host(in.ID) != host(signer) {
			return ErrForbidden
		}
		return s.interacted(in, object{})
	case "Create":
		note, _ := a["object"].(object)
		if target := text(note, "inReplyTo"); target != "" {
			return s.interacted(Interaction{Kind: "Reply", ID: text(note, "id"), Actor: signer, Target: target, activity: a}, note)
		}
	case "Accept", "Reject":
		return s.answered(ctx, a, signer)
	}
	return nil
}

// interacted permits what was done to a post here, or keeps it until zork decides. What proves leave is looked for in shown.
func (s *Server) interacted(in Interaction, shown object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	post := s.docs[path(in.Target)]
	if post == nil || host(in.Target) != host(s.ID()) {
		return nil
	}
	proof := text(shown, strings.ToLower(in.Kind)+"Authorization")
	if s.c.Old || proof == "" {
		proof = text(shown, "approvedBy")
	}
	if stamp := s.docs[path(proof)]; stamp != nil && (text(stamp, "interactingObject") == in.ID || text(stamp, "object") == in.ID) {
		in.Approval = proof
		s.done = slices.DeleteFunc(s.done, func(old Interaction) bool { return old.ID == in.ID })
		s.done = append(s.done, in)
		return nil
	}
	switch permits(post, in.Kind, in.Actor) {
	case 0:
		return ErrForbidden
	case 1:
		s.pending[in.ID] = &in
		return nil
	}
	s.done = append(s.done, in)
	return nil
}

// answered is leave, or none, for something of zork's. A Like that was asked for is done; all else is sent now, with the proof.
func (s *Server) answered(ctx context.Context, a object, signer string) error {
	s.mu.Lock()
	var in *Interaction
	about := text(a, "object")
	for _, one := range s.waiting {
		if about == one.ID && one.Request == "" || about == one.Request && one.Request != "" {
			in = one
		}
	}
	s.mu.Unlock()
	if in == nil {
		return nil
	}
	if a["type"] == "Reject" {
		s.mu.Lock()
		defer s.mu.Unlock()
		in.Rejected = true
		delete(s.waiting, in.ID)
		s.done = append(s.done, *in)
		return nil
	}
	proof := text(a, "result")
	if host(proof) != host(signer) {
		return fmt.Errorf("%w: result is %s", ErrForbidden, proof)
	}
	stamp, err := s.Fetch(ctx, proof)
	if err != nil {
		return err
	}
	typ, about, of := in.Kind+"Authorization", text(stamp, "interactingObject"), text(stamp, "interactionTarget")
	if s.c.Old {
		typ, about, of = in.Kind+"Approval", text(stamp, "object"), text(stamp, "target")
	}
	if stamp["type"] != typ || about != in.ID || of != in.Target || text(stamp, "attributedTo") != signer {
		return fmt.Errorf("%w: %v", ErrForbidden, stamp)
	}
	s.mu.Lock()
	in.Approval = proof
	delete(s.waiting, in.ID)
	s.done = append(s.done, *in)
	if in.Kind == "Reply" {
		note, _ := in.activity["object"].(object)
		note["approvedBy"] = proof
		note["replyAuthorization"] = proof
	} else {
		in.activity["approvedBy"] = proof
		in.activity[strings.ToLower(in.Kind)+"Authorization"] = proof
	}
	s.mu.Unlock()
	if in.Kind == "Like" && in.Request != "" {
		return nil
	}
	go func() { _ = s.post(context.WithoutCancel(ctx), signer, in.activity) }() // it answers first
	return nil
}
