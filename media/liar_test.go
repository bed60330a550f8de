package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/media"
)

const svg = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

// sized gives a picture other dimensions than it has.
func sized(data []byte, w, h int) []byte {
	data = bytes.Clone(data)
	switch {
	case data[0] == 0x89:
		binary.BigEndian.PutUint32(data[16:], uint32(w))
		binary.BigEndian.PutUint32(data[20:], uint32(h))
		binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	case data[0] == 'G':
		binary.LittleEndian.PutUint16(data[6:], uint16(w))
		binary.LittleEndian.PutUint16(data[8:], uint16(h))
	default:
		at := bytes.Index(data, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(data[at+5:], uint16(h))
		binary.BigEndian.PutUint16(data[at+7:], uint16(w))
	}
	return data
}

func TestLiarsAreNotShown(t *testing.T) {
	t.Parallel()
	small := photo(16, 16)
	paletted := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.Black, color.White})
	body := func(data []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }
	}
	status := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n); w.Write(pngOf(small)) }
	}
	to := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", url); w.WriteHeader(302) }
	}
	typed := func(kind string, data []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", kind); w.Write(data) }
	}
	webp := file(t, "blue-purple-pink.lossy.webp")
	vp8 := webp[12:]
	bigWebP := riff(riffChunk("VP8X", append(append([]byte{0, 0, 0, 0}, uint24(1<<24-1)...), uint24(126)...)...), vp8)
	grownWebP := riff(riffChunk("VP8X", append(append([]byte{0, 0, 0, 0}, uint24(9)...), uint24(9)...)...), vp8) // small outside, larger inside
	manyScans := bytes.Clone(jpegOf(small))
	at := bytes.Index(manyScans, []byte{0xff, 0xda})
	scan := bytes.Clone(manyScans[at : len(manyScans)-2])
	manyScans = append(append(manyScans[:at:at], bytes.Repeat(scan, 200)...), 0xff, 0xd9)

	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
		status int // of ours
	}{
		{"HTML that says it is a picture", typed("image/png", []byte("<!DOCTYPE html><script>alert(1)</script>")), media.ErrType, 502},
		{"SVG that says it is PNG", typed("image/png", []byte(svg)), media.ErrType, 502},
		{"SVG", typed("image/svg+xml", []byte(svg)), media.ErrType, 502},
		{"AVIF", typed("image/avif", []byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf")), media.ErrType, 502},
		{"a video", typed("video/mp4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41")), media.ErrType, 502},
		{"a BMP", body([]byte("BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00")), media.ErrType, 502},
		{"a RIFF that is sound", body([]byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00")), media.ErrType, 502},
		{"nothing", body(nil), media.ErrType, 502},
		{"one byte", body([]byte{0xff}), media.ErrType, 502},
		{"a JPEG's first bytes", body([]byte("\xff\xd8\xff\xe0 and then text")), media.ErrBroken, 502},
		{"a PNG's first bytes", body([]byte("\x89PNG\r\n\x1a\n and then text that goes on")), media.ErrBroken, 502},
		{"a GIF's first bytes", body([]byte("GIF89a")), media.ErrBroken, 502},
		{"a WebP's first bytes", body([]byte("RIFF\xff\xff\xff\xffWEBPVP8 ")), media.ErrBroken, 502},
		{"SVG behind a GIF's first bytes", body([]byte("GIF89a\x10\x00\x10\x00" + svg)), media.ErrBroken, 502},
		{"a JPEG cut short", body(jpegOf(small)[:400]), media.ErrBroken, 502},
		{"a PNG cut short", body(pngOf(photo(90, 90))[:2000]), media.ErrBroken, 502},
		{"a GIF cut short", body(gifOf(small)[:900]), media.ErrBroken, 502},
		{"a WebP cut short", body(webp[:900]), media.ErrBroken, 502},
		{"a PNG whose sum is wrong", body(bytes.Replace(pngOf(small), []byte("IEND"), []byte("IEMD"), 1)), media.ErrBroken, 502},
		{"a GIF without a picture", body([]byte("GIF89a\x10\x00\x10\x00\x00\x00\x00;")), media.ErrBroken, 502},
		{"a PNG of 0 × 0", body(sized(pngOf(small), 0, 0)), media.ErrBroken, 502},
		{"a GIF of 0 × 0", body(sized(gifOf(paletted), 0, 0)), media.ErrBroken, 502},

		{"a JPEG bomb", body(sized(jpegOf(small), 65535, 65535)), media.ErrTooLarge, 502},
		{"a PNG bomb", body(sized(pngOf(small), 1<<31-1, 1)), media.ErrTooLarge, 502},
		{"a wide PNG bomb", body(sized(pngOf(small), 60000, 60000)), media.ErrTooLarge, 502},
		{"a GIF bomb", body(sized(gifOf(paletted), 65535, 65535)), media.ErrTooLarge, 502},
		{"a WebP bomb", body(bigWebP), media.ErrTooLarge, 502},
		{"a WebP larger than it says", body(grownWebP), media.ErrBroken, 502},
		{"a JPEG of 200 scans", body(manyScans), media.ErrTooLarge, 502},

		{"more bytes than permitted, as announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99999999")
			w.WriteHeader(200)
		}, media.ErrTooLarge, 502},
		{"more bytes than permitted, unannounced", func(w http.ResponseWriter, req *http.Request) {
			w.Write(pngOf(small))
			for req.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, media.ErrTooLarge, 502},
		{"an answer that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			w.Write(pngOf(small)[:100])
		}, media.ErrFetch, 502},

		{"a redirect to a private address", to("https://10.0.0.1/cat.png"), safehttp.ErrRefused, 502},
		{"a redirect to the cloud's metadata", to("https://169.254.169.254/latest/meta-data"), safehttp.ErrRefused, 502},
		{"a redirect to a name of loopback", to("https://inside.example/cat.png"), safehttp.ErrRefused, 502},
		{"a redirect to http", to("http://a.example/cat.png"), media.ErrFetch, 502},
		{"a redirect to a file", to("file:///etc/passwd"), media.ErrFetch, 502},
		{"a redirect with a password", to("https://u:p@a.example/cat.png"), media.ErrFetch, 502},
		{"a redirect to itself", to("https://a.example/x"), media.ErrFetch, 502},
		{"a redirect to who is rejected", to("https://b.example/cat.png"), media.ErrRejected, 403},

		{"a picture under 404", status(404), media.ErrFetch, 404},
		{"a picture under 410", status(410), media.ErrFetch, 404},
		{"a picture under 500", status(500), media.ErrFetch, 502},
		{"a picture under 206", status(206), media.ErrFetch, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			r.net.Name("inside.example", []string{"127.0.0.1"})
			r.on("a.example/x", c.answer)
			r.has("b.example/cat.png", pngOf(small))
			p := r.proxy(t, media.Config{MaxBytes: 1 << 20, Reject: rejects("b.example")})
			_, err := p.Fetch(t.Context(), "https://a.example/x", media.Preview)
			var typed *media.Error
			if !errors.Is(err, c.want) || !errors.As(err, &typed) || typed.URL != "https://a.example/x" {
				t.Errorf("%v, want %v", err, c.want)
			}
			if w := get(p, p.URL("https://a.example/x", media.Preview)); w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			} else if strings.Contains(w.Body.String(), "example") || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("the answer tells more than it should: %v %s", w.Header(), w.Body)
			}
			for _, to := range r.net.Dialed() {
				if !strings.HasPrefix(to, there) {
					t.Errorf("%s was dialled", to)
				}
			}
		})
	}
}

