package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Proxy shows remote pictures from copies of its own. It is an http.Handler, and may be used by many goroutines at once.
// Make it with [New], and end it with [Proxy.Close].
type Proxy struct {
	config Config
	path   string // of config.Base
	client *http.Client
	store  *store
	misses misses
	gate   gate
	memory *semaphore.Weighted

	flights singleflight.Group // by key

	base   context.Context // ends with Close
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	warned  time.Time // when it was last said that copies can't be kept
}

// Image is a picture as it is shown.
type Image struct {
	Type string // "image/jpeg" or "image/png"
	Data []byte
	ETag string // strong, quoted
}

// New makes a Proxy. It dials nothing, reads no files and starts no goroutines.
func New(c Config) (*Proxy, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	client, err := newClient(c)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(c.Base)
	if err != nil {
		return nil, fmt.Errorf("media: Config.Base: %w", err)
	}
	p := &Proxy{
		config: c, path: base.Path, client: client, memory: semaphore.NewWeighted(c.MaxMemory),
		gate:  gate{all: make(chan struct{}, c.MaxFetches), perSite: c.MaxFetchesPerHost, most: 16 * c.MaxFetches},
		store: &store{files: newFolder(c.Dir), max: c.MaxStored, perSite: c.MaxStoredPerHost},
	}
	if c.Dir == "" {
		p.store.files = newShelf()
	}
	p.base, p.cancel = context.WithCancel(context.Background())
	p.client.CheckRedirect = p.checkRedirect(p.client.CheckRedirect)
	return p, nil
}

// Close ends the fetches under way and returns when their goroutines are gone. What is kept can be served after; what
// would have to be fetched gives [ErrClosed].
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
	if p.config.Client == nil {
		p.client.CloseIdleConnections()
	}
}

// Check tells whether copies can be kept: it makes Config.Dir if need be and a file in it, which it removes. Call it at
// start; without it one learns the same from the log.
func (p *Proxy) Check(context.Context) error { return p.store.files.check() }

// Fetch returns a picture, from the copies or else from the other server, as if its address had been asked for. The error
// is an [*Error], or ctx's if that ends first: then the fetch goes on for the next who asks. Use it to have a picture
// before someone waits for it, or to see why there is none.
func (p *Proxy) Fetch(ctx context.Context, remote string, v Variant) (*Image, error) {
	held, _, err := p.get(ctx, remote, v)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	data := make([]byte, held.size)
	if _, err := held.ReadAt(data, 0); err != nil && held.size > 0 {
		return nil, fmt.Errorf("media: %s: read the copy: %w", remote, err)
	}
	return &Image{Type: held.format.mime(), Data: data, ETag: held.etag()}, nil
}

// get returns what is kept of a picture, after fetching it if need be.
func (p *Proxy) get(ctx context.Context, remote string, v Variant) (*held, Source, error) {
	src, err := p.parseSource(remote)
	if err != nil {
		return nil, "", err
	}
	size, ok := p.config.Variants[v]
	if !ok {
		return nil, "", &Error{URL: src.url, Err: ErrVariant}
	}
	if err := p.permit(ctx, src.host); err != nil {
		return nil, "", &Error{URL: src.url, Err: err}
	}
	at := keyOf(src, v, size)
	kept, err := p.store.open(at, time.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.warn(err)
	}
	if kept != nil && time.Since(kept.fetched) < p.config.MaxAge {
		return kept, FromCopy, nil
	}
	fresh, err := p.fetch(ctx, src, at, size)
	if kept == nil {
		return fresh, FromServer, err
	}
	if err == nil || gone(err) || errors.Is(err, ErrRejected) || errors.Is(err, ErrUndecided) || ctx.Err() != nil {
		kept.Close()
		return fresh, FromServer, err
	}
	return kept, FromPast, nil // better an old picture than none
}

// fetch has a picture made, together with all who want the same.
func (p *Proxy) fetch(ctx context.Context, src source, at key, size Size) (*held, error) {
	if err := p.misses.get(src.url, time.Now()); err != nil {
		return nil, err
	}
	done := p.flights.DoChan(at.site+"/"+at.name, func() (any, error) {
		if !p.begin() {
			return nil, &Error{URL: src.url, Err: ErrClosed}
		}
		defer p.running.Done()
		// Who asked first may leave; the others still want it.
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(p.base, cancel)()
		return p.fill(ctx, src, at, size)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		// From the store, so that who reads slowly holds a file and not the bytes.
		if kept, err := p.store.open(at, time.Now()); err == nil {
			return kept, nil
		}
		return r.Val.(picture).held(time.Now()), nil
	}
}

func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.running.Add(1)
	}
	return !p.closed
}

