package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor/check"
)

const maxFile = 1 << 20

// checkActor checks an actor where it is served, or a document.
func (t *tool) checkActor(ctx context.Context, what string) (int, error) {
	report := &check.Report{Query: what}
	if served(what) {
		c, err := t.checker()
		if err != nil {
			return 0, err
		}
		if report, err = c.Actor(ctx, what); err != nil {
			return 0, err
		}
	} else {
		data, err := t.read(what)
		if err != nil {
			return 0, err
		}
		report.Findings = check.Document(data)
	}
	drawn := tree{text: title(report)}
	refused, impaired := check.Refusals(report.Findings), check.Impairments(report.Findings)
	drawn.leaf("refused by", strings.Join(refused, ", "))
	drawn.leaf("impaired at", strings.Join(impaired, ", "))
	for _, f := range report.Findings {
		drawn.branch(drawFinding(f))
	}
	status := found
	if len(report.Findings) == 0 {
		report.Findings = []check.Finding{} // [] in JSON
		drawn.branch(tree{text: "nobody is known to refuse it"})
		status = fine
	}
	if err := t.show(struct {
		*check.Report
		Refused  []string `json:"refusedBy"`
		Impaired []string `json:"impairedAt"`
	}{report, listed(refused), listed(impaired)}, drawn); err != nil {
		return 0, err
	}
	if t.key == nil && slices.ContainsFunc(report.Findings, func(f check.Finding) bool {
		return f.Rule == "actor-needs-signature" || f.Rule == "actor-not-served"
	}) {
		fmt.Fprintln(t.stderr, "fedictl:", unsigned)
	}
	return status, nil
}

// listed is [] in JSON where list is nil.
func listed(list []string) []string { return append([]string{}, list...) }

func title(r *check.Report) string {
	name := r.Query
	if name == "" || name == "-" {
		name = "standard input"
	}
	if r.ID != "" && r.ID != r.Query {
		name = r.ID
	}
	if r.Handle != "" {
		name += " (@" + r.Handle + ")"
	}
	return name
}

func drawFinding(f check.Finding) tree {
	drawn := tree{text: f.Rule}
	drawn.leaf("at", f.Path)
	drawn.leaf("found", f.Text)
	for _, p := range f.Peers {
		does := p.Does
		if p.Refuses {
			does = "refuses"
		}
		drawn.leaf(p.String(), does)
	}
	drawn.leaf("do", f.Fix)
	drawn.leaf("see", f.Spec)
	return drawn
}

// served tells a handle or URL from the name of a file.
func served(what string) bool {
	for _, prefix := range []string{"@", "acct:", "https://", "http://"} {
		if strings.HasPrefix(what, prefix) {
			return true
		}
	}
	_, err := os.Stat(what)
	return err != nil && strings.Contains(what, "@")
}

// read reads a file, or standard input where it is "" or "-".
func (t *tool) read(file string) ([]byte, error) {
	in := t.stdin
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &errUsage{fmt.Sprintf("%q is no file, and neither a handle (@user@host) nor a URL", file)}
		}
		if err != nil {
			return nil, &errUsage{err.Error()}
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, &errUsage{err.Error()}
	}
	return data, nil
}

// rules lists what actors are checked by.
func (t *tool) rules(context.Context, string) (int, error) {
	all := check.Rules()
	drawn := tree{text: fmt.Sprintf("%d rules", len(all))}
	for _, r := range all {
		drawn.branch(drawFinding(check.Finding{Rule: r.Name, Peers: r.Peers, Fix: r.Fix, Spec: r.Spec}))
	}
	return fine, t.show(all, drawn)
}

// checkActivity checks a document that goes to inboxes.
func (t *tool) checkActivity(_ context.Context, file string) (int, error) {
	data, err := t.read(file)
	if err != nil {
		return 0, err
	}
	problems := activity.CheckBytes(data)
	drawn, status := tree{text: title(&check.Report{Query: file})}, fine
	for _, p := range problems {
		drawn.branch(tree{text: p.String()})
		status = found
	}
	if status == fine {
		drawn.branch(tree{text: "nobody is known to stumble over it"})
	}
	type problem struct {
		Path string `json:"path"`
		Peer string `json:"peer,omitempty"`
		Text string `json:"text"`
	}
	out := make([]problem, 0, len(problems))
	for _, p := range problems {
		out = append(out, problem(p))
	}
	return status, t.show(map[string]any{"problems": out}, drawn)
}
