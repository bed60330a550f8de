package main

import (
	"io"
	"net"
	"sync"
)

// proxy stands between nodes and their database.
type proxy struct {
	address string
	to      string
	l       net.Listener

	mu    sync.Mutex
	open  map[*link]bool
	down  bool          // whoever connects is turned away
	quiet chan struct{} // until it is closed nothing passes; nil: all does
	over  chan struct{} // closed with the proxy
}

// link is one connection, and the one behind it.
type link struct {
	near, far net.Conn
	dead      chan struct{} // closed when nothing passes any more, though both ends stay open
	silence   sync.Once
}

// newProxy listens on an address and passes everything on.
func newProxy(address, to string) (*proxy, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &proxy{address: l.Addr().String(), to: to, l: l, open: map[*link]bool{}, over: make(chan struct{})}
	go p.serve()
	return p, nil
}

func (p *proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return // closed
		}
		go p.pass(c)
	}
}

func (p *proxy) pass(near net.Conn) {
	p.gate(nil)
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		reset(near)
		return
	}
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		reset(near)
		return
	}
	k := &link{near: near, far: far, dead: make(chan struct{})}
	p.mu.Lock()
	p.open[k] = true
	p.mu.Unlock()
	var sides sync.WaitGroup
	sides.Go(func() { p.copy(k, far, near) })
	sides.Go(func() { p.copy(k, near, far) })
	sides.Wait()
	p.mu.Lock()
	delete(p.open, k)
	p.mu.Unlock()
}

// gate waits while nothing passes.
func (p *proxy) gate(k *link) {
	p.mu.Lock()
	quiet := p.quiet
	p.mu.Unlock()
	if quiet != nil {
		select {
		case <-quiet:
		case <-p.over:
		}
	}
	if k == nil {
		return
	}
	select {
	case <-k.dead:
		<-p.over // for ever, as far as those at the ends can tell
	default:
	}
}

func (p *proxy) copy(k *link, to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.gate(k)
		if n > 0 {
			if _, e := to.Write(b[:n]); e != nil {
				err = e
			}
		}
		if err != nil {
			if err == io.EOF {
				to.Close()
			} else {
				reset(to)
			}
			from.Close()
			return
		}
	}
}

// reset closes a connection so that the other end sees that something is wrong.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // else it is closed politely
	}
	c.Close()
}

func (p *proxy) links() (list []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.open {
		list = append(list, k)
	}
	return list
}

// cut closes all connections, abruptly or not, and turns away whoever connects until mend.
func (p *proxy) cut(abruptly bool) {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.drop(abruptly)
}

// drop closes all connections.
func (p *proxy) drop(abruptly bool) {
	for _, k := range p.links() {
		if abruptly {
			reset(k.near)
			reset(k.far)
		} else {
			k.near.Close()
			k.far.Close()
		}
	}
}

// hang lets nothing pass until mend; nothing of it is lost.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = make(chan struct{})
}

// forsake lets nothing pass on the connections that there are, ever, and does not close them: what becomes of the connections of
// a machine that fails.
func (p *proxy) forsake() {
	for _, k := range p.links() {
		k.silence.Do(func() { close(k.dead) })
	}
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	if p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
}

func (p *proxy) close() {
	p.l.Close()
	close(p.over)
	p.drop(true)
}
