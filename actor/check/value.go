package check

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// sameHost compares as peers do here: the scheme does not count, a port does.
func sameHost(a, b string) bool {
	secure := func(iri string) string {
		if rest, ok := strings.CutPrefix(iri, "http://"); ok {
			return "https://" + rest
		}
		return iri
	}
	return activity.SameAuthority(secure(a), secure(b))
}

// isRFC3339 tells whether text is a time as Lemmy's library reads it.
func isRFC3339(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// webURL tells whether iri is an absolute http or https URL with a host.
func webURL(iri string) bool {
	u, err := url.Parse(iri)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && len(iri) <= 2<<10
}

func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, one := range v {
			deepest = max(deepest, depthOf(one))
		}
	case []any:
		for _, one := range v {
			deepest = max(deepest, depthOf(one))
		}
	default:
		return 0
	}
	return deepest + 1
}

func kindOfValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case map[string]any:
		return "an object"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case bool:
		return "a boolean"
	}
	return "a number"
}

// quoted is a value as it may be shown: a string in quotes without control characters, else its kind.
func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", shortened(s))
	}
	return kindOfValue(v)
}

// shortened keeps what is quoted of strangers short.
func shortened(s string) string {
	if len(s) <= 120 {
		return s
	}
	return strings.ToValidUTF8(s[:117], "") + "…"
}
