package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

const (
	defaultBase      = "/media/"
	defaultTimeout   = 10 * time.Second
	defaultMaxBytes  = 10 << 20
	defaultMaxPixels = 1 << 25
	defaultMaxMemory = 256 << 20
	defaultFetches   = 16
	defaultPerHost   = 4
	defaultMaxAge    = 7 * 24 * time.Hour
	defaultStored    = 1 << 30
	defaultInMemory  = 64 << 20

	minKey  = 32   // bytes
	maxSide = 4096 // pixels of a variant
)

// Variant names a size in which pictures are shown.
type Variant string

// The variants that a Config has if it names none.
const (
	Avatar  Variant = "avatar"  // 256 × 256, cropped to a square
	Preview Variant = "preview" // fits into 640 × 640
	Full    Variant = "full"    // fits into 2048 × 2048
)

// Size bounds a variant.
type Size struct {
	Width, Height int // pixels, 1 to 4096; a smaller picture stays as it is

	// Crop cuts away what is too much of the longer side, as much at either end, so that the picture has the shape of
	// Width × Height. Zero: the whole picture is shown.
	Crop bool
}

// Config says how a [Proxy] behaves. Keys is all that it needs.
type Config struct {
	// Keys sign the addresses: at least 32 secret random bytes each. The first signs, all are good. Every process that
	// serves the same pages needs the same.
	Keys [][]byte

	// Base is what addresses begin with, and ends in a slash: a path ("/media/") or, if the proxy has a host of its own,
	// a URL ("https://media.blog.example/"). The handler takes requests under its path. Zero means "/media/".
	Base string

	// Variants are the sizes there are; names have letters, digits, hyphens and underscores. Nil means [Avatar], [Preview] and [Full]. A
	// variant whose size is changed is made anew.
	Variants map[Variant]Size

	// Lifetime is how long an address is good at least, and half of how long it is at most. Zero means without end: so pages can be
	// cached for as long as one likes.
	Lifetime time.Duration

	// Reject tells whether media of a host are not to be shown, such as those of servers that moderation refuses or whose media it
	// rejects. host is an authority in lower case, internationalised names in their xn-- form, with the port if it is not 443. It is
	// asked at each request and each hop of a fetch, by many goroutines at once, and should be fast. Its error is answered with
	// 503, and not shown. Nil rejects none.
	Reject func(ctx context.Context, host string) (bool, error)

	// Refresh finds a picture's new URL after the server answered 401, 403, 404 or 410 to the one that the address has: ask
	// for the post or the profile again and look. What it finds is kept under the old URL. "" means that there is none, and
	// an error that it isn't known. It is called within Timeout, once in a fetch. Nil: there is none.
	Refresh func(ctx context.Context, remote string) (string, error)

	// Client fetches. Nil means one that is guarded against strangers' URLs: https, public addresses, bounded answers. One
	// without a Transport is refused, for it would dial anything. Whichever it is, MaxBytes, Timeout and Reject hold.
	Client *http.Client

	// UserAgent is that of the guarded client. Zero means "Fedihook/<version> (+https://github.com/fedihook/fedihook)".
	UserAgent string

	// Timeout bounds, each for itself, a fetch's wait for its turn, the fetch with all redirects, and the wait for memory
	// with the decoding. Zero means 10 s.
	Timeout time.Duration

	// MaxBytes bounds the bytes of a remote picture. Zero means 10 MiB.
	MaxBytes int64

	// MaxPixels bounds width times height of a remote picture. Zero means 33,554,432, which a camera of 33 megapixels has.
	MaxPixels int64

	// MaxMemory bounds what all decoders at once may allocate. A picture that could need more than that alone is too large.
	// Zero means 256 MiB, which suffices for 33 megapixels of JPEG and PNG, and for half as many of progressive JPEG, interlaced
	// PNG, PNG with 16 bits a sample and WebP with transparency. Of lossless WebP it suffices for some 400 KB.
	MaxMemory int64

	// MaxFetches bounds the pictures that are fetched or decoded at once, MaxFetchesPerHost those of one registrable domain. Sixteen
	// times as many may wait for their turn. Zero means 16 and 4.
	MaxFetches, MaxFetchesPerHost int

	// MaxAge is how old a copy may be before it is fetched again. Zero means 7 days.
	MaxAge time.Duration

	// Dir is the directory of the copies. It is made on first use, for this user alone, and may be shared by processes. ""
	// keeps them in memory.
	Dir string

	// MaxStored bounds the bytes of all copies, each counted as full blocks of 4 KiB. Zero means 1 GiB, in memory 64 MiB.
	MaxStored int64

	// MaxStoredPerHost bounds the bytes of the copies of one registrable domain. Zero means a tenth of MaxStored. A domain that hosts for
	// many, such as a large server, may want more.
	MaxStoredPerHost int64

	// Observer is told what is served, for metrics. Nil: nobody is.
	Observer Observer

	// Logger gets, at Info, which host's pictures are not shown and why, without the address; at Debug the whole error; and at Warn
	// that copies can't be kept. Nil means slog.Default().
	Logger *slog.Logger

	// InsecureAllowLoopback is for tests: hosts that the guarded client may reach on loopback, as
	// "a.test" → "127.0.0.1:8080". Their pictures may have http URLs.
	InsecureAllowLoopback map[string]string
}

