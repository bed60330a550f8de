package kill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// ErrKilled is returned by what was under way when the server was killed.
var ErrKilled = errors.New("the server was killed")

// Process is one life of the server.
type Process struct {
	Address string // where it listens
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ready   chan string   // its address
	answers chan string   // of Ask
	Died    chan struct{} // closed when it is gone and all that it has said was heard
	bye     bool          // it has ended by itself; after died
	killing atomic.Bool
	Reached atomic.Bool // its point
}

// loosely is within what time after a loose point a server is killed.
const loosely = 4 * time.Millisecond

// Start starts this program as a server. heard is called with each line that it says of its own accord.
func Start(ctx context.Context, o any, heard func(word, rest string)) (*Process, error) {
	return StartBy(ctx, nil, o, heard)
}

// StartBy is Start by a command that becomes the one after it, such as "ip netns exec name".
func StartBy(ctx context.Context, command []string, o any, heard func(word, rest string)) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(command), self, "-child", string(text))
	p := &Process{
		cmd: exec.CommandContext(ctx, args[0], args[1:]...), ready: make(chan string, 1), answers: make(chan string, 1),
		Died: make(chan struct{}),
	}
	p.cmd.Stderr = os.Stderr
	// The server ends when this pipe does, whatever becomes of us.
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.Died)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
			case "ready":
				p.ready <- rest
			case "ok", "failed":
				p.answers <- lines.Text()
			case "bye":
				p.bye = true
			case "at":
				p.Reached.Store(true)
				p.Kill()
			case "near":
				p.Reached.Store(true)
				time.AfterFunc(rand.N(loosely), p.Kill)
			default:
				heard(word, rest)
			}
		}
		// Killed is how it is meant to end.
		if err := p.cmd.Wait(); err != nil && !p.killing.Load() && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "kill: the server has ended by itself:", err)
		}
	}()
	return p, nil
}

// Kill sends SIGKILL.
func (p *Process) Kill() {
	p.killing.Store(true)
	_ = p.cmd.Process.Kill() // it may be gone already
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits until the server is gone, and kills it if that takes longer than d.
func (p *Process) Wait(d time.Duration) {
	select {
	case <-p.Died:
	case <-time.After(d):
		p.Kill()
		<-p.Died
	}
}

// Listening waits until the server has started.
func (p *Process) Listening(patience time.Duration) error {
	select {
	case p.Address = <-p.ready:
		return nil
	case <-p.Died:
		return p.Ended()
	case <-time.After(patience):
		return errors.New("the server does not start")
	}
}

// Ended is why it has ended.
func (p *Process) Ended() error {
	if p.killing.Load() {
		return ErrKilled
	}
	return errors.New("the server has ended by itself")
}

// Ask has the server do something. One goroutine at a time may ask.
func (p *Process) Ask(format string, args ...any) (string, error) {
	line := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		<-p.Died
		return "", p.Ended()
	}
	select {
	case answer := <-p.answers:
		if result, ok := strings.CutPrefix(answer, "ok"); ok {
			return strings.TrimSpace(result), nil
		}
		return "", errors.New("the server: " + answer)
	case <-p.Died:
		select {
		case answer := <-p.answers: // said with its last breath
			if result, ok := strings.CutPrefix(answer, "ok"); ok {
				return strings.TrimSpace(result), nil
			}
		default:
		}
		return "", p.Ended()
	}
}

// Quit has the server end in good order.
func (p *Process) Quit() error {
	if _, err := io.WriteString(p.stdin, "quit\n"); err != nil {
		return err
	}
	p.Wait(30 * time.Second)
	if !p.bye {
		return errors.New("the server did not end in good order")
	}
	return nil
}
