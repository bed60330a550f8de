package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// row is one line of the table: a figure of the queue, beside those of the bare loop and of the plain pool
// where they have one.
type row struct {
	Goal  string   `json:"goal"`
	What  string   `json:"what"`
	Unit  string   `json:"unit"`
	Bare  *float64 `json:"bare,omitempty"`
	Queue float64  `json:"queue"`
	Pool  *float64 `json:"pool,omitempty"`
	Limit *float64 `json:"limit,omitempty"`
	Least bool     `json:"at_least,omitempty"` // the limit is a lower one
	Met   *bool    `json:"met,omitempty"`
	Note  string   `json:"note,omitempty"`
}

// endless stands for what did not come about while we waited: JSON has no infinity.
const endless = math.MaxFloat64

// row starts a line of the goal that is being measured.
func (r *runner) row(what, unit string, queue float64) *row {
	r.rows = append(r.rows, row{Goal: r.goal, What: what, Unit: unit, Queue: queue})
	return &r.rows[len(r.rows)-1]
}

func (w *row) bare(v float64) *row { w.Bare = &v; return w }
func (w *row) pool(v float64) *row { w.Pool = &v; return w }

func (w *row) note(format string, args ...any) *row {
	w.Note = fmt.Sprintf(format, args...)
	return w
}

// atMost and atLeast judge the queue's figure.
func (w *row) atMost(limit float64) *row  { return w.judge(limit, false, w.Queue <= limit) }
func (w *row) atLeast(limit float64) *row { return w.judge(limit, true, w.Queue >= limit) }

func (w *row) judge(limit float64, least, met bool) *row {
	w.Limit, w.Least, w.Met = &limit, least, &met
	return w
}

func (r *runner) print(out io.Writer) error {
	if r.json {
		encoder := json.NewEncoder(out)
		for _, w := range r.rows {
			if err := encoder.Encode(w); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	pool := ""
	if r.baseline {
		pool = "pool\t"
	}
	fmt.Fprintf(t, "goal\twhat\tunit\tbare\tqueue\t%swanted\t\t\n", pool)
	for _, w := range r.rows {
		if r.baseline {
			pool = optional(w.Pool) + "\t"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s%s\t%s\t%s\n",
			w.Goal, w.What, w.Unit, optional(w.Bare), number(w.Queue), pool, w.wanted(), w.verdict(), w.Note)
	}
	return t.Flush()
}

func (w *row) wanted() string {
	switch {
	case w.Limit == nil:
		return ""
	case w.Least:
		return "≥ " + number(*w.Limit)
	}
	return "≤ " + number(*w.Limit)
}

func (w *row) verdict() string {
	switch {
	case w.Met == nil:
		return ""
	case *w.Met:
		return "met"
	}
	return "NOT met"
}

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

// number writes three digits that count, and no more noise.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == endless:
		return "never"
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
