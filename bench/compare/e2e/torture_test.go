package e2e

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// torture is how much of it there is, and what came of it. TORTURE=n in the environment makes it n times
// as long as in the full run of the tests, and TORTURE_SEED repeats one. In the quick run everything is done,
// in one of several places.
type torture struct {
	n     int
	quick bool
	seed  uint64

	kills, stops, errors, cuts, raced, twice, sequencesDone, steps, looks, files atomic.Int64
}

// TestTorture does to the binary what a data centre does, and worse. Afterwards the same command, run
// again, must have every result once, paid once; and whoever looks at the output meanwhile must see
// nothing but whole files that never change.
func TestTorture(t *testing.T) {
	r := &torture{n: knob(t, "TORTURE", 1)}
	r.quick = testing.Short() && r.n == 1
	r.seed = uint64(knob(t, "TORTURE_SEED", 1))
	begun := time.Now()
	t.Run("all", func(t *testing.T) {
		t.Run("killed by request", r.killedByRequest)
		t.Run("killed within an answer", r.killedWithinAnAnswer)
		t.Run("cut streams", r.cutStreams)
		t.Run("races", r.races)
		t.Run("killed by system call", r.killedBySystemCall)
		t.Run("stopped by system call", r.stoppedBySystemCall)
		t.Run("failed system calls", r.failedSystemCalls)
		t.Run("sequences", r.sequences)
		t.Run("storm", r.storm)
	})
	// On standard error, where it is seen without -v too.
	fmt.Fprintf(os.Stderr, "torture: %d kills, %d stops, %d failed system calls, %d cut streams, %d races (%d bought twice, as documented), "+
		"%d sequences of %d steps, seed %d; %d looks at %d files; %s\n", r.kills.Load(), r.stops.Load(), r.errors.Load(), r.cuts.Load(),
		r.raced.Load(), r.twice.Load(), r.sequencesDone.Load(), r.steps.Load(), r.seed, r.looks.Load(), r.files.Load(), time.Since(begun).Round(time.Second))
}

// times is how often something is done.
func (r *torture) times(usual, quick int) int {
	if r.quick {
		return quick
	}
	return usual * r.n
}

func knob(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is not a number from 1 on", name, text)
	}
	return n
}

// trial prepares an export.
func (r *torture) trial(t *testing.T) *trial {
	t.Helper()
	return r.trialWith(t, tried())
}

func (r *torture) trialWith(t *testing.T, cfg emulator.Config) *trial {
	t.Helper()
	x := newTrial(t, cfg)
	x.watcher = r.watch(t, x.out)
	return x
}

// watch looks at an output until the test ends, and counts what it saw.
func (r *torture) watch(t *testing.T, out string) *watcher {
	t.Helper()
	w := watch(t, out)
	t.Cleanup(func() {
		looks, files := w.figures()
		r.looks.Add(int64(looks))
		r.files.Add(int64(files))
	})
	return w
}
