package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/crowd"
)

const (
	otherHosts  = 10
	otherActors = 10 // of each
	otherRate   = 40 // posts a second, of all of them
	quietTime   = 20 * time.Second
	stormLines  = 64 // connections of the host whose actors like the post
)

// weather is what a storm came to.
type weather struct {
	Actors, Likes, Announces, Replies int
	Seconds                           float64 `json:"seconds"`
	Passes                            int     `json:"passes"`      // until everything was accepted
	Refused                           int     `json:"answers_503"` // of the crowd's, tried again
	Fetched, MostAtOnce               int64   // of the crowd's documents
	Hooks                             int64   `json:"calls_of_hooks"` // for likes, boosts and answers
	QuietP99, StormP99                float64 // ms, from the POST of another host to its 202
	QuietHook, StormHook              float64 // ms, from its POST to the hook
	OthersSent, OthersRefused         int
	Lost, Extra                       int64
	RSS                               float64 `json:"server_max_rss_mb"`
	Journal                           int64   `json:"journal_mb"` // SQLite's files at the end
}

// others are small servers whose people write to ours at a steady rate, whatever goes on.
type others struct {
	crowds  []*crowd.Crowd
	to      *url.URL
	address string // of the server

	mu      sync.Mutex
	latency []time.Duration
	sent    int
	refused int
}

// send posts at otherRate until ctx ends, and waits for the last answer.
func (o *others) send(ctx context.Context, run string) {
	tick := time.NewTicker(time.Second / otherRate)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wg.Go(func() { o.one(i, run) })
	}
}

func (o *others) one(i int, run string) {
	c := o.crowds[i%len(o.crowds)]
	member := i / len(o.crowds)
	// Signing is the sender's time, not the server's.
	now := time.Now()
	body := c.Create(member, run, localActor, " sent="+strconv.FormatInt(now.UnixNano(), 10))
	request, err := c.Request(member, o.to, body, false)
	status := 0
	start := time.Now()
	if err == nil {
		status, err = crowd.Send(o.address, request)
	}
	took := time.Since(start)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	if err != nil || status != http.StatusAccepted {
		o.refused++
		return
	}
	o.latency = append(o.latency, took)
}

// take returns what was measured since it was last called.
func (o *others) take() (latency []time.Duration, sent, refused int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	latency, sent, refused = o.latency, o.sent, o.refused
	o.latency, o.sent, o.refused = nil, 0, 0
	return latency, sent, refused
}

// storm lets the actors of one host like, boost or answer one post, while others go on as ever.
func storm(ctx context.Context, o options) error {
	c, err := crowd.New("http://"+crowdHost, o.storm)
	if err != nil {
		return err
	}
	address, stop, err := listen(c)
	if err != nil {
		return err
	}
	defer stop()
	names := []string{crowdHost + "=" + address}
	small := &others{to: &url.URL{Scheme: "http", Host: localHost, Path: "/ap/inbox"}}
	for i := range otherHosts {
		host := fmt.Sprintf("small%d.test", i)
		one, err := crowd.New("http://"+host, otherActors)
		if err != nil {
			return err
		}
		address, stop, err := listen(one)
		if err != nil {
			return err
		}
		defer stop()
		small.crowds, names = append(small.crowds, one), append(names, host+"="+address)
	}
	data, err := os.MkdirTemp("", "inboxserver")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	args := []string{
		"-serve", "fedihook", "-store", o.store, "-data", data, "-names", strings.Join(names, ","),
		"-fetches", strconv.Itoa(o.fetches), "-group=" + strconv.FormatBool(o.group),
	}
	args = append(args, o.profiles("storm")...)
	server, err := start(ctx, args...)
	if err != nil {
		return err
	}
	w, err := blow(ctx, o, c, small, server)
	w.Journal = size(data) >> 20
	if stopErr := server.Stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	return w.print(o.json)
}

