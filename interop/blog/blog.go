// Package blog runs examples/blog as its authors would, in a process of its own, for the tests beside it that bring it
// together with other servers.
//
// Build compiles it once; a [Blog] is started, killed and started again over the same folder. Its pages are read and its
// forms filled in over HTTP, by a [Visitor].
package blog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = time.Minute
	stopLimit  = 20 * time.Second
	logLimit   = 64 << 10
)

// Build compiles the blog, and returns the program's file, which is gone after the test.
func Build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "blog")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/fedihook/fedihook/examples/blog").CombinedOutput(); err != nil {
		t.Fatalf("build the blog: %v\n%s", err, out)
	}
	return program
}

// Blog is how a blog is run. The fields are set before Start.
type Blog struct {
	Program string   // see [Build]
	Origin  string   // where it says that visitors find it
	Hosts   []string // of -insecure-allow-loopback, each host=address
	Env     []string // of its process, and nothing more
	Data    string   // the folder; if it is empty Start makes one, with the sample posts

	// Address is where it listens, after Start.
	Address string

	mu        sync.Mutex
	passwords map[string]string // by name
	log       []byte

	process *exec.Cmd
	ended   chan struct{} // closed when its output has ended
}

var (
	signsIn = regexp.MustCompile(`^(\S+) signs in at \S+ with the password (\S+)$`)
	serving = regexp.MustCompile(`blog: serving .*\baddress=(\S+)`)
)

// Start starts it and waits until it listens. After the test of the first start it is interrupted, and has to end by itself.
func (b *Blog) Start(t testing.TB) {
	t.Helper()
	if b.Data == "" {
		b.Data = samples(t)
	}
	args := []string{"-listen", "127.0.0.1:0", "-origin", b.Origin, "-data", b.Data}
	for _, host := range b.Hosts {
		args = append(args, "-insecure-allow-loopback", host)
	}
	process := exec.Command(b.Program, args...)
	process.Env, process.WaitDelay = b.Env, stopLimit
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Stdout, process.Stderr = writer, writer
	err = process.Start()
	writer.Close()
	if err != nil {
		reader.Close()
		t.Fatalf("start the blog: %v", err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	if b.process == nil {
		t.Cleanup(func() { b.stop(t) })
	}
	b.process, b.ended = process, ended
	go func() {
		defer close(ended)
		defer reader.Close()
		b.read(reader, address)
	}()
	select {
	case b.Address = <-address:
	case <-ended:
		t.Fatalf("the blog ended at once:\n%s", b.Log())
	case <-time.After(startLimit):
		t.Fatalf("the blog did not start within %v:\n%s", startLimit, b.Log())
	}
}

// read takes in what it prints.
func (b *Blog) read(r io.Reader, address chan<- string) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		if m := serving.FindStringSubmatch(line); m != nil {
			select {
			case address <- m[1]:
			default:
			}
		}
		b.mu.Lock()
		if m := signsIn.FindStringSubmatch(line); m != nil {
			if b.passwords == nil {
				b.passwords = make(map[string]string)
			}
			b.passwords[m[1]] = m[2]
		} else if len(b.log) < logLimit {
			b.log = append(append(b.log, line...), '\n')
		}
		b.mu.Unlock()
	}
}

// samples is a folder with the example's posts and authors.
func samples(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/fedihook/fedihook/examples/blog").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	from := strings.TrimSpace(string(out))
	for _, what := range []string{"posts", "authors.yaml"} {
		if err := copyTo(filepath.Join(dir, what), filepath.Join(from, what)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyTo(to, from string) error {
	if info, err := os.Stat(from); err != nil || info.IsDir() {
		return errors.Join(err, os.CopyFS(to, os.DirFS(from)))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// Kill ends it as a loss of power does, but for the machine's own memory.
func (b *Blog) Kill(t testing.TB) {
	t.Helper()
	if err := b.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.end(); err == nil {
		t.Error("it was killed, and says that all is well")
	}
}

// stop interrupts it, if it still runs.
func (b *Blog) stop(t testing.TB) {
	if b.process.ProcessState == nil {
		if err := b.process.Process.Signal(syscall.SIGINT); err != nil {
			t.Errorf("interrupt the blog: %v", err)
		}
		if err := b.end(); err != nil {
			t.Errorf("the blog, interrupted: %v", err)
		}
	}
	if t.Failed() {
		t.Logf("the log of the blog:\n%s", b.Log())
	}
}

func (b *Blog) end() error {
	select {
	case <-b.ended:
		return b.process.Wait()
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("it did not end within %v", stopLimit), b.process.Process.Kill(), b.process.Wait())
	}
}

// Log is what it has logged, at most the first 64 KiB.
func (b *Blog) Log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.log)
}

// Password is what it has told for an author.
func (b *Blog) Password(t testing.TB, name string) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.passwords[name] == "" {
		t.Fatalf("it has told no password of %s", name)
	}
	return b.passwords[name]
}
