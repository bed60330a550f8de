package activity_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestADurationIsReadWhereItIsExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"PT1H2M3.5S":              time.Hour + 2*time.Minute + 3*time.Second + 500*time.Millisecond,
		"P2DT1S":                  48*time.Hour + time.Second,
		"P0Y0M1D":                 24 * time.Hour,
		"-PT5M":                   -5 * time.Minute,
		"PT0S":                    0,
		"PT12.5S":                 12500 * time.Millisecond,
		"PT0.000000001S":          1,
		"PT1.0000000000000S":      time.Second,
		"PT00100S":                100 * time.Second,
		"PT90M":                   90 * time.Minute,
		"PT9223372036.854775807S": math.MaxInt64,
	} {
		if got, err := activity.ParseDuration(text); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, why := range map[string]string{
		"": "form", "P": "form", "PT": "form", "P1DT": "form", "P1": "form", "1H": "form", "PT1H ": "form", "PT1M1H": "form", "PT-1S": "form",
		"PT1.5H": "form", "PT.5S": "form", "PT1.S": "form", "P1W": "form", "+PT1S": "form", "pt1s": "form", "PT1S\n": "form", "PT１S": "form",
		"P1Y": "fixed", "P1M": "fixed", "P1Y2M3DT1H": "fixed",
		"PT0.0000000001S":         "finer",
		"PT9223372036.854775808S": "long", "PT9999999999999999999999S": "long", "P106752D": "long", "PT2562047H9999999M": "long",
	} {
		got, err := activity.ParseDuration(text)
		if !errors.Is(err, activity.ErrDuration) || !strings.Contains(err.Error(), why) || got != 0 {
			t.Errorf("%q: %v, %v, want something about %q", text, got, err, why)
		}
	}
}

func TestADurationIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	for want, text := range map[time.Duration]string{
		0: "PT0S", 1: "PT0.000000001S", 26*time.Hour + 3500*time.Millisecond: "PT26H3.5S", -time.Minute: "-PT1M", 10 * time.Second: "PT10S",
		math.MaxInt64: "PT2562047H47M16.854775807S",
	} {
		if got := activity.FormatDuration(want); got != text {
			t.Errorf("%v is written as %s, want %s", want, got, text)
		}
		if got, err := activity.ParseDuration(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if got := activity.FormatDuration(math.MinInt64); got != "-PT2562047H47M16.854775808S" {
		t.Errorf("the shortest of all: %s", got)
	}
}

func TestNumbersAreReadAlsoFromStrings(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]float64{"1": 1, "-52.5": -52.5, `"52.5"`: 52.5, "1e3": 1000, `"0"`: 0} {
		if got, ok := activity.Float(json.RawMessage(raw)); got != want || !ok {
			t.Errorf("%s: %v, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{"", `""`, "null", "true", `"NaN"`, `"Infinity"`, `"0x10"`, `"1_0"`, "[1]", `{"a":1}`, "1e999", `"52,5"`, `"`} {
		if got, ok := activity.Float(json.RawMessage(raw)); ok {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

func TestAPlaceLiesOnTheEarth(t *testing.T) {
	t.Parallel()
	d := mustRoundTrip(t, []byte(`{"type":"Place","latitude":"52.500000000000000001","longitude":13.40,"altitude":34,"accuracy":94.2,"radius":15,"units":"km"}`))
	if p, ok := d.(*activity.Object).Position(); !ok || p != (activity.Position{Latitude: 52.5, Longitude: 13.4}) {
		t.Errorf("%+v, %v", p, ok)
	}
	for _, text := range []string{`{"latitude":91,"longitude":0}`, `{"latitude":0,"longitude":-181}`, `{"latitude":0}`, `{"longitude":0}`, `{"latitude":"north","longitude":0}`} {
		var o activity.Object
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		if p, ok := o.Position(); ok {
			t.Errorf("%s: %+v", text, p)
		}
	}
	want := activity.Position{Latitude: -33.8567844, Longitude: 151.213108}
	if got, ok := activity.Place("Opera", want).Position(); !ok || got != want {
		t.Errorf("%+v", got)
	}
}