// fill fetches a picture, makes a variant of it and keeps that. A failure is remembered, and what was kept of a picture
// that is gone is removed.
func (p *Proxy) fill(ctx context.Context, src source, at key, size Size) (out picture, err error) {
	purges := p.store.purges.Load()
	defer func() {
		if r := recover(); r != nil { // a decoder's fault, and a stranger's bytes: nobody else's picture suffers
			p.config.Logger.Error("media: panic while making a picture", "host", src.host, "panic", r, "stack", string(debug.Stack()))
			err = &Error{URL: src.url, Err: fmt.Errorf("%w: panic", ErrBroken)}
		}
		if err == nil || p.base.Err() != nil {
			return
		}
		if !errors.Is(err, ErrBusy) { // of which there can be any number
			p.config.Logger.Info("media: picture is not shown", "host", src.host, "reason", reason(err))
		}
		p.config.Logger.Debug("media: picture is not shown", "url", src.url, "error", err)
		p.misses.add(src.url, err, time.Now())
		if gone(err) {
			if err := p.store.remove(at.site, at.url()); err != nil {
				p.warn(err)
			}
		}
	}()
	release, err := p.gate.enter(ctx, src.site, p.config.Timeout)
	if err != nil {
		return out, &Error{URL: src.url, Err: err}
	}
	defer release()
	data, err := p.download(ctx, src)
	if err != nil {
		return out, err
	}
	out, err = p.convert(ctx, data, size)
	if err != nil {
		return out, &Error{URL: src.url, Err: err}
	}
	if err := p.store.put(at, out, time.Now(), purges); err != nil && !errors.Is(err, errNoRoom) {
		p.warn(err)
	}
	return out, nil
}

// warn says that copies can't be kept, at most once a minute.
func (p *Proxy) warn(err error) {
	p.mu.Lock()
	silent := time.Since(p.warned) < time.Minute
	if !silent {
		p.warned = time.Now()
	}
	p.mu.Unlock()
	if !silent {
		p.config.Logger.Warn("media: copies can't be kept", "error", err)
	}
}

// permit asks Config.Reject.
func (p *Proxy) permit(ctx context.Context, host string) error {
	if p.config.Reject == nil {
		return nil
	}
	rejected, err := p.config.Reject(ctx, host)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUndecided, host, err)
	}
	if rejected {
		return fmt.Errorf("%w: %s", ErrRejected, host)
	}
	return nil
}

// PurgeURL removes all variants of a remote picture, and what is remembered of its failures. A fetch that is under way
// here is not kept; one of another process that shares the directory may be.
func (p *Proxy) PurgeURL(_ context.Context, remote string) error {
	src, err := p.parseSource(remote)
	if err != nil {
		return err
	}
	p.misses.forget(src.url)
	return p.store.purge(site2dir(src.site), hash(src.url))
}

// PurgeHost removes all pictures of a host ("example.com", with or without a port) and of every other host under the
// same registrable domain, whose pictures are fetched again when they are asked for. As for fetches under way see
// [Proxy.PurgeURL].
func (p *Proxy) PurgeHost(_ context.Context, host string) error {
	if strings.ContainsAny(host, "/?#@") {
		return &Error{URL: host, Err: fmt.Errorf("%w: not a host", ErrURL)}
	}
	src, err := p.parseSource("https://" + host + "/")
	if err != nil {
		return err
	}
	return p.store.purge(site2dir(src.site), "")
}

// key is where a variant is kept.
type key struct {
	site string // 24 hexadecimal digits
	name string // 32 for the URL, a hyphen, 8 for the variant
}

// url is the part of a name that all variants of a picture share.
func (k key) url() string { return k.name[:32] }

func keyOf(src source, v Variant, size Size) key {
	return key{site2dir(src.site), hash(src.url) + "-" + hash(fmt.Sprint(v, size))[:8]}
}

func site2dir(site string) string { return hash(site)[:24] }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
