package activity_test

import (
	"slices"
	"testing"
	"time"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"

	"github.com/fedihook/fedihook/activity"
)

// BenchmarkRatio prints how many times faster than go-ap this package is, "x/go-ap". The two take turns of a fraction of a
// millisecond, so that whatever else the machine does slows both alike, and the medians of their turns are compared. A
// machine that others use gives figures that differ by a tenth.
func BenchmarkRatio(b *testing.B) {
	for _, file := range []string{"create-note-media.json", "actor-person.json"} {
		data := benchFile(b, file)
		ratio(b, "decode/"+file, func() { decodeAll(b, data) }, func() {
			if it, err := vocab.UnmarshalJSON(data); err != nil || it == nil {
				b.Fatal(it, err)
			}
		})
		it, err := vocab.UnmarshalJSON(data)
		if err != nil {
			b.Fatal(err)
		}
		theirs := func() {
			context := []jsonld.Collapsible{jsonld.IRI(activity.Namespace), jsonld.IRI("https://w3id.org/security/v1")}
			if out, err := jsonld.WithContext(context...).Marshal(it); err != nil || len(out) == 0 {
				b.Fatal(err)
			}
		}
		ratio(b, "encode/"+file, encoder(b, decodeAll(b, data)), theirs)
	}
}

// encoder writes d as an app makes it: with what it embeds embedded anew, and the context to be found.
func encoder(b *testing.B, d activity.Document) func() {
	encode := func() {
		if out, err := activity.Encode(d); err != nil || len(out) == 0 {
			b.Fatal(err)
		}
	}
	switch d := d.(type) {
	case *activity.Activity:
		d.AtContext = nil
		inner, err := d.Object[0].Document()
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			d.Object[0] = activity.Embed(inner)
			encode()
		}
	case *activity.Actor:
		d.AtContext = nil
	}
	return encode
}

func ratio(b *testing.B, name string, ours, theirs func()) {
	b.Run(name, func(b *testing.B) {
		const turn = 20
		var mine, other []time.Duration
		for b.Loop() {
			for _, side := range []struct {
				times *[]time.Duration
				do    func()
			}{{&mine, ours}, {&other, theirs}} {
				start := time.Now()
				for range turn {
					side.do()
				}
				*side.times = append(*side.times, time.Since(start))
			}
		}
		slices.Sort(mine)
		slices.Sort(other)
		b.ReportMetric(float64(other[len(other)/2])/float64(mine[len(mine)/2]), "x/go-ap")
		b.ReportMetric(float64(mine[len(mine)/2].Nanoseconds())/turn, "ns/ours")
	})
}
