package media

import (
	"context"
	"log/slog"

	"golang.org/x/sync/semaphore"
)

// Convert is what happens to a picture's bytes, with room for a megapixel.
func Convert(ctx context.Context, data []byte, size Size) ([]byte, error) {
	c, err := Config{Keys: [][]byte{make([]byte, 32)}, MaxPixels: 1 << 20, MaxMemory: 32 << 20, Logger: slog.Default()}.withDefaults()
	if err != nil {
		return nil, err
	}
	out, err := (&Proxy{config: c, memory: semaphore.NewWeighted(c.MaxMemory)}).convert(ctx, data, size)
	return out.data, err
}
