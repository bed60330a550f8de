package main

import "github.com/fedihook/fedihook/internal/bench/kill"

// deliveryPoints follow a post from the app's transaction to the record of its arrival.
var deliveryPoints = []kill.Point{
	{Name: "app before commit", Most: 4},
	{Name: "app inside commit", Most: 12},
	{Name: "app commit, loosely", Most: 4, Loose: true},
	{Name: "app after commit", Most: 4},
	{Name: "intent before dropped", Most: 3},
	{Name: "enqueue before commit", Most: 3},
	{Name: "enqueue inside commit", Most: 24},
	{Name: "enqueue commit, loosely", Most: 3, Loose: true},
	{Name: "enqueue after commit", Most: 3},
	{Name: "request written", Most: 40},
	{Name: "answer read", Most: 40},
	{Name: "flush before commit", Most: 2, Big: true},
	{Name: "flush inside commit", Most: 12, Big: true},
	{Name: "flush after commit", Most: 2},
	{Name: "inside compaction", Most: 1, Big: true, Split: true},
	{Name: "inside checkpoint", Most: 30},
	{Name: kill.Anytime},
}

// inboxPoints follow an activity from its request to the record that its hook has run.
var inboxPoints = []kill.Point{
	{Name: "journal before commit", Most: 4},
	{Name: "journal inside commit", Most: 24},
	{Name: "journal commit, loosely", Most: 4, Loose: true},
	{Name: "journal after commit", Most: 4},
	{Name: "before the answer", Most: 10},
	{Name: "hook begun", Most: 10},
	{Name: "effect inside commit", Most: 12},
	{Name: "hook done", Most: 10},
	{Name: "mark before commit", Most: 10},
	{Name: "mark inside commit", Most: 24},
	{Name: "mark commit, loosely", Most: 10, Loose: true},
	{Name: "mark after commit", Most: 10},
	{Name: "inside checkpoint", Most: 30},
	{Name: kill.Anytime},
}
