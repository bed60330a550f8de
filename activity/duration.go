package activity

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrDuration is wrapped by every error of [ParseDuration].
var ErrDuration = errors.New("no exact duration")

// xsdDuration captures the sign, years, months, days, hours, minutes, seconds, and their fraction.
var xsdDuration = regexp.MustCompile(`^(-?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?$`)

// ParseDuration reads an xsd:duration, as it stands in duration: "PT1H2M3.5S". A day has 24 hours. Years and
// months, unless there are none of them, fractions finer than a nanosecond and what exceeds 292 years
// have no exact time.Duration: then, as for what is no xsd:duration, the error wraps [ErrDuration].
// ActivityStreams Vocabulary §4.
func ParseDuration(s string) (time.Duration, error) {
	fail := func(reason string) (time.Duration, error) {
		return 0, fmt.Errorf("activity: duration %.100q: %w: %s", s, ErrDuration, reason)
	}
	m := xsdDuration.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return fail("not of the form P1DT2H3M4.5S")
	}
	if strings.Trim(m[2]+m[3], "0") != "" {
		return fail("years and months have no fixed length")
	}
	fraction := strings.TrimRight(m[8], "0")
	if len(fraction) > 9 {
		return fail("finer than a nanosecond")
	}
	var sum time.Duration
	for _, part := range []struct {
		digits string
		unit   time.Duration
	}{
		{m[4], 24 * time.Hour}, {m[5], time.Hour}, {m[6], time.Minute}, {m[7], time.Second},
		{(fraction + "000000000")[:9], time.Nanosecond},
	} {
		n, err := strconv.ParseInt("0"+part.digits, 10, 64)
		if err != nil || n > int64((math.MaxInt64-sum)/part.unit) {
			return fail("too long")
		}
		sum += time.Duration(n) * part.unit
	}
	if m[1] == "-" {
		sum = -sum
	}
	return sum, nil
}

// FormatDuration writes d as an xsd:duration without days, whose length nobody can argue about: "PT26H3.5S".
// [ParseDuration] reads it back exactly, but for the shortest d of all, which it calls too long.
func FormatDuration(d time.Duration) string {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	out := sign + "PT"
	if hours := n / uint64(time.Hour); hours > 0 {
		out += fmt.Sprintf("%dH", hours)
	}
	if minutes := n / uint64(time.Minute) % 60; minutes > 0 {
		out += fmt.Sprintf("%dM", minutes)
	}
	if rest := n % uint64(time.Minute); rest > 0 || n == 0 {
		seconds := fmt.Sprintf("%d.%09d", rest/uint64(time.Second), rest%uint64(time.Second))
		out += strings.TrimRight(strings.TrimRight(seconds, "0"), ".") + "S"
	}
	return out
}