func TestNoSpecialAddressIsFetchedFrom(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	p := r.proxy(t, media.Config{})
	for _, to := range r.net.NameTargets() {
		if _, err := p.Fetch(t.Context(), "https://"+to.Host+"/cat.png", media.Full); !errors.Is(err, media.ErrURL) && !errors.Is(err, safehttp.ErrRefused) {
			t.Errorf("%s: %v", to.Name, err)
		}
	}
	if dialed := r.net.Dialed(); len(dialed) > 0 {
		t.Errorf("dialled %q", dialed)
	}
}

func TestNoMoreThanTheFirstBytesAreReadOfWhatIsNoPicture(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	wrote := make(chan int, 1)
	r.on("a.example/video", func(w http.ResponseWriter, req *http.Request) {
		n := 0
		for n < 8<<20 {
			m, err := fmt.Fprint(w, strings.Repeat("not a picture", 5000))
			if err != nil || http.NewResponseController(w).Flush() != nil {
				break
			}
			n += m
		}
		wrote <- n
	})
	p := r.proxy(t, media.Config{})
	if _, err := p.Fetch(t.Context(), "https://a.example/video", media.Full); !errors.Is(err, media.ErrType) {
		t.Fatal(err)
	}
	r.net.HangUp()
	if n := <-wrote; n > 2<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestWhoDripsIsLeftInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		r.on("a.example/drip", func(w http.ResponseWriter, req *http.Request) {
			for _, b := range pngOf(photo(30, 30)) {
				w.Write([]byte{b})
				http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Second):
				case <-req.Context().Done():
					return
				}
			}
		})
		r.on("a.example/silent", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		p := r.proxy(t, media.Config{Timeout: 7 * time.Second})
		for _, path := range []string{"drip", "silent"} {
			began := time.Now()
			if w := get(p, p.URL("https://a.example/"+path, media.Full)); w.Code != 502 {
				t.Errorf("%s: status %d", path, w.Code)
			}
			if took := time.Since(began); took != 7*time.Second {
				t.Errorf("%s: left after %v", path, took)
			}
		}
		p.Close()
		r.net.HangUp()
	})
}
