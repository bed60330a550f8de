package media

import (
	"bytes"
	"encoding/binary"
	"errors"
)

var errWebP = errors.New("not a WebP container")

// still is the one picture of a WebP file that is decoded: all there is, or the first frame.
type still struct {
	data     []byte // a file of that alone
	exif     []byte
	lossless bool
	huffman  int64 // bytes that are read as a lossless picture, the alpha channel's among them
}

// parseWebP walks over the chunks of a RIFF container and makes a new one: the header if there is one, the alpha channel
// and the picture. golang.org/x/image/webp knows no animation, and tells nothing of EXIF.
func parseWebP(data []byte) (s still, err error) {
	var head, alpha, body []byte // whole chunks
	for id, chunk := range chunks(data[12:]) {
		switch id {
		case "VP8X":
			if len(chunk) < 18 || head != nil {
				return s, errWebP
			}
			head = bytes.Clone(chunk[:18])
		case "ANMF":
			if body != nil || len(chunk) < 8+16 {
				continue
			}
			frame := chunk[8:]
			for id, part := range chunks(frame[16:]) {
				keepFirst(id, part, &alpha, &body)
			}
			if head != nil { // the frame's dimensions in place of the canvas's
				copy(head[12:18], frame[6:12])
			}
		case "EXIF":
			s.exif = chunk[8:]
		default:
			keepFirst(id, chunk, &alpha, &body)
		}
	}
	if body == nil {
		return s, errWebP
	}
	out := bytes.NewBuffer([]byte("RIFF\x00\x00\x00\x00WEBP"))
	s.lossless = string(body[:4]) == "VP8L"
	if head != nil {
		head[8] = 0 // flags
		if alpha != nil && !s.lossless {
			head[8] = 1 << 4
		}
		out.Write(head)
	}
	if s.lossless {
		s.huffman = int64(len(body))
	} else if alpha != nil && head != nil {
		writeChunk(out, alpha)
		s.huffman = int64(len(alpha))
	}
	writeChunk(out, body)
	s.data = out.Bytes()
	binary.LittleEndian.PutUint32(s.data[4:], uint32(len(s.data)-8))
	return s, nil
}

func keepFirst(id string, chunk []byte, alpha, body *[]byte) {
	switch {
	case *body != nil: // an alpha channel after its picture is none
	case id == "ALPH" && *alpha == nil:
		*alpha = chunk
	case id == "VP8 " || id == "VP8L":
		*body = chunk
	}
}

func writeChunk(out *bytes.Buffer, chunk []byte) {
	out.Write(chunk)
	if len(chunk)%2 != 0 {
		out.WriteByte(0)
	}
}

// chunks yields the chunks of a RIFF container with their headers of eight bytes, and ends where one is cut off.
func chunks(data []byte) func(yield func(id string, chunk []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(data) >= 8 {
			n := 8 + int64(binary.LittleEndian.Uint32(data[4:]))
			if n > int64(len(data)) || !yield(string(data[:4]), data[:n]) {
				return
			}
			data = data[min(n+n%2, int64(len(data))):]
		}
	}
}

// memory is what golang.org/x/image/webp allocates at most. A lossless picture may bring up to 65,536 groups of five prefix
// codes, whether its pixels use them or not: a group of the shortest takes 20 bits of the file and 2,760 bytes of
// memory, and longer codes up to 256 bytes of memory for each of theirs.
func (s still) memory(pixels int64) int64 {
	if s.huffman == 0 {
		return 2 * pixels
	}
	const groups = 65536
	short := min(s.huffman, groups*20/8)
	return 14*pixels + short*1104 + (s.huffman-short)*256
}
