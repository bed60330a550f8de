package moderation

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Errors of lists. Check with errors.Is.
var (
	// ErrTooLarge: a list has more than 32 MiB or 100,000 lines.
	ErrTooLarge = errors.New("moderation: list too large")
	// ErrTwice: a line is about the same domain as one before it, which counts.
	ErrTwice = errors.New("a second line about the same domain")
	// ErrHidden: a domain was made unreadable by whoever published the list, as in "b**.example".
	ErrHidden = errors.New("domain is obfuscated")
	// ErrBadField: a field says nothing that it may say.
	ErrBadField = errors.New("unknown value")
)

const (
	maxList      = 32 << 20
	maxLines     = 100_000
	maxBad       = 1000
	maxDomainLen = 253
)

// LineError is why a line of a list makes no rule.
type LineError struct {
	Line  int    // counted from 1
	Field string // the column's name without #, "" for the whole line
	Err   error
}

// Error names the line, the column and what is wrong there.
func (e *LineError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("moderation: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("moderation: line %d: %s: %v", e.Line, e.Field, e.Err)
}

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// columns are those of Mastodon's list of blocked domains (seen 4.6.5), in its order.
var columns = []string{"domain", "severity", "reject_media", "reject_reports", "public_comment", "obfuscate"}

// ReadBlocks reads a list of domains as Mastodon exports its blocks, and as tools around it write them: columns in any order, with
// or without the # before their names, with or without a header (then they are in Mastodon's order), some or all but the domain
// missing, a byte order mark, CR LF, comments on lines that begin with #. Without a severity a domain is suspended. Besides Mastodon's
// columns private_comment is read; others are left alone.
//
// The lines that make no rule are in bad, at most 1,000 of them, and the others are read all the same. Nothing says who made the
// rules and when: that is for the caller to fill in. An error is the reader's, or [ErrTooLarge].
func ReadBlocks(r io.Reader) (rules []Rule, bad []*LineError, err error) {
	return readList(r, columns, func(line row) (Rule, *LineError) {
		out := Rule{Public: line["public_comment"], Private: line["private_comment"]}
		switch severity := strings.ToLower(strings.TrimSpace(line["severity"])); severity {
		case "", "suspend":
			out.Severity = Suspend
		case "silence", "limit": // the latter in tools that call it as Mastodon's pages do
			out.Severity = Limit
		case "noop", "none":
			out.Severity = Noop
		default:
			return out, &LineError{Field: "severity", Err: fmt.Errorf("%w: %.40q", ErrBadField, severity)}
		}
		for name, flag := range map[string]*bool{
			"reject_media": &out.RejectMedia, "reject_reports": &out.RejectReports, "obfuscate": &out.Obfuscate,
		} {
			yes, ok := readBool(line[name])
			if !ok {
				return out, &LineError{Field: name, Err: fmt.Errorf("%w: %.40q", ErrBadField, line[name])}
			}
			*flag = yes
		}
		if len(out.Public) > maxReason || len(out.Private) > maxReason {
			return out, &LineError{Field: "public_comment", Err: fmt.Errorf("%w: more than %d bytes", ErrBadField, maxReason)}
		}
		return out, nil
	})
}

// ReadAllows reads a list of domains as Mastodon exports those that it allows: one in a line, under a header or not. See [ReadBlocks].
func ReadAllows(r io.Reader) (rules []Rule, bad []*LineError, err error) {
	return readList(r, columns[:1], func(row) (Rule, *LineError) { return Rule{Allow: true}, nil })
}

// ReadOwn reads the domains that a user blocks, as Mastodon exports them for its users: one in a line, without a header. See
// [ReadBlocks]. Local is the id of the actor here.
func ReadOwn(r io.Reader, local string) (rules []Rule, bad []*LineError, err error) {
	return readList(r, columns[:1], func(row) (Rule, *LineError) {
		return Rule{Key: Key{Local: local}, Severity: Suspend}, nil
	})
}

// row is a line by the names of its columns.
type row map[string]string

func readList(r io.Reader, order []string, rule func(row) (Rule, *LineError)) (rules []Rule, bad []*LineError, err error) {
	limited := &io.LimitedReader{R: r, N: maxList + 1}
	buffered := bufio.NewReader(limited)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\ufeff" {
		if _, err := buffered.Discard(3); err != nil {
			return nil, nil, fmt.Errorf("moderation: read list: %w", err)
		}
	}
	lines := csv.NewReader(buffered)
	lines.FieldsPerRecord, lines.ReuseRecord, lines.TrimLeadingSpace = -1, true, true
	seen := make(map[string]bool)
	reject := func(e *LineError) {
		if len(bad) < maxBad {
			bad = append(bad, e)
		}
	}
	for n, first := 0, true; ; n++ {
		fields, err := lines.Read()
		if limited.N <= 0 || n > maxLines {
			return nil, nil, ErrTooLarge
		}
		if errors.Is(err, io.EOF) {
			return rules, bad, nil
		}
		if broken := (*csv.ParseError)(nil); errors.As(err, &broken) {
			reject(&LineError{Line: broken.StartLine, Err: broken.Err})
			first = false
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("moderation: read list: %w", err)
		}
		number, _ := lines.FieldPos(0)
		if first {
			first = false
			if names, is := header(fields); is {
				order = names
				continue
			}
		}
		if head := strings.TrimSpace(fields[0]); strings.HasPrefix(head, "#") || head == "" && len(fields) == 1 {
			continue
		}
		one, failed := readRow(fields, order, rule)
		if failed == nil && seen[one.About] {
			failed = &LineError{Field: "domain", Err: fmt.Errorf("%w: %s", ErrTwice, one.About)}
		}
		if failed != nil {
			failed.Line = number
			reject(failed)
			continue
		}
		seen[one.About] = true
		rules = append(rules, one)
	}
}

