package media

import (
	"context"
	"image"
	"image/draw"
	"math"
)

// scale draws what size shows of src's canvas, upright and not larger than it is. Each pixel is the mean of those it covers. It
// goes row by row, so that beside src and the result two rows are all that it holds; the filters of golang.org/x/image/draw
// want 32 bytes for each pixel of a picture that is scaled in one direction.
func scale(ctx context.Context, src image.Image, canvas image.Rectangle, orientation int, size Size) (*image.RGBA, error) {
	if turned(orientation) {
		size.Width, size.Height = size.Height, size.Width
	}
	from, width, height := frame(canvas, size)
	columns := spread(from.Dx(), width)
	lines := spread(from.Dy(), height)
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	row := image.NewRGBA(image.Rect(0, 0, from.Dx(), 1))
	narrow := make([]float32, 4*width) // row, scaled across
	sums := make([]float32, 8*width)   // of the line that rows are added to, and of the next
	done := 0
	for y, line := range lines {
		if y%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		clear(row.Pix) // where a frame doesn't cover the canvas it is transparent
		draw.Draw(row, row.Rect, src, image.Pt(from.Min.X, from.Min.Y+y), draw.Src)
		clear(narrow)
		for x, column := range columns {
			pix := row.Pix[4*x : 4*x+4 : 4*x+4]
			to := narrow[4*column.to : 4*column.to+4 : 4*column.to+4]
			for c := range 4 {
				to[c] += float32(pix[c]) * column.here
			}
			if column.next > 0 {
				to = narrow[4*column.to+4 : 4*column.to+8 : 4*column.to+8]
				for c := range 4 {
					to[c] += float32(pix[c]) * column.next
				}
			}
		}
		if line.to > done {
			finish(out, done, sums[:4*width])
			copy(sums, sums[4*width:8*width])
			clear(sums[4*width:])
			done = line.to
		}
		for i, v := range narrow {
			sums[i] += v * line.here
			sums[4*width+i] += v * line.next
		}
	}
	finish(out, done, sums[:4*width])
	return upright(out, orientation), nil
}

// finish writes a line whose sums are complete.
func finish(out *image.RGBA, y int, sums []float32) {
	pix := out.Pix[y*out.Stride:]
	for i, v := range sums {
		pix[i] = uint8(min(v+0.5, 255))
	}
	for i := 0; i < len(sums); i += 4 { // rounding must not make a colour brighter than its alpha
		for c := range 3 {
			pix[i+c] = min(pix[i+c], pix[i+3])
		}
	}
}

// frame tells which part of a canvas is shown, and how large.
func frame(canvas image.Rectangle, size Size) (from image.Rectangle, width, height int) {
	w, h := float64(canvas.Dx()), float64(canvas.Dy())
	across, down := float64(size.Width)/w, float64(size.Height)/h
	if !size.Crop {
		f := min(across, down, 1)
		return canvas, max(int(math.Round(w*f)), 1), max(int(math.Round(h*f)), 1)
	}
	// The largest part of the canvas that has the shape of size.
	shape := float64(size.Width) / float64(size.Height)
	partW, partH := int(max(math.Round(min(w, h*shape)), 1)), int(max(math.Round(min(h, w/shape)), 1))
	from = image.Rect(0, 0, partW, partH).Add(canvas.Min).Add(image.Pt((canvas.Dx()-partW)/2, (canvas.Dy()-partH)/2))
	return from, min(size.Width, partW), min(size.Height, partH)
}

// share is where a pixel of the original goes: to one pixel of the result, and perhaps to the next.
type share struct {
	to         int
	here, next float32 // of the mean
}

// spread shares n pixels among m, which are not more.
func spread(n, m int) []share {
	shares := make([]share, n)
	part := float64(m) / float64(n)
	for i := range shares {
		// In units of 1/n of a pixel of the result these are whole numbers.
		begin, end := int64(i)*int64(m), int64(i+1)*int64(m)
		to := begin / int64(n)
		s := share{to: int(to), here: float32(part)}
		if border := (to + 1) * int64(n); end > border {
			s.here, s.next = float32(float64(border-begin)/float64(n)), float32(float64(end-border)/float64(n))
		}
		shares[i] = s
	}
	return shares
}
