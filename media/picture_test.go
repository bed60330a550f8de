package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/media"
)

// show returns what the proxy makes of data.
func show(t testing.TB, data []byte, v media.Variant) *media.Image {
	t.Helper()
	r := newRemote(t)
	r.has("a.example/x", data)
	img, err := r.proxy(t, media.Config{}).Fetch(t.Context(), "https://a.example/x", v)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// converted is show without a network.
func converted(t testing.TB, data []byte, v media.Variant) []byte {
	t.Helper()
	out, err := media.Convert(t.Context(), data, map[media.Variant]media.Size{
		media.Avatar: {Width: 256, Height: 256, Crop: true}, media.Preview: {Width: 640, Height: 640}, media.Full: {Width: 2048, Height: 2048},
	}[v])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// near tells whether two colours are alike, as far as a JPEG can tell.
func near(a, b color.Color, by int) bool {
	r, g, bl, al := a.RGBA()
	r2, g2, b2, a2 := b.RGBA()
	for _, d := range []int{int(r>>8) - int(r2>>8), int(g>>8) - int(g2>>8), int(bl>>8) - int(b2>>8), int(al>>8) - int(a2>>8)} {
		if d > by || d < -by {
			return false
		}
	}
	return true
}

var (
	red, green, blue, white = color.NRGBA{220, 30, 30, 255}, color.NRGBA{30, 200, 30, 255}, color.NRGBA{30, 30, 220, 255}, color.NRGBA{250, 250, 250, 255}
	corners                 = []color.Color{red, green, blue, white}
)

// quarters is a picture whose corners differ: red and green above blue and white.
func quarters(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i, c := range corners {
		at := image.Pt(i%2*(w/2), i/2*(h/2))
		draw.Draw(m, image.Rectangle{at, at.Add(image.Pt(w/2, h/2))}, image.NewUniform(c), image.Point{}, draw.Src)
	}
	return m
}

func TestEachFormatIsShown(t *testing.T) {
	t.Parallel()
	paletted := image.NewPaletted(image.Rect(0, 0, 80, 40), color.Palette{red, green, blue, white})
	draw.Draw(paletted, paletted.Rect, quarters(80, 40), image.Point{}, draw.Src)
	clear16 := image.NewNRGBA64(image.Rect(0, 0, 80, 40))
	draw.Draw(clear16, clear16.Rect, quarters(80, 40), image.Point{}, draw.Src)
	clear16.Set(40, 20, color.Transparent)
	for _, c := range []struct {
		name string
		data []byte
		kind string
		size image.Point
	}{
		{"JPEG", jpegOf(quarters(80, 40)), "image/jpeg", image.Pt(80, 40)},
		{"progressive JPEG", file(t, "video-001.progressive.jpeg"), "image/jpeg", image.Pt(150, 103)},
		{"CMYK JPEG", file(t, "video-001.cmyk.jpeg"), "image/jpeg", image.Pt(150, 103)},
		{"PNG", pngOf(quarters(80, 40)), "image/png", image.Pt(80, 40)},
		{"PNG of 16 bits that is transparent somewhere", pngOf(clear16), "image/png", image.Pt(80, 40)},
		{"PNG that is long", pngOf(noise(640, 640)), "image/jpeg", image.Pt(640, 640)},
		{"GIF", gifOf(paletted), "image/png", image.Pt(80, 40)},
		{"WebP", file(t, "blue-purple-pink.lossy.webp"), "image/jpeg", image.Pt(150, 100)},
		{"WebP with alpha", file(t, "yellow_rose.lossy-with-alpha.webp"), "image/png", image.Pt(400, 301)},
		{"lossless WebP", file(t, "gopher-doc.with-alpha.lossless.webp"), "image/png", image.Pt(75, 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := show(t, c.data, media.Preview)
			m := decode(t, got.Data)
			if got.Type != c.kind || !strings.HasPrefix(c.kind, "image/"+kindOf(got.Data)) {
				t.Errorf("it is %s and says %s, want %s", kindOf(got.Data), got.Type, c.kind)
			}
			if m.Bounds().Size() != c.size {
				t.Errorf("it is %v, want %v", m.Bounds().Size(), c.size)
			}
			if original, _, err := image.Decode(bytes.NewReader(c.data)); err == nil {
				far := 0
				for y := range c.size.Y {
					for x := range c.size.X {
						if !near(m.At(x, y), original.At(x, y), 40) {
							far++
						}
					}
				}
				if far*20 > c.size.X*c.size.Y {
					t.Errorf("%d of %d pixels are others", far, c.size.X*c.size.Y)
				}
			} else {
				t.Error(err)
			}
		})
	}
}

func kindOf(data []byte) string {
	_, kind, _ := image.DecodeConfig(bytes.NewReader(data))
	return kind
}

func TestAPictureIsTurnedUpright(t *testing.T) {
	t.Parallel()
	// What stands at the corners (left above, right above, left below, right below) once it is upright.
	for orientation, want := range map[int][4]color.Color{
		1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red}, 4: {blue, white, red, green},
		5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red}, 8: {green, white, red, blue},
		0: {red, green, blue, white}, 9: {red, green, blue, white},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			if orientation%4 > 1 && order == binary.BigEndian {
				continue // the order of the bytes and the corners have nothing to do with each other
			}
			tiff := exif(order, orientation)
			whole := file(t, "blue-purple-pink.lossy.webp")
			for _, c := range []struct {
				name string
				data []byte
				v    media.Variant
			}{
				{"JPEG", withSegment(jpegOf(quarters(128, 64)), 0xe1, append([]byte("Exif\x00\x00"), tiff...)), media.Preview},
				{"PNG", withChunk(pngOf(quarters(128, 64)), "eXIf", tiff), media.Preview},
				{"JPEG, cropped and made smaller", withSegment(jpegOf(quarters(520, 260)), 0xe1, append([]byte("Exif\x00\x00"), tiff...)), media.Avatar},
				{"WebP", riff(riffChunk("VP8X", append(append([]byte{8, 0, 0, 0}, uint24(149)...), uint24(99)...)...), whole[12:], riffChunk("EXIF", tiff...)), media.Preview},
			} {
				name := fmt.Sprintf("%s %v %d", c.name, order, orientation)
				got := converted(t, c.data, c.v)
				m := decode(t, got)
				w, h := 128, 64
				if c.name == "WebP" {
					w, h = 150, 100
				}
				if orientation >= 5 && orientation <= 8 {
					w, h = h, w
				}
				if c.v == media.Avatar {
					w, h = 256, 256
				}
				if m.Bounds().Size() != image.Pt(w, h) {
					t.Errorf("%s: %v", name, m.Bounds())
				}
				if c.name != "WebP" {
					for i, at := range []image.Point{{w / 8, h / 8}, {w * 7 / 8, h / 8}, {w / 8, h * 7 / 8}, {w * 7 / 8, h * 7 / 8}} {
						if !near(m.At(at.X, at.Y), want[i], 16) {
							t.Errorf("%s: corner %d is %v, want %v", name, i, m.At(at.X, at.Y), want[i])
						}
					}
				}
				for _, secret := range []string{"GPS", "secret", "Canon", "Exif", "eXIf", "II*\x00", "MM\x00*"} {
					if bytes.Contains(got, []byte(secret)) {
						t.Errorf("%s: %q survives", name, secret)
					}
				}
			}
		}
	}
}

