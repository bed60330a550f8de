package kill

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Point is a place where a process is killed. The process says that it is there and waits for its end, so that
// nothing comes after it; at a loose point it goes on, and is killed a moment later.
type Point struct {
	Name  string
	Most  int  // it is killed the nth time that it comes here, n from 1 to most
	Loose bool // it goes on
	Big   bool // of deliveries: needs a post to many
	Split bool // of deliveries: acks are recorded one by one
}

// Anytime is killed without being asked where it is: while it starts, while it recovers, or later.
const Anytime = "anytime"

// Deck deals points in random order, each as often as the others.
type Deck struct {
	Points []Point
	Rand   *rand.Rand
	left   []Point
}

func (d *Deck) Next() Point {
	if len(d.left) == 0 {
		d.left = append(d.left, d.Points...)
		d.Rand.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	p := d.left[0]
	d.left = d.left[1:]
	return p
}

// Again puts a point that was not reached back among those that are left.
func (d *Deck) Again(name string) {
	for _, p := range d.Points {
		if p.Name == name {
			i := d.Rand.IntN(len(d.left) + 1)
			d.left = slices.Insert(d.left, i, p)
		}
	}
}

// Choose keeps the points whose names contain one of the words of a list with commas; all for "".
func Choose(points []Point, words string) ([]Point, error) {
	if words == "" {
		return points, nil
	}
	var chosen []Point
	for word := range strings.SplitSeq(words, ",") {
		before := len(chosen)
		for _, p := range points {
			if strings.Contains(p.Name, word) {
				chosen = append(chosen, p)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-points: no Point is called %q", word)
		}
	}
	return chosen, nil
}
