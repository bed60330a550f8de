package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"time"

	"golang.org/x/image/webp"

	"github.com/fedihook/fedihook/internal/safehttp"
)

// format is a type of picture, named as its files end.
type format string

const (
	formatJPEG format = "jpg"
	formatPNG  format = "png"
	formatGIF  format = "gif"
	formatWebP format = "webp"
)

// mime is the media type of what is served; GIF and WebP never are.
func (f format) mime() string {
	if f == formatPNG {
		return "image/png"
	}
	return "image/jpeg"
}

const sniffed = 16 // bytes that tell the format

// sniff tells the format of what begins like this, "" if it is none that is shown.
func sniff(head []byte) format {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return formatJPEG
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return formatPNG
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return formatGIF
	case len(head) >= 15 && string(head[:4]) == "RIFF" && string(head[8:15]) == "WEBPVP8":
		return formatWebP
	}
	return ""
}

// picture is one that is encoded and can be served.
type picture struct {
	format format
	data   []byte
	sum    [sumSize]byte
}

func newPicture(f format, data []byte) picture {
	out := picture{format: f, data: data}
	whole := sha256.Sum256(data)
	copy(out.sum[:], whole[:])
	return out
}

// convert makes a variant of what was downloaded. Its errors have ErrType, ErrTooLarge, ErrBroken or ErrBusy in them.
func (p *Proxy) convert(ctx context.Context, data []byte, size Size) (picture, error) {
	in, err := inspect(data)
	if err != nil {
		return picture{}, err
	}
	if in.width > p.config.MaxPixels || in.height > p.config.MaxPixels || in.width*in.height > p.config.MaxPixels {
		return picture{}, fmt.Errorf("%w: %d × %d pixels", ErrTooLarge, in.width, in.height)
	}
	if in.memory > p.config.MaxMemory {
		return picture{}, fmt.Errorf("%w: up to %d bytes to decode", ErrTooLarge, in.memory)
	}
	if in.scans > maxScans {
		return picture{}, fmt.Errorf("%w: %d scans", ErrTooLarge, in.scans)
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	// Decoding is arithmetic: more at once than there are processors only take longer.
	weight := max(in.memory, p.config.MaxMemory/int64(runtime.GOMAXPROCS(0)))
	if err := p.memory.Acquire(ctx, weight); err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer p.memory.Release(weight)
	img, err := in.decode(&patient{ctx, bytes.NewReader(in.data)})
	if ctx.Err() != nil {
		return picture{}, fmt.Errorf("%w: decoding: %w", ErrTooLarge, ctx.Err())
	}
	if err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	canvas := image.Rect(0, 0, int(in.width), int(in.height))
	small, err := scale(ctx, img, canvas, in.orientation, size)
	if err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return encode(small, in.lossless)
}

// inspected is what a picture's header says.
type inspected struct {
	data          []byte // what decode reads
	width, height int64
	memory        int64 // the most that decoding may allocate
	scans         int   // of a JPEG
	orientation   int   // as in EXIF, 1 to 8
	lossless      bool
	decode        func(io.Reader) (image.Image, error)
}

// maxScans bounds the scans of a JPEG: each of them walks over the whole picture, however few its bytes. Progressive ones have ten
// or so.
const maxScans = 100

// inspect reads the header. It allocates nothing that the header asks for.
func inspect(data []byte) (in inspected, err error) {
	in.data = data
	in.orientation = 1
	var config image.Config
	switch sniff(data) {
	case formatJPEG:
		config, err = jpeg.DecodeConfig(bytes.NewReader(data))
		in.decode, in.orientation = jpeg.Decode, orientation(jpegEXIF(data))
		// Both are counted wherever they stand: too many at worst, where a parser of ours might see fewer than the decoder.
		in.scans = bytes.Count(data, []byte{0xff, 0xda})
		progressive := bytes.Contains(data, []byte{0xff, 0xc2})
		in.memory = jpegMemory(config, progressive)
	case formatPNG:
		config, err = png.DecodeConfig(bytes.NewReader(data))
		in.decode, in.orientation, in.lossless = png.Decode, orientation(pngEXIF(data)), true
		in.memory = 4 * pixels(config)
		if deep := len(data) > 28 && data[24] == 16; deep {
			in.memory *= 2
		}
		if interlaced := len(data) > 28 && data[28] != 0; interlaced {
			in.memory *= 2
		}
	case formatGIF:
		config, err = gif.DecodeConfig(bytes.NewReader(data))
		in.decode, in.lossless = gif.Decode, true // the first frame alone
		in.memory = 2 * pixels(config)
	case formatWebP:
		var part still
		if part, err = parseWebP(data); err != nil {
			break
		}
		in.data, in.lossless = part.data, part.lossless
		config, err = webp.DecodeConfig(bytes.NewReader(part.data))
		in.decode, in.orientation = webp.Decode, orientation(part.exif)
		in.memory = part.memory(pixels(roundUp(config, 16)))
	default:
		return in, ErrType
	}
	if err == nil && (config.Width < 1 || config.Height < 1) {
		err = errors.New("no pixels")
	}
	if err != nil {
		return in, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	in.width, in.height = int64(config.Width), int64(config.Height)
	in.memory += in.memory/32 + 128<<10 // pages that are not filled, and tables
	return in, nil
}

// pixels is width times height; a header can't say more than 2³¹ each.
func pixels(c image.Config) int64 {
	w, h := int64(c.Width), int64(c.Height)
	if w > 1<<24 || h > 1<<24 {
		return 1 << 48 // more than any MaxPixels: the products below must not overflow
	}
	return w * h
}

// jpegMemory is what image/jpeg allocates at most: a byte a sample, four more in a progressive picture, and a copy if the colours
// are not YCbCr. Chroma is taken as not subsampled, and sides as rounded up to 32.
func jpegMemory(c image.Config, progressive bool) int64 {
	samples, copied := int64(3), int64(4)
	switch c.ColorModel {
	case color.GrayModel:
		samples, copied = 1, 0
	case color.YCbCrModel:
		copied = 0
	case color.CMYKModel:
		samples = 4
	}
	if progressive {
		samples *= 5
	}
	return pixels(roundUp(c, 32)) * (samples + copied)
}

// roundUp makes sides multiples of n, a power of two.
func roundUp(c image.Config, n int) image.Config {
	c.Width, c.Height = (c.Width+n-1)&^(n-1), (c.Height+n-1)&^(n-1)
	return c
}

// patient ends a decoder's reading with ctx: what it does between two reads is bounded by the pixels.
type patient struct {
	ctx  context.Context
	data *bytes.Reader
}

func (r *patient) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.data.Read(b[:min(len(b), 4096)])
}

// encode writes a picture: PNG if something is transparent or the original was lossless, unless that becomes long.
func encode(img *image.RGBA, lossless bool) (picture, error) {
	const long = 512 << 10
	opaque := img.Opaque()
	var out bytes.Buffer
	if lossless || !opaque {
		err := png.Encode(&out, img)
		if err != nil {
			return picture{}, fmt.Errorf("%w: encode: %w", ErrBroken, err)
		}
		if !opaque || out.Len() <= long {
			return newPicture(formatPNG, out.Bytes()), nil
		}
		out.Reset()
	}
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 85}); err != nil {
		return picture{}, fmt.Errorf("%w: encode: %w", ErrBroken, err)
	}
	return newPicture(formatJPEG, out.Bytes()), nil
}

func isTooLarge(err error) bool {
	var e *safehttp.BodyTooLargeError
	return errors.As(err, &e)
}

// held returns a picture that is kept nowhere but here.
func (p picture) held(now time.Time) *held {
	return &held{format: p.format, sum: p.sum, fetched: now, size: int64(len(p.data)), blob: memory{bytes.NewReader(p.data)}}
}
