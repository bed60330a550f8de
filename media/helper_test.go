package media_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
	"github.com/fedihook/fedihook/media"
)

const (
	there  = "93.184.216.34"
	secret = "0123456789abcdef0123456789abcdef"
)

// remote is the other server: what it has by path, and who asked.
type remote struct {
	net *safehttptest.Net

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by host and path
	asked    []*http.Request
}

// newRemote makes a server behind a.example, b.example and img.a.example.
func newRemote(t testing.TB) *remote {
	t.Helper()
	r := &remote{net: safehttptest.NewNet(t), handlers: map[string]http.HandlerFunc{}}
	r.net.Serve(t, there, r)
	for _, host := range []string{"a.example", "b.example", "img.a.example"} {
		r.net.Name(host, []string{there})
	}
	return r
}

func (r *remote) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, req)
	h := r.handlers[req.Host+req.URL.Path]
	r.mu.Unlock()
	if h == nil {
		http.NotFound(w, req)
		return
	}
	h(w, req)
}

// on says what is at a host and path.
func (r *remote) on(at string, h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[at] = h
}

// has puts bytes at a host and path.
func (r *remote) has(at string, data []byte) {
	r.on(at, func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
}

// requests returns how often something was asked for.
func (r *remote) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// proxy makes a Proxy that is in the remote's network, until the test ends.
func (r *remote) proxy(t testing.TB, c media.Config) *media.Proxy {
	t.Helper()
	if c.Client == nil {
		guarded := r.net.Config()
		guarded.Timeout, guarded.MaxBody = c.Timeout, c.MaxBytes
		if guarded.MaxBody == 0 {
			guarded.MaxBody = 10 << 20
		}
		client, err := safehttp.New(guarded)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.CloseIdleConnections)
		c.Client = client
	}
	if c.Keys == nil {
		c.Keys = [][]byte{[]byte(secret)}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	p, err := media.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// get asks a proxy for an address of its own.
func get(p http.Handler, address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w
}

// photo is a picture of w × h pixels without any two alike.
func photo(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 7), uint8(y * 5), uint8(x*y + x), 255})
		}
	}
	return m
}

func jpegOf(m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func pngOf(m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func gifOf(m image.Image) []byte {
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode reads what the proxy sent.
func decode(t testing.TB, data []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("what is served can't be decoded: %v", err)
	}
	return m
}

// withSegment puts a segment behind the first marker of a JPEG.
func withSegment(data []byte, marker byte, segment []byte) []byte {
	out := append([]byte{}, data[:2]...)
	out = append(out, 0xff, marker)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	out = append(out, segment...)
	return append(out, data[2:]...)
}

// exif is a TIFF header with an orientation, a place and text that must not survive.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	out := []byte("II*\x00")
	if order.String() == "BigEndian" {
		out = []byte("MM\x00*")
	}
	entry := func(tag, kind uint16, count uint32, value uint16) {
		out = order.AppendUint16(order.AppendUint16(out, tag), kind)
		out = order.AppendUint32(out, count)
		out = order.AppendUint16(order.AppendUint16(out, value), 0)
	}
	out = order.AppendUint32(out, 8)
	out = order.AppendUint16(out, 3)
	entry(0x0100, 3, 1, 4711)
	entry(0x0112, 3, 1, uint16(orientation))
	entry(0x8825, 4, 1, 50) // GPS
	return append(out, "GPSLatitude 52.5162 my-secret-place Canon"...)
}

// withChunk puts a chunk behind the header of a PNG.
func withChunk(data []byte, kind string, chunk []byte) []byte {
	const header = 8 + 12 + 13
	out := append([]byte{}, data[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)))
	out = append(append(out, kind...), chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[len(out)-len(chunk)-4:]))
	return append(out, data[header:]...)
}

// riff writes a WebP container.
func riff(chunks ...[]byte) []byte {
	out := []byte("RIFF\x00\x00\x00\x00WEBP")
	for _, c := range chunks {
		out = append(out, c...)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

func riffChunk(kind string, data ...byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
	out = append(out, data...)
	if len(data)%2 != 0 {
		out = append(out, 0)
	}
	return out
}

// uint24 is how WebP writes dimensions.
func uint24(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }

// noise is a picture that no format makes short, of colours that a JPEG keeps nearly.
func noise(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for y := range h {
		for x := range w {
			v := uint8(120 + r.IntN(16))
			m.SetNRGBA(x, y, color.NRGBA{v, v + uint8(r.IntN(8)), v, 255})
		}
	}
	return m
}
