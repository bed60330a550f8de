package bench

import (
	"math"
	"slices"
	"time"
)

// Percentile is the smallest value that at least this share of all are not above; 0 of none. It sorts them.
func Percentile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	i := int(math.Ceil(share*float64(len(all)))) - 1
	return all[min(max(i, 0), len(all)-1)]
}
