package dataset

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// limit ends this process's right to grow by more than memory bytes and to compute for longer than
// cpu. It has no way back. The address space is counted from what the process has now: the runtime
// reserves much more than it uses, and the race detector terabytes.
func limit(memory int64, cpu time.Duration) error {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return fmt.Errorf("limit the reader's memory: %w", err)
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	pages, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil {
		return fmt.Errorf("limit the reader's memory: %w", err)
	}
	seconds := uint64(max(1, cpu/time.Second))
	for resource, n := range map[int]uint64{
		unix.RLIMIT_AS:   uint64(pages*int64(os.Getpagesize()) + memory),
		unix.RLIMIT_CPU:  seconds, // should the parent have died, which holds the deadline
		unix.RLIMIT_CORE: 0,       // it would hold documents
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(resource, &old); err != nil {
			return fmt.Errorf("limit the reader: %w", err)
		}
		n = min(n, old.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("limit the reader: %w", err)
		}
	}
	return nil
}
