package media

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation reads the tag 0x0112 of a TIFF header, as EXIF has it: 1 is upright, which it also returns for what it can't read.
func orientation(exif []byte) int {
	exif = bytes.TrimPrefix(exif, []byte("Exif\x00\x00")) // which WebP and PNG should not have, and sometimes do
	if len(exif) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(exif[4:]))
	if at+2 > int64(len(exif)) {
		return 1
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < 12 {
			return 1
		}
		const short = 3
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == short && order.Uint32(entries[4:]) == 1 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// jpegEXIF returns the EXIF segment before the first scan, or nil.
func jpegEXIF(data []byte) []byte {
	data = data[2:]
	for len(data) >= 4 && data[0] == 0xff {
		marker := data[1]
		if marker == 0xff { // a fill byte
			data = data[1:]
			continue
		}
		n := 2 + int(binary.BigEndian.Uint16(data[2:]))
		if marker == 0xda || marker < 0xc0 || n < 4 || n > len(data) {
			return nil
		}
		if segment := data[4:n]; marker == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return segment
		}
		data = data[n:]
	}
	return nil
}

// pngEXIF returns the eXIf chunk, or nil.
func pngEXIF(data []byte) []byte {
	data = data[8:]
	for len(data) >= 12 {
		n := int64(binary.BigEndian.Uint32(data))
		if n > int64(len(data))-12 {
			return nil
		}
		if string(data[4:8]) == "eXIf" {
			return data[8 : 8+n]
		}
		data = data[12+n:]
	}
	return nil
}

// upright turns and mirrors a picture so that its orientation becomes 1.
func upright(in *image.RGBA, orientation int) *image.RGBA {
	if orientation <= 1 {
		return in
	}
	w, h := in.Rect.Dx(), in.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if turned(orientation) {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var to image.Point
			switch orientation {
			case 2:
				to = image.Pt(w-1-x, y)
			case 3:
				to = image.Pt(w-1-x, h-1-y)
			case 4:
				to = image.Pt(x, h-1-y)
			case 5:
				to = image.Pt(y, x)
			case 6:
				to = image.Pt(h-1-y, x)
			case 7:
				to = image.Pt(h-1-y, w-1-x)
			case 8:
				to = image.Pt(y, w-1-x)
			}
			copy(out.Pix[out.PixOffset(to.X, to.Y):][:4], in.Pix[in.PixOffset(x, y):][:4])
		}
	}
	return out
}

// turned tells whether width and height change places.
func turned(orientation int) bool { return orientation >= 5 }
