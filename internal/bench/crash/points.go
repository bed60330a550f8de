package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// point is a place where the server is killed. The server says that it is there and waits for its end, so that
// nothing comes after it; at a loose point it goes on, and is killed a moment later.
type point struct {
	name  string
	most  int  // it is killed the nth time that it comes here, n from 1 to most
	loose bool // it goes on
	big   bool // of deliveries: needs a post to many
	split bool // of deliveries: acks are recorded one by one
}

// anytime is killed without being asked where it is: while it starts, while it recovers, or later.
const anytime = "anytime"

// deliveryPoints follow a post from the app's transaction to the record of its arrival.
var deliveryPoints = []point{
	{name: "app before commit", most: 4},
	{name: "app inside commit", most: 12},
	{name: "app commit, loosely", most: 4, loose: true},
	{name: "app after commit", most: 4},
	{name: "intent before dropped", most: 3},
	{name: "enqueue before commit", most: 3},
	{name: "enqueue inside commit", most: 24},
	{name: "enqueue commit, loosely", most: 3, loose: true},
	{name: "enqueue after commit", most: 3},
	{name: "request written", most: 40},
	{name: "answer read", most: 40},
	{name: "flush before commit", most: 2, big: true},
	{name: "flush inside commit", most: 12, big: true},
	{name: "flush after commit", most: 2},
	{name: "inside compaction", most: 1, big: true, split: true},
	{name: "inside checkpoint", most: 30},
	{name: anytime},
}

// inboxPoints follow an activity from its request to the record that its hook has run.
var inboxPoints = []point{
	{name: "journal before commit", most: 4},
	{name: "journal inside commit", most: 24},
	{name: "journal commit, loosely", most: 4, loose: true},
	{name: "journal after commit", most: 4},
	{name: "before the answer", most: 10},
	{name: "hook begun", most: 10},
	{name: "effect inside commit", most: 12},
	{name: "hook done", most: 10},
	{name: "mark before commit", most: 10},
	{name: "mark inside commit", most: 24},
	{name: "mark commit, loosely", most: 10, loose: true},
	{name: "mark after commit", most: 10},
	{name: "inside checkpoint", most: 30},
	{name: anytime},
}

// deck deals points in random order, each as often as the others.
type deck struct {
	points []point
	rand   *rand.Rand
	left   []point
}

func (d *deck) next() point {
	if len(d.left) == 0 {
		d.left = append(d.left, d.points...)
		d.rand.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	p := d.left[0]
	d.left = d.left[1:]
	return p
}

// choose keeps the points whose names contain one of the words of a list with commas; all for "".
func choose(points []point, words string) ([]point, error) {
	if words == "" {
		return points, nil
	}
	var chosen []point
	for word := range strings.SplitSeq(words, ",") {
		before := len(chosen)
		for _, p := range points {
			if strings.Contains(p.name, word) {
				chosen = append(chosen, p)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-points: no point is called %q", word)
		}
	}
	return chosen, nil
}
