package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/crowd"
)

const (
	crowdHost  = "crowd.test"
	localHost  = "local.test"
	localActor = "http://" + localHost + "/ap/users/bob"
)

// listen serves a crowd's documents and returns where.
func listen(c *crowd.Crowd) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: c}
	go func() { _ = server.Serve(l) }() // ends with Close, always with an error
	return l.Addr().String(), func() { _ = server.Close() }, nil
}

// plain plays scenes in which everything is well, or everything forged.
func plain(ctx context.Context, o options) error {
	c, err := crowd.New("http://"+crowdHost, o.actors)
	if err != nil {
		return err
	}
	address, stop, err := listen(c)
	if err != nil {
		return err
	}
	defer stop()
	var rows []row
	for scene := range strings.SplitSeq(o.scenes, ",") {
		r, err := play(ctx, o, c, address, scene)
		if err != nil {
			return fmt.Errorf("scene %s: %w", scene, err)
		}
		rows = append(rows, r)
	}
	return report(rows, o.json)
}

func play(ctx context.Context, o options, c *crowd.Crowd, documents, scene string) (row, error) {
	kind, store, path, forged := "fedihook", "memory", "/ap/inbox", false
	switch scene {
	case "bare":
		kind, path = "bare", "/inbox"
	case "memory":
	case "sqlite":
		store = "sqlite"
	case "forged":
		forged = true
	default:
		return row{}, fmt.Errorf("there is none; there are bare, memory, sqlite and forged")
	}
	data, err := os.MkdirTemp("", "inboxserver")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(data)
	to := &url.URL{Scheme: "http", Host: localHost, Path: path}
	requests, err := c.Requests(o.warm+o.n, to, func(i int) ([]byte, bool) {
		return c.Create(i, scene, localActor, ""), forged && i >= o.warm
	})
	if err != nil {
		return row{}, err
	}
	args := []string{"-serve", kind, "-store", store, "-data", data, "-names", crowdHost + "=" + documents}
	args = append(args, o.profiles(scene)...)
	server, err := start(ctx, args...)
	if err != nil {
		return row{}, err
	}
	r, err := measure(ctx, o, c, server, scene, requests, forged)
	if stopErr := server.Stop(); err == nil {
		err = stopErr
	}
	return r, err
}

// profiles are the arguments that have a server write what was asked for.
func (o *options) profiles(scene string) (args []string) {
	if o.profile != "" {
		args = append(args, "-cpuprofile", o.profile+"."+scene)
	}
	if o.memory != "" {
		args = append(args, "-memprofile", o.memory+"."+scene)
	}
	return args
}

func measure(ctx context.Context, o options, c *crowd.Crowd, server *child, scene string, requests [][]byte, forged bool) (row, error) {
	if runtime.NumCPU() > 1 {
		if err := bench.Pin(0); err != nil {
			return row{}, err
		}
		defer bench.Unpin()
	}
	warm := crowd.Fire(ctx, server.address, requests[:o.warm], o.connections, 0)
	if warm.Accepted() != o.warm {
		return row{}, fmt.Errorf("the warm-up was answered %v, %d errors: %s", warm.Status, warm.Errors, warm.Sample)
	}
	if _, err := server.until(ctx, int64(o.warm)); err != nil {
		return row{}, err
	}
	if err := server.settle(ctx); err != nil {
		return row{}, err
	}
	fetched, before := c.Fetched.Load(), server.Usage()
	result := crowd.Fire(ctx, server.address, requests[o.warm:], o.connections, 0)
	r := row{Scene: scene, Answered: float64(o.n) / result.Took.Seconds(), Status: fmt.Sprint(result.Status)}
	r.Done = r.Answered
	if forged {
		if result.Status[http.StatusUnauthorized] != o.n {
			return r, fmt.Errorf("of %d forgeries %d were answered 401: %v, %s", o.n, result.Status[http.StatusUnauthorized], result.Status, result.Sample)
		}
	} else {
		if result.Accepted() != o.n {
			return r, fmt.Errorf("%d of %d were accepted: %v, %d errors, %s", result.Accepted(), o.n, result.Status, result.Errors, result.Sample)
		}
		drained, err := took(func() error { _, err := server.until(ctx, int64(o.warm+o.n)); return err })
		if err != nil {
			return r, err
		}
		r.Done = float64(o.n) / (result.Took + drained).Seconds()
	}
	after := server.Usage()
	r.P50 = milliseconds(bench.Percentile(result.Latency, 0.5))
	r.P99 = milliseconds(bench.Percentile(result.Latency, 0.99))
	r.CPU = float64((after.CPU - before.CPU).Microseconds()) / float64(o.n)
	r.RSS = float64(after.Max) / (1 << 20)
	r.Fetched = c.Fetched.Load() - fetched
	return r, nil
}

func took(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}
