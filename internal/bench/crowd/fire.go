package crowd

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what came of some requests.
type Result struct {
	Took    time.Duration
	Latency []time.Duration // of each answer, in no order
	Status  map[int]int     // how many answers had it
	Errors  int             // requests without an answer
	Again   []int           // which requests were answered 429 or 503, or not at all
	Sample  string          // one answer that was no success
}

// Accepted is how many were answered with a success.
func (r *Result) Accepted() int {
	n := 0
	for status, count := range r.Status {
		if status >= 200 && status < 300 {
			n += count
		}
	}
	return n
}

const patience = 60 * time.Second // for one answer

// Fire sends requests to address over so many connections, each as soon as the one before it was answered; who was told to
// come again pauses first.
func Fire(ctx context.Context, address string, requests [][]byte, connections int, pause time.Duration) Result {
	result := Result{Status: make(map[int]int), Latency: make([]time.Duration, 0, len(requests))}
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range connections {
		wg.Go(func() {
			line := &connection{address: address}
			defer line.close()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				began := time.Now()
				status, text, err := line.exchange(requests[i])
				took := time.Since(began)
				mu.Lock()
				if err != nil {
					result.Errors++
				} else {
					result.Status[status]++
					result.Latency = append(result.Latency, took)
				}
				again := err != nil || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
				if again {
					result.Again = append(result.Again, i)
				}
				if result.Sample == "" && (err != nil || status >= 300) {
					if result.Sample = text; err != nil {
						result.Sample = err.Error()
					}
				}
				mu.Unlock()
				if again {
					select {
					case <-ctx.Done():
					case <-time.After(pause):
					}
				}
			}
		})
	}
	wg.Wait()
	result.Took = time.Since(start)
	return result
}

// Send sends one request over a connection of its own.
func Send(address string, request []byte) (status int, err error) {
	line := &connection{address: address}
	defer line.close()
	status, _, err = line.exchange(request)
	return status, err
}

// connection is dialled when it is needed.
type connection struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // what was to be read was
		c.conn = nil
	}
}

func (c *connection) exchange(request []byte) (status int, text string, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.address); err != nil {
			return 0, "", err
		}
		c.reader = bufio.NewReader(c.conn)
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, "", err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, "", err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, "", err
	}
	if answer.Close {
		c.close()
	}
	return answer.StatusCode, answer.Status + ": " + string(body[:min(len(body), 200)]), nil
}