func TestNothingButThePictureSurvives(t *testing.T) {
	t.Parallel()
	const canary = "canary-52.5162"
	jpeg := jpegOf(photo(40, 40))
	for marker, begins := range map[byte]string{0xe1: "http://ns.adobe.com/xap/1.0/\x00", 0xe2: "ICC_PROFILE\x00\x01\x01", 0xed: "Photoshop 3.0\x00", 0xfe: "", 0xef: ""} {
		jpeg = withSegment(jpeg, marker, []byte(begins+canary))
	}
	png := pngOf(photo(40, 40))
	for _, kind := range []string{"tEXt", "eXIf", "prVt"} {
		png = withChunk(png, kind, []byte("Comment\x00"+canary))
	}
	gif := gifOf(photo(40, 40))
	gif = append(append(gif[:len(gif)-1:len(gif)-1], "\x21\xfe\x0e"+canary+"\x00"...), ';')
	lossy := file(t, "blue-purple-pink.lossy.webp")
	head := append(append([]byte{0x2c, 0, 0, 0}, uint24(149)...), uint24(99)...)
	webp := riff(riffChunk("VP8X", head...), riffChunk("ICCP", []byte(canary)...), lossy[12:], riffChunk("EXIF", []byte(canary)...), riffChunk("XMP ", []byte(canary)...))
	for name, data := range map[string][]byte{"JPEG": jpeg, "PNG": png, "GIF": gif, "WebP": webp} {
		polyglot := append(append([]byte{}, data...), "<html><script>"+canary+"</script>PK\x03\x04"...)
		if bytes.Count(polyglot, []byte(canary)) < 2 {
			t.Fatalf("%s: the canary is not in it", name)
		}
		for _, v := range []media.Variant{media.Avatar, media.Full} {
			if got := show(t, polyglot, v); bytes.Contains(got.Data, []byte("canary")) || bytes.Contains(got.Data, []byte("script")) || bytes.Contains(got.Data, []byte("PK\x03")) {
				t.Errorf("%s: something survives", name)
			}
		}
	}
}

func TestPicturesAreScaledDownAndNeverUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w, h    int
		v       media.Variant
		wantW   int
		wantH   int
		corners bool
	}{
		{1, 1, media.Avatar, 1, 1, false},
		{1, 1, media.Full, 1, 1, false},
		{256, 256, media.Avatar, 256, 256, true},
		{520, 520, media.Avatar, 256, 256, true},
		{600, 300, media.Avatar, 256, 256, true},
		{300, 600, media.Avatar, 256, 256, true},
		{300, 100, media.Avatar, 100, 100, true},
		{4000, 2, media.Avatar, 2, 2, false},
		{4000, 2, media.Preview, 640, 1, false},
		{4000, 1, media.Full, 2048, 1, false},
		{641, 320, media.Preview, 640, 320, true},
		{99, 1300, media.Preview, 49, 640, true},
		{640, 64, media.Preview, 640, 64, true},
		{2050, 80, media.Full, 2048, 80, true},
	} {
		m := decode(t, converted(t, pngOf(quarters(c.w, c.h)), c.v))
		if m.Bounds().Size() != image.Pt(c.wantW, c.wantH) {
			t.Errorf("%d × %d as %s is %v, want %d × %d", c.w, c.h, c.v, m.Bounds(), c.wantW, c.wantH)
		}
		if !c.corners {
			continue
		}
		for i, want := range corners {
			at := image.Pt((i%2*2+1)*c.wantW/4, (i/2*2+1)*c.wantH/4)
			if got := m.At(at.X, at.Y); !near(got, want, 6) {
				t.Errorf("%d × %d as %s: %v is %v, want %v", c.w, c.h, c.v, at, got, want)
			}
		}
	}
}

func TestAPictureOfTooManyPixelsOrBytesIsNotDecoded(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("a.example/less", pngOf(photo(10, 20)))
	r.has("a.example/more", pngOf(photo(67, 3)))
	p := r.proxy(t, media.Config{MaxPixels: 200, MaxBytes: int64(len(pngOf(photo(10, 20))))})
	if _, err := p.Fetch(t.Context(), "https://a.example/less", media.Full); err != nil {
		t.Error(err)
	}
	if _, err := p.Fetch(t.Context(), "https://a.example/more", media.Full); !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("201 pixels: %v", err)
	}
	p = r.proxy(t, media.Config{MaxPixels: 200, MaxBytes: int64(len(pngOf(photo(10, 20)))) - 1})
	if _, err := p.Fetch(t.Context(), "https://a.example/less", media.Full); !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestAPixelIsTheMeanOfThoseItCovers(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	board := image.NewNRGBA(image.Rect(0, 0, 300, 300)) // black and white in turn, half of the columns transparent
	for y := range 300 {
		for x := range 300 {
			c := color.NRGBA{A: 255}
			if (x+y)%2 == 0 {
				c = color.NRGBA{255, 255, 255, 255}
			}
			if x >= 150 && x%2 == 0 {
				c = color.NRGBA{255, 0, 0, 0} // whose red must not show
			}
			board.SetNRGBA(x, y, c)
		}
	}
	r.has("a.example/x", pngOf(board))
	p := r.proxy(t, media.Config{Variants: map[media.Variant]media.Size{"tenth": {Width: 30, Height: 30}}})
	got, err := p.Fetch(t.Context(), "https://a.example/x", "tenth")
	if err != nil {
		t.Fatal(err)
	}
	m := decode(t, got.Data)
	for y := range 30 {
		for x := range 30 {
			want := color.NRGBA{128, 128, 128, 255}
			if x >= 15 {
				want = color.NRGBA{128, 128, 128, 128}
			}
			if !near(m.At(x, y), want, 2) {
				t.Fatalf("%d,%d is %v, want %v", x, y, m.At(x, y), want)
			}
		}
	}
}