// header tells whether a line names columns, and which.
func header(fields []string) (names []string, is bool) {
	for _, f := range fields {
		names = append(names, strings.TrimPrefix(strings.ToLower(strings.TrimSpace(f)), "#"))
	}
	return names, slices.Contains(names, "domain")
}

func readRow(fields, order []string, rule func(row) (Rule, *LineError)) (Rule, *LineError) {
	line := make(row, len(fields))
	for i, f := range fields {
		if i < len(order) {
			line[order[i]] = strings.Clone(f)
		}
	}
	out, failed := rule(line)
	if failed != nil {
		return out, failed
	}
	domain := strings.TrimSpace(line["domain"])
	if strings.ContainsAny(domain, "*?") {
		return out, &LineError{Field: "domain", Err: fmt.Errorf("%w: %.*q", ErrHidden, maxDomainLen, domain)}
	}
	var err error
	if out.About, err = normalDomain(domain); err != nil {
		return out, &LineError{Field: "domain", Err: err}
	}
	return out, nil
}

// readBool takes what spreadsheets make of true and false too. Empty is false.
func readBool(s string) (yes, ok bool) {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "", "no", "n":
		return false, true
	case "yes", "y":
		return true, true
	}
	yes, err := strconv.ParseBool(s)
	return yes, err == nil
}

// WriteBlocks writes the rules of the site about domains in Mastodon's form, which it imports; others, and what only allows, are left
// out, and so are the private reasons. What [ReadBlocks] reads of it are the same rules.
func WriteBlocks(w io.Writer, rules []Rule) error {
	out := csv.NewWriter(w)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = "#" + c
	}
	err := out.Write(names)
	for _, r := range rules {
		if err != nil {
			break
		}
		if r.Local != "" || !r.AboutDomain() || r.Allow && !r.limits() {
			continue
		}
		err = out.Write([]string{
			r.About, r.Severity.String(), strconv.FormatBool(r.RejectMedia), strconv.FormatBool(r.RejectReports), r.Public,
			strconv.FormatBool(r.Obfuscate),
		})
	}
	return flush(out, err)
}

// limits tells whether a rule takes anything away.
func (r *Rule) limits() bool { return r.Severity != Noop || r.RejectMedia || r.RejectReports }

// WriteAllows writes the domains that the site allows in Mastodon's form.
func WriteAllows(w io.Writer, rules []Rule) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{"#domain"})
	for _, r := range rules {
		if err == nil && r.Allow {
			err = out.Write([]string{r.About})
		}
	}
	return flush(out, err)
}

// WriteOwn writes the domains that a user blocks in Mastodon's form.
func WriteOwn(w io.Writer, rules []Rule) error {
	out := csv.NewWriter(w)
	var err error
	for _, r := range rules {
		if err == nil && r.Local != "" && r.AboutDomain() && r.Severity == Suspend {
			err = out.Write([]string{r.About})
		}
	}
	return flush(out, err)
}

func flush(out *csv.Writer, err error) error {
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("moderation: write list: %w", err)
	}
	return nil
}
