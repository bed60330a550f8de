package activity

import (
	"strings"
	"time"
)

// readTime reads a JSON string whose text is known to be valid. See parseTime.
func readTime(raw []byte) (time.Time, bool) {
	text, _ := readString(raw)
	return parseTime(text)
}

// parseTime reads an xsd:dateTime in the forms that servers write: RFC 3339, and the offset without a
// colon of Threads and of Pixelfed's Announce (seen 2026-06).
func parseTime(text string) (time.Time, bool) {
	if !isDateTime(text) {
		return time.Time{}, false
	}
	n := len(text)
	if text[n-1] == 'Z' {
		t, err := time.Parse(time.RFC3339, text)
		return t, err == nil
	}
	layout := time.RFC3339
	if text[n-3] != ':' {
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
