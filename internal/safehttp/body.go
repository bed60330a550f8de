package safehttp

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
)

// body is a response's body, read up to a bound.
type body struct {
	url  string
	from io.ReadCloser
	left int64
	max  int64
	err  error // sticky
	done context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1] // one more than may be had shows whether there is more
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), &BodyTooLargeError{URL: b.url, Max: b.max}
	}
	b.left -= int64(n)
	b.err = err
	if err != nil {
		b.done() // all was read, or no more will be
	}
	return n, err
}

// Close lets go of the connection and of the exchange's deadline.
func (b *body) Close() error {
	err := b.from.Close()
	b.done()
	return err
}

// free is how much a body may become by decompression whatever its ratio.
const free = 64 << 10

// unpacked is a gzip body. It reads nothing before it is read.
type unpacked struct {
	raw   *body
	zip   *gzip.Reader
	had   int64 // raw.left at first
	out   int64 // bytes unpacked
	ratio int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.zip == nil {
		zip, err := gzip.NewReader(u.raw)
		if err != nil {
			return 0, u.explain(err)
		}
		u.zip = zip
	}
	n, err := u.zip.Read(p)
	u.out += int64(n)
	if u.out > free && u.out/u.ratio > u.had-u.raw.left {
		return n, &BodyTooLargeError{URL: u.raw.url, Max: u.raw.max, Ratio: u.ratio}
	}
	return n, u.explain(err)
}

func (u *unpacked) explain(err error) error {
	if err == nil || err == io.EOF || err == u.raw.err {
		return err
	}
	return fmt.Errorf("safehttp: %s: %w", u.raw.url, err)
}

func (u *unpacked) Close() error { return u.raw.Close() }
