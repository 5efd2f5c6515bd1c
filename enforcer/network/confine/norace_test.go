//go:build !race

package confine

// raceDetector says that this binary is one with the race detector.
const raceDetector = false