func TestOfAnAnimationTheFirstFrameIsShown(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	frame := func(c color.Color, r image.Rectangle) *image.Paletted {
		m := image.NewPaletted(r, color.Palette{c})
		return m
	}
	err := gif.EncodeAll(&b, &gif.GIF{
		Image:  []*image.Paletted{frame(red, image.Rect(10, 0, 40, 20)), frame(blue, image.Rect(0, 0, 40, 20))},
		Delay:  []int{1, 1},
		Config: image.Config{Width: 40, Height: 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := decode(t, show(t, b.Bytes(), media.Full).Data)
	if m.Bounds().Size() != image.Pt(40, 30) || !near(m.At(20, 10), red, 1) || !near(m.At(5, 10), color.Transparent, 1) || !near(m.At(20, 25), color.Transparent, 1) {
		t.Errorf("GIF: %v, %v at the middle, %v beside", m.Bounds(), m.At(20, 10), m.At(5, 10))
	}

	rose, purple := file(t, "yellow_rose.lossy-with-alpha.webp"), file(t, "blue-purple-pink.lossy.webp")
	anmf := func(w, h int, parts []byte) []byte {
		head := append(append(append(make([]byte, 6), uint24(w-1)...), uint24(h-1)...), 0, 0, 0, 0)
		return riffChunk("ANMF", append(head, parts...)...)
	}
	animated := func(frames ...[]byte) []byte {
		head := append(append([]byte{0x12, 0, 0, 0}, uint24(799)...), uint24(799)...)
		return riff(append([][]byte{riffChunk("VP8X", head...), riffChunk("ANIM", 0, 0, 0, 0, 0, 0)}, frames...)...)
	}
	withAlpha := anmf(400, 301, rose[12+18:])
	without := anmf(150, 100, purple[12:])
	for _, c := range []struct {
		name string
		data []byte
		kind string
		size image.Point
	}{
		{"with alpha", animated(withAlpha, without), "image/png", image.Pt(400, 301)},
		{"without", animated(without, withAlpha), "image/jpeg", image.Pt(150, 100)},
	} {
		got := show(t, c.data, media.Full)
		if size := decode(t, got.Data).Bounds().Size(); got.Type != c.kind || size != c.size {
			t.Errorf("WebP %s: %s of %v", c.name, got.Type, size)
		}
	}
	r := newRemote(t)
	r.has("a.example/x", animated())
	if _, err := r.proxy(t, media.Config{}).Fetch(t.Context(), "https://a.example/x", media.Full); !errors.Is(err, media.ErrBroken) {
		t.Errorf("WebP without frames: %v", err)
	}
}

func FuzzPicture(f *testing.F) {
	paletted := image.NewPaletted(image.Rect(0, 0, 9, 7), color.Palette{red, green})
	for _, data := range [][]byte{
		jpegOf(photo(9, 7)), pngOf(photo(9, 7)), gifOf(paletted), file(f, "blue-purple-pink.lossy.webp"), file(f, "gopher-doc.with-alpha.lossless.webp"),
		withSegment(jpegOf(photo(9, 7)), 0xe1, append([]byte("Exif\x00\x00"), exif(binary.LittleEndian, 6)...)),
		withChunk(pngOf(photo(9, 7)), "eXIf", exif(binary.BigEndian, 3)), sized(pngOf(photo(9, 7)), 1<<30, 1<<30),
		riff(riffChunk("VP8X", make([]byte, 10)...), riffChunk("ANMF", make([]byte, 30)...)), []byte("RIFF\x00\x00\x00\x00WEBPVP8"),
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := media.Convert(t.Context(), data, media.Size{Width: 64, Height: 48})
		if err != nil {
			if !errors.Is(err, media.ErrType) && !errors.Is(err, media.ErrBroken) && !errors.Is(err, media.ErrTooLarge) {
				t.Fatalf("no reason in %v", err)
			}
			if out != nil {
				t.Fatalf("%d bytes beside %v", len(out), err)
			}
			return
		}
		m, kind, err := image.Decode(bytes.NewReader(out))
		if err != nil || kind != "jpeg" && kind != "png" {
			t.Fatalf("what is made of it is %q: %v", kind, err)
		}
		if size := m.Bounds().Size(); size.X < 1 || size.Y < 1 || size.X > 64 || size.Y > 48 {
			t.Fatalf("it is %v", size)
		}
	})
}
