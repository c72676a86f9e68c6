//go:build !linux

package dataset

import "time"

// limit does nothing where a process cannot be limited as on Linux (macOS accepts such limits and
// ignores them): the deadline and the caps of pages.go are all there is.
func limit(int64, time.Duration) error { return nil }
