package resolver

import "time"

// How many new names below wildcards are asked for: at first, and a second.
const (
	limitBurst = 100
	limitRate  = 5
)

// bucket limits a rate. Its zero value is full.
type bucket struct {
	used float64
	last time.Time
}

// take reports whether one more may be had now, and counts it.
func (b *bucket) take(now time.Time) bool {
	if passed := now.Sub(b.last); passed > 0 {
		b.used = max(0, b.used-passed.Seconds()*limitRate)
		b.last = now
	}
	if b.used+1 > limitBurst {
		return false
	}
	b.used++
	return true
}
