package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Child is this program, started once more as a process of its own.
type Child struct {
	Said string // the first line that it wrote

	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// Start starts this program with other arguments and waits for a line from it. The child ends with ctx, and
// should end when its standard input does, which is when this process is gone.
func Start(ctx context.Context, args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &Child{cmd: exec.CommandContext(ctx, self, args...)}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	line, err := c.out.ReadString('\n')
	if err != nil {
		_ = c.cmd.Process.Kill()
		if failed := c.cmd.Wait(); failed != nil {
			err = failed
		}
		return nil, fmt.Errorf("bench: %s said nothing: %w", strings.Join(args, " "), err)
	}
	c.Said = strings.TrimSpace(line)
	return c, nil
}

// Stop asks the child to end and waits until it is gone.
func (c *Child) Stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.cmd.Wait()
}

// Kill ends the child at once, as kill -9 does, and waits until it is gone.
func (c *Child) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = c.cmd.Wait() // says that it was killed
	return nil
}

// Wait waits until the child has ended by itself.
func (c *Child) Wait() error { return c.cmd.Wait() }

// Usage is what it has used so far.
func (c *Child) Usage() Usage { return Used(c.cmd.Process.Pid) }
