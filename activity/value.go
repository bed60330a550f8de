package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Types is the property type: one name, or several. ActivityStreams §4.1.
type Types []string

// Is reports whether name is among t.
func (t Types) Is(name string) bool { return slices.Contains(t, name) }

// String is the first type, which is what the fediverse goes by, or "".
func (t Types) String() string {
	if len(t) == 0 {
		return ""
	}
	return t[0]
}

// MarshalJSON writes one bare and many as a list.
func (t Types) MarshalJSON() ([]byte, error) { return t.append(nil) }

// UnmarshalJSON reads one or many. null changes nothing.
func (t *Types) UnmarshalJSON(data []byte) error { return unmarshal(data, t) }

func (t Types) append(b []byte) (_ []byte, err error) {
	if len(t) == 1 {
		return appendString(b, t[0])
	}
	b = append(b, '[')
	for i, name := range t {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, name); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (t *Types) read(raw []byte) bool {
	if raw[0] == '"' {
		name, ok := readString(raw)
		if !ok {
			return false
		}
		*t = Types{name}
		return true
	}
	values, ok := elements(raw)
	if !ok {
		return false
	}
	out := make(Types, len(values))
	for i, v := range values {
		if out[i], ok = readString(v); !ok {
			return false
		}
	}
	*t = out
	return true
}

// LangMap holds a text in several languages, keyed by language tag. ActivityStreams §4.7.
type LangMap map[string]string

func (l *LangMap) read(raw []byte) bool {
	var m members
	if raw[0] != '{' || m.read(raw) != nil {
		return false
	}
	out := make(LangMap, len(m))
	for _, one := range m {
		text, ok := readString(one.value)
		if !ok {
			return false
		}
		out[one.name] = text
	}
	*l = out
	return true
}

func appendLangMap(b []byte, l LangMap) (_ []byte, err error) {
	b = append(b, '{')
	open := len(b)
	for _, tag := range slices.Sorted(maps.Keys(l)) {
		if b, err = appendName(b, open, tag); err != nil {
			return nil, err
		}
		if b, err = appendString(b, l[tag]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// readTime reads an xsd:dateTime in the forms that servers write: RFC 3339, and the offset without a
// colon of Threads and of Pixelfed's Announce (seen 2026-06).
func readTime(raw []byte) (time.Time, bool) {
	text, ok := readString(raw)
	if !ok || !isDateTime(text) {
		return time.Time{}, false
	}
	layout := time.RFC3339
	if n := len(text); text[n-1] != 'Z' && text[n-3] != ':' {
		layout = "2006-01-02T15:04:05Z0700"
	}
	t, err := time.Parse(layout, text)
	// A time that UTC moves out of the years 0 to 9999 could not be written back.
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}

// isDateTime refuses what time.Parse takes although it is none, or although it would not keep all
// of it: hours of one digit, a comma before the fraction, digits after the ninth, offsets beyond a day.
func isDateTime(text string) bool {
	const pattern = "0000-00-00T00:00:00"
	rest, ok := cutDigits(text, pattern)
	if !ok {
		return false
	}
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		if digits := len(fraction) - len(rest); digits == 0 || digits > 9 {
			return false
		}
	}
	if rest == "Z" {
		return true
	}
	if rest == "" || rest[0] != '+' && rest[0] != '-' {
		return false
	}
	hours := rest[1:]
	minutes, ok := cutDigits(hours, "00")
	if !ok {
		return false
	}
	minutes = strings.TrimPrefix(minutes, ":")
	end, ok := cutDigits(minutes, "00")
	return ok && end == "" && hours[:2] < "24" && minutes[:2] < "60"
}

// cutDigits cuts from text what looks like pattern, in which 0 stands for any digit.
func cutDigits(text, pattern string) (rest string, ok bool) {
	if len(text) < len(pattern) {
		return "", false
	}
	for i := range len(pattern) {
		isDigit := '0' <= text[i] && text[i] <= '9'
		if pattern[i] == '0' && !isDigit || pattern[i] != '0' && text[i] != pattern[i] {
			return "", false
		}
	}
	return text[len(pattern):], true
}

// appendTime writes UTC with Z, which is the one form that every peer reads.
func appendTime(b []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return nil, errors.New("a time outside the years 0 to 9999")
	}
	b = append(b, '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"'), nil
}

// readString reads a JSON string whose text is known to be valid.
func readString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if !bytes.Contains(raw, []byte{'\\'}) {
		return string(raw[1 : len(raw)-1]), true
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return string(text), err == nil
}

func appendString(b []byte, s string) ([]byte, error) { return jsontext.AppendQuote(b, s) }

// appendRaw writes an embedded value, without white space so that equal documents are equal bytes.
// It refuses what Decode would not read back.
func appendRaw(b []byte, raw json.RawMessage) ([]byte, error) {
	b, err := jsontext.AppendFormat(b, raw, jsontext.PreserveRawStrings(true))
	if err != nil {
		return nil, fmt.Errorf("%w in %.200q", err, raw)
	}
	return b, nil
}

// set reads raw into the field that dst points to. It reports false, and leaves the field
// alone, if raw does not fit or if the field could not tell it from an absent value.
func set(dst any, raw []byte) bool {
	switch dst := dst.(type) {
	case *string:
		s, ok := readString(raw)
		if !ok || s == "" {
			return false
		}
		*dst = s
	case *bool:
		if string(raw) != "true" {
			return false
		}
		*dst = true
	case *int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n == 0 || strconv.FormatInt(n, 10) != string(raw) {
			return false
		}
		*dst = n
	case **int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(raw) {
			return false
		}
		*dst = &n
	case *time.Time:
		t, ok := readTime(raw)
		if !ok || t.IsZero() {
			return false
		}
		*dst = t
	case *json.RawMessage:
		*dst = json.RawMessage(raw)
	case reader:
		return dst.read(raw)
	default:
		return false
	}
	return true
}

// isAbsent reports whether the field that src points to holds its zero value.
func isAbsent(src any) bool {
	switch v := src.(type) {
	case *string:
		return *v == ""
	case *bool:
		return !*v
	case *int64:
		return *v == 0
	case **int64:
		return *v == nil
	case *time.Time:
		return v.IsZero()
	case *json.RawMessage:
		return len(*v) == 0
	case *Types:
		return *v == nil
	case *Ref:
		return v.IsZero()
	case *Refs:
		return *v == nil
	case *List:
		return *v == nil
	case *Audience:
		return *v == nil
	case *LangMap:
		return *v == nil
	}
	return false
}

// appendField writes the value of the field that src points to, which is not absent.
func appendField(b []byte, src any) ([]byte, error) {
	switch v := src.(type) {
	case *string:
		return appendString(b, *v)
	case *bool:
		return strconv.AppendBool(b, *v), nil
	case *int64:
		return strconv.AppendInt(b, *v, 10), nil
	case **int64:
		return strconv.AppendInt(b, **v, 10), nil
	case *time.Time:
		return appendTime(b, *v)
	case *json.RawMessage:
		return appendRaw(b, *v)
	case *Types:
		return v.append(b)
	case *Ref:
		return v.append(b)
	case *Refs:
		return appendRefs(b, *v, true)
	case *List:
		return appendRefs(b, *v, false)
	case *Audience:
		return appendAudience(b, *v)
	case *LangMap:
		return appendLangMap(b, *v)
	}
	return nil, fmt.Errorf("no way to write a field of type %T", src)
}