// withDefaults checks c, and fills in what its zero fields mean.
func (c Config) withDefaults() (Config, error) {
	for name, negative := range map[string]bool{
		"Lifetime": c.Lifetime < 0, "Timeout": c.Timeout < 0, "MaxBytes": c.MaxBytes < 0, "MaxPixels": c.MaxPixels < 0,
		"MaxMemory": c.MaxMemory < 0, "MaxFetches": c.MaxFetches < 0, "MaxFetchesPerHost": c.MaxFetchesPerHost < 0,
		"MaxAge": c.MaxAge < 0, "MaxStored": c.MaxStored < 0, "MaxStoredPerHost": c.MaxStoredPerHost < 0,
	} {
		if negative {
			return c, fmt.Errorf("media: Config.%s is negative", name)
		}
	}
	if len(c.Keys) == 0 {
		return c, errors.New("media: Config.Keys is empty")
	}
	keys := make([][]byte, len(c.Keys))
	for i, key := range c.Keys {
		if len(key) < minKey {
			return c, fmt.Errorf("media: Config.Keys[%d] has fewer than %d bytes", i, minKey)
		}
		keys[i] = slices.Clone(key)
	}
	c.Keys = keys
	if c.Client != nil && c.Client.Transport == nil {
		return c, errors.New("media: Config.Client has no Transport")
	}
	if c.Base == "" {
		c.Base = defaultBase
	}
	base, err := url.Parse(c.Base)
	if err != nil || !strings.HasPrefix(base.Path, "/") || !strings.HasSuffix(c.Base, "/") || base.RawQuery != "" || base.User != nil ||
		(base.Scheme == "") != (base.Host == "") || base.Scheme != "" && base.Scheme != "https" && base.Scheme != "http" {
		return c, fmt.Errorf("media: Config.Base %q is neither a path nor a URL that ends in a slash", c.Base)
	}
	if c.Variants == nil {
		c.Variants = map[Variant]Size{Avatar: {256, 256, true}, Preview: {640, 640, false}, Full: {2048, 2048, false}}
	}
	c.Variants = maps.Clone(c.Variants)
	for v, size := range c.Variants {
		if v == "" || len(v) > 64 || strings.Trim(string(v), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return c, fmt.Errorf("media: Config.Variants: %q is not a name of up to 64 letters, digits, hyphens and underscores", v)
		}
		if min(size.Width, size.Height) < 1 || max(size.Width, size.Height) > maxSide {
			return c, fmt.Errorf("media: Config.Variants: %s is %d × %d, and not from 1 to %d", v, size.Width, size.Height, maxSide)
		}
	}
	stored := int64(defaultStored)
	if c.Dir == "" {
		stored = defaultInMemory
	}
	fill(&c.Timeout, defaultTimeout)
	fill(&c.MaxBytes, defaultMaxBytes)
	fill(&c.MaxPixels, defaultMaxPixels)
	fill(&c.MaxMemory, defaultMaxMemory)
	fill(&c.MaxFetches, defaultFetches)
	fill(&c.MaxFetchesPerHost, min(defaultPerHost, c.MaxFetches))
	fill(&c.MaxAge, defaultMaxAge)
	fill(&c.MaxStored, stored)
	fill(&c.MaxStoredPerHost, max(c.MaxStored/10, 1))
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func fill[T ~int | ~int64](field *T, zero T) {
	if *field == 0 {
		*field = zero
	}
}

// newClient returns a client that obeys c.
func newClient(c Config) (*http.Client, error) {
	if c.Client != nil {
		client := *c.Client
		return &client, nil
	}
	client, err := safehttp.New(safehttp.Config{
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxBody: c.MaxBytes, InsecureAllowLoopback: c.InsecureAllowLoopback,
	})
	if err != nil {
		return nil, fmt.Errorf("media: client: %w", err)
	}
	return client, nil
}
