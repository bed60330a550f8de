//go:build browser

package browser_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	startLimit = 30 * time.Second
	walkLimit  = 3 * time.Minute
)

func TestTheBlogInABrowser(t *testing.T) {
	if _, err := os.Stat("node_modules/axe-core"); err != nil {
		t.Fatalf("the packages are not installed: run npm ci in examples/blog/browser: %v", err)
	}
	shots := os.Getenv("SCREENSHOTS")
	if shots == "" {
		shots = "screenshots"
	}
	shots, err := filepath.Abs(shots)
	if err != nil {
		t.Fatal(err)
	}
	far := newFar(t)
	b := startBlog(t, far)
	far.start(t, b.address)
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	walk := exec.CommandContext(t.Context(), "node", "walk.mjs")
	walk.Env = append(os.Environ(), "CHROMIUM="+chromium, "SCREENSHOTS="+shots, "BLOG="+b.address, "FAR="+far.address, "PASSWORD="+b.password)
	walk.WaitDelay = 5 * time.Second
	watch := time.AfterFunc(walkLimit, func() { _ = walk.Cancel() }) // of a process that has ended: an error
	defer watch.Stop()
	out, err := walk.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("walk.mjs: %v", err)
	}
	t.Logf("screenshots are in %s", shots)
	far.check(t)
}

// blog is a running examples/blog.
type blog struct {
	address  string // of its listener
	password string // ada's
}

// startBlog builds the blog and runs it until the test ends.
func startBlog(t *testing.T, far *far) *blog {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "blog")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "data")
	for _, name := range []string{"posts", "authors.yaml"} {
		from, to := filepath.Join("..", name), filepath.Join(data, name)
		if err := copyAll(from, to); err != nil {
			t.Fatal(err)
		}
	}
	process := exec.Command(program, "-listen", "127.0.0.1:0", "-origin", "http://blog.test", "-data", data,
		"-insecure-allow-loopback", "far.test="+far.address)
	out, in := io.Pipe()
	process.Stdout, process.Stderr = in, in
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan *blog, 1)
	lines := make(chan string, 1) // all, when it has ended
	go func() {
		all, b := new(strings.Builder), new(blog)
		for s := bufio.NewScanner(out); s.Scan(); {
			all.WriteString(s.Text() + "\n")
			if m := regexp.MustCompile(`^ada signs in at \S+ with the password (\S+)$`).FindStringSubmatch(s.Text()); m != nil {
				b.password = m[1]
			}
			if m := regexp.MustCompile(`blog: serving.* address=(\S+)`).FindStringSubmatch(s.Text()); m != nil {
				b.address = m[1]
				found <- b
			}
		}
		lines <- all.String()
	}()
	t.Cleanup(func() {
		if err := process.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := process.Wait(); err != nil {
			t.Errorf("the blog ended with %v", err)
		}
		in.Close()
		if all := <-lines; t.Failed() {
			t.Logf("the blog said:\n%s", all)
		}
	})
	select {
	case b := <-found:
		if b.password == "" {
			t.Fatal("the blog told no password")
		}
		return b
	case <-time.After(startLimit):
		t.Fatalf("the blog did not start within %v", startLimit)
	}
	return nil
}

// copyAll copies a file or a folder.
func copyAll(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
