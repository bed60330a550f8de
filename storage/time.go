package storage

import "time"

// Stores keep times to the microsecond and hand them out in UTC.

// toMicros is the time as it is kept; the zero Time is 0.
func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// kept is t as it comes back from a store.
func kept(t time.Time) time.Time { return fromMicros(toMicros(t)) }
