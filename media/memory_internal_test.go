package media

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"runtime"
	"testing"
)

// Not parallel: it measures the whole process.
func TestDecodingAllocatesNoMoreThanWasReserved(t *testing.T) {
	rgb := image.NewNRGBA(image.Rect(0, 0, 409, 403))
	for i := range rgb.Pix {
		rgb.Pix[i] = byte(i * i >> 7)
	}
	gray, deep := image.NewGray(rgb.Rect), image.NewNRGBA64(rgb.Rect)
	copy(gray.Pix, rgb.Pix)
	for i := range deep.Pix {
		deep.Pix[i] = byte(i * i >> 5)
	}
	paletted := image.NewPaletted(rgb.Rect, color.Palette{color.Black, color.White})
	encode := func(f func(*bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"JPEG", encode(func(b *bytes.Buffer) error { return jpeg.Encode(b, rgb, nil) })},
		{"JPEG without colours", encode(func(b *bytes.Buffer) error { return jpeg.Encode(b, gray, nil) })},
		{"progressive JPEG", read(t, "video-001.progressive.jpeg")},
		{"CMYK JPEG", read(t, "video-001.cmyk.jpeg")},
		{"PNG", encode(func(b *bytes.Buffer) error { return png.Encode(b, rgb) })},
		{"PNG without colours", encode(func(b *bytes.Buffer) error { return png.Encode(b, gray) })},
		{"PNG with a palette", encode(func(b *bytes.Buffer) error { return png.Encode(b, paletted) })},
		{"PNG of 16 bits", encode(func(b *bytes.Buffer) error { return png.Encode(b, deep) })},
		{"interlaced PNG of 16 bits", interlaced(409, 403)},
		{"GIF", encode(func(b *bytes.Buffer) error { return gif.Encode(b, paletted, nil) })},
		{"WebP", read(t, "blue-purple-pink.lossy.webp")},
		{"WebP with alpha", read(t, "yellow_rose.lossy-with-alpha.webp")},
		{"lossless WebP", read(t, "gopher-doc.with-alpha.lossless.webp")},
		{"lossless WebP that brings 20,000 groups of prefix codes", groupBomb(20000)},
		{"lossless WebP that brings 1,000 groups", groupBomb(1000)},
	} {
		in, err := inspect(c.data)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, err := in.decode(bytes.NewReader(in.data))
		runtime.ReadMemStats(&after)
		if got := int64(after.TotalAlloc - before.TotalAlloc); got > in.memory {
			t.Errorf("%s of %d bytes and %d × %d: decoding allocates %d, %d were reserved", c.name, len(c.data), in.width, in.height, got, in.memory)
		} else {
			t.Logf("%s: %d of %d", c.name, got, in.memory)
		}
		if err == nil && (int64(img.Bounds().Dx()) != in.width || int64(img.Bounds().Dy()) != in.height) {
			t.Errorf("%s: the header says %d × %d, and it is %v", c.name, in.width, in.height, img.Bounds())
		}
	}
}

func TestALosslessWebPCannotTakeMoreThanThereIs(t *testing.T) {
	t.Parallel()
	p, err := New(Config{Keys: [][]byte{make([]byte, 32)}, MaxMemory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.convert(t.Context(), groupBomb(65536), Size{Width: 64, Height: 64}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// groupBomb is a lossless WebP of 8 × 8 pixels, one of whose tiles names the group n-1 of prefix codes, so that all n are read.
func groupBomb(n int) []byte {
	var b bits
	b.add(0x2f, 8)
	b.add(8-1, 14)
	b.add(8-1, 14)
	b.add(0, 1+3)
	b.add(0, 1) // no transforms
	b.add(0, 1) // no colour cache
	b.add(1, 1) // groups, for tiles of
	b.add(1, 3) // 8 × 8: there is one
	b.add(0, 1) // whose picture has no colour cache,
	one := func(symbol int) { b.add(1, 1); b.add(0, 1); b.add(1, 1); b.add(symbol, 8) }
	one((n - 1) & 255) // and one pixel: green,
	one((n - 1) >> 8)  // red,
	one(0)
	one(255)
	b.add(1, 1)
	b.add(0, 3) // distance: one symbol of one bit
	for range 5 * n {
		b.add(1, 1)
		b.add(0, 3)
	}
	b.add(0, 64)
	chunk := append([]byte("VP8L"), binary.LittleEndian.AppendUint32(nil, uint32(len(b.data)))...)
	chunk = append(chunk, b.data...)
	if len(chunk)%2 != 0 {
		chunk = append(chunk, 0)
	}
	file := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(chunk)+4))
	return append(append(file, "WEBP"...), chunk...)
}

// bits are written from the least significant on.
type bits struct {
	data []byte
	n    int
}

func (b *bits) add(value, n int) {
	for i := range n {
		if b.n%8 == 0 {
			b.data = append(b.data, 0)
		}
		if i < 63 {
			b.data[b.n/8] |= byte(value>>i&1) << (b.n % 8)
		}
		b.n++
	}
}

// interlaced is a PNG with 16 bits a sample in seven passes, which image/png does not write.
func interlaced(w, h int) []byte {
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	for _, pass := range [7][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		for y := pass[1]; y < h; y += pass[3] {
			line := []byte{0}
			for x := pass[0]; x < w; x += pass[2] {
				line = append(line, byte(x), 0, byte(y), 0, byte(x+y), 0, 255, 255)
			}
			z.Write(line)
		}
	}
	z.Close()
	out := []byte("\x89PNG\r\n\x1a\n")
	add := func(kind string, data []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = append(append(out, kind...), data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[len(out)-len(data)-4:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	add("IHDR", append(head, 16, 6, 0, 0, 1))
	add("IDAT", pixels.Bytes())
	add("IEND", nil)
	return out
}
