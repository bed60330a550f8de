package simulation

import (
	"testing"
	"time"
)

func world1() Config {
	return Config{
		Followers: 400, Hosts: 80, Days: 2, Posts: 4, Replies: 10, Dead: 0.2, Tarpit: 0.05, Personal: 0.1,
		Latency: DefaultLatency, Spread: 0.5, Busy: 0.01, Refusing: 0.01,
		Regions: 2, Outages: 1, Outage: 5 * time.Hour, Heard: time.Minute, Seed: 7,
	}
}

func TestWhatIsSaidToLiveHostsArrivesOnce(t *testing.T) {
	t.Parallel()
	r, err := Run(t, world1())
	if err != nil {
		t.Fatal(err)
	}
	if r.Posts != 8 || r.Replies != 20 || r.Targets == 0 || r.Delivered != r.Targets || r.Repeated != 0 {
		t.Errorf("%+v", r)
	}
	if n := r.Up.N + r.Back.N + r.Fast.N; n != r.Delivered {
		t.Errorf("%d deliveries have a time, of %d", n, r.Delivered)
	}
	if r.Dead.Hosts == 0 || r.Dead.Most < 2 || r.Dead.Mean <= 0 || float64(r.Dead.Most) < r.Dead.Mean {
		t.Errorf("attempts at dead hosts: %+v", r.Dead)
	}
	if r.Requests <= int64(r.Delivered) {
		t.Errorf("%d requests for %d deliveries: nothing was in vain", r.Requests, r.Delivered)
	}
}

func TestWorldsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"fewer followers than hosts": func(c *Config) { c.Followers = 1 },
		"no days":                    func(c *Config) { c.Days = 0 },
		"nobody lives":               func(c *Config) { c.Dead = 1 },
		"outages of no region":       func(c *Config) { c.Regions = 0 },
		"a negative share":           func(c *Config) { c.Busy = -1 },
	} {
		c := world1()
		change(&c)
		if _, err := Run(t, c); err == nil {
			t.Errorf("%s: played", name)
		}
	}
}

func TestAttemptsAreCountedInAnyDay(t *testing.T) {
	t.Parallel()
	h := time.Hour
	got := attempts([][]time.Duration{
		{1 * h, 20 * h, 24 * h, 25*h - 1, 25 * h, 60 * h}, // four from the first hour on, and four again up to the 25th
		{0, 24 * h, 48 * h},
		nil,
	}, 2)
	if got.Most != 4 || got.Hosts != 3 || got.Mean != 9.0/3/2.5 {
		t.Errorf("%+v", got)
	}
	if got := attempts(nil, 2); got != (Attempts{}) {
		t.Errorf("of no hosts: %+v", got)
	}
}