func blow(ctx context.Context, o options, c *crowd.Crowd, small *others, server *child) (weather, error) {
	w := weather{Actors: o.storm}
	small.address = server.address
	requests, err := c.Requests(o.storm, small.to, func(i int) ([]byte, bool) {
		switch {
		case i%20 == 19:
			return c.Reply(i, "storm", localActor, server.post), false
		case i%2 == 0:
			return c.Like(i, "storm", server.post), false
		}
		return c.Announce(i, "storm", server.post), false
	})
	if err != nil {
		return w, err
	}
	for i := range o.storm {
		switch {
		case i%20 == 19:
			w.Replies++
		case i%2 == 0:
			w.Likes++
		default:
			w.Announces++
		}
	}
	if runtime.NumCPU() > 1 {
		if err := bench.Pin(0); err != nil {
			return w, err
		}
		defer bench.Unpin()
	}
	// Once without a clock, so that everybody's key is known.
	small.during(ctx, "warm", otherHosts*otherActors*time.Second/otherRate)
	small.take()
	if _, err := server.counts(ctx); err != nil { // forgets the times
		return w, err
	}
	small.during(ctx, "quiet", quietTime)
	quiet, _, refused := small.take()
	before, err := server.counts(ctx)
	if err != nil {
		return w, err
	}
	if refused > 0 {
		return w, fmt.Errorf("%d posts were refused while all was quiet", refused)
	}
	w.QuietP99, w.QuietHook = milliseconds(bench.Percentile(quiet, 0.99)), milliseconds(before.HookP99)

	blowing, calm := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); small.send(blowing, "storm") }()
	start := time.Now()
	for left := requests; len(left) > 0 && ctx.Err() == nil; {
		result := crowd.Fire(ctx, server.address, left, stormLines, time.Second)
		w.Passes++
		w.Refused += len(result.Again)
		if result.Accepted()+len(result.Again) != len(left) {
			calm()
			<-done
			return w, fmt.Errorf("a storm was answered %v: %s", result.Status, result.Sample)
		}
		var again [][]byte
		for _, i := range result.Again {
			again = append(again, left[i])
		}
		if left = again; len(left) > 0 {
			time.Sleep(time.Second)
		}
	}
	calm()
	<-done
	latency, sent, refused := small.take()
	w.OthersSent, w.OthersRefused = sent, refused
	want := before.sum() + int64(o.storm) + int64(sent-refused)
	after, err := server.until(ctx, want)
	w.Seconds = time.Since(start).Seconds()
	w.StormP99, w.StormHook = milliseconds(bench.Percentile(latency, 0.99)), milliseconds(after.HookP99)
	w.Fetched, w.MostAtOnce = c.Fetched.Load(), c.Most.Load()
	w.Hooks = after.Hooks - before.Hooks - int64(sent-refused)
	got := after.Likes + after.Announces + after.Replies - before.Likes - before.Announces - before.Replies
	if missing := int64(o.storm) - got; missing >= 0 {
		w.Lost = missing
	} else {
		w.Extra = -missing
	}
	w.RSS = float64(server.Usage().Max) / (1 << 20)
	return w, err
}

// during lets them send for a while.
func (o *others) during(ctx context.Context, run string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	o.send(ctx, run)
}

// size is how much the files in a folder have together.
func size(folder string) (sum int64) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return 0
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

func (w weather) print(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(w)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "actors of one host\t%d\t%d likes, %d boosts, %d answers\n", w.Actors, w.Likes, w.Announces, w.Replies)
	fmt.Fprintf(out, "until all hooks had run\t%.0f s\t%.0f a second, %d passes, %d answers 429 or 503\n",
		w.Seconds, float64(w.Actors)/w.Seconds, w.Passes, w.Refused)
	fmt.Fprintf(out, "documents fetched\t%d\t%.3f for each actor, %d at once at most\n",
		w.Fetched, float64(w.Fetched)/float64(w.Actors), w.MostAtOnce)
	fmt.Fprintf(out, "calls of hooks for them\t%d\t\n", w.Hooks)
	fmt.Fprintf(out, "lost, too many\t%d, %d\t\n", w.Lost, w.Extra)
	fmt.Fprintf(out, "others, p99 of the answer\t%.2f ms\t%.2f ms while quiet: %.2f×; %d of %d refused\n",
		w.StormP99, w.QuietP99, w.StormP99/w.QuietP99, w.OthersRefused, w.OthersSent)
	fmt.Fprintf(out, "others, p99 of the hook\t%.2f ms\t%.2f ms while quiet: %.2f×\n", w.StormHook, w.QuietHook, w.StormHook/w.QuietHook)
	fmt.Fprintf(out, "memory at most, files\t%.0f MB, %d MB\t\n", w.RSS, w.Journal)
	for _, g := range w.goals() {
		said := "met"
		if !g.met {
			said = "NOT MET"
		}
		fmt.Fprintf(out, "goal: %s\t%s\t\n", g.what, said)
	}
	return out.Flush()
}

// Goals of a storm, of however many actors.
const (
	goalSlower  = 2.0 // the 99th percentile of the others' answers, of what it is while all is quiet
	goalMemory  = 200 // MB
	goalAtOnce  = 16  // documents: what inbox.Config.MaxFetching is
	goalJournal = 1   // KB on the disk for each actor, beside what is there without any
)

type goal struct {
	what string
	met  bool
}

func (w weather) goals() []goal {
	return []goal{
		{fmt.Sprintf("others, p99 of the answer at most %.0f× what it is while quiet", goalSlower), w.StormP99 <= goalSlower*w.QuietP99},
		{"none of the others' posts refused", w.OthersRefused == 0},
		{"one document fetched for each actor", w.Fetched == int64(w.Actors)},
		{fmt.Sprintf("at most %d fetched at once", goalAtOnce), w.MostAtOnce <= goalAtOnce},
		{"nothing lost that was answered 202, and counts exact", w.Lost == 0 && w.Extra == 0},
		{fmt.Sprintf("memory at most %d MB", goalMemory), w.RSS <= goalMemory},
		{fmt.Sprintf("files at most %d KB for each actor and 20 MB", goalJournal), w.Journal <= 20+int64(w.Actors*goalJournal>>10)},
	}
}
