package media_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fedihook/fedihook/media"
)

// nowhere takes an answer and forgets it.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

func BenchmarkHit(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "folder": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			r := newRemote(b)
			r.has("a.example/x", jpegOf(photo(400, 400)))
			p := r.proxy(b, media.Config{Dir: dir})
			req := httptest.NewRequest("GET", p.URL("https://a.example/x", media.Avatar), nil)
			p.ServeHTTP(httptest.NewRecorder(), req)
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: http.Header{}}
				if p.ServeHTTP(w, req); w.status != 200 {
					b.Fatal(w.status)
				}
			}
		})
	}
}

func BenchmarkURL(b *testing.B) {
	p := newRemote(b).proxy(b, media.Config{})
	b.ReportAllocs()
	for b.Loop() {
		if p.URL("https://files.a.example/accounts/avatars/000/000/001/original/0123456789abcdef.png", media.Avatar) == "" {
			b.Fatal("no address")
		}
	}
}

// BenchmarkConvert is what a miss costs beside the fetch: a photo of one megapixel.
func BenchmarkConvert(b *testing.B) {
	for name, data := range map[string][]byte{"JPEG": jpegOf(noise(1000, 1000)), "PNG": pngOf(noise(1000, 1000))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := media.Convert(b.Context(), data, media.Size{Width: 640, Height: 640}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
