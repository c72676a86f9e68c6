package sink

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// Somebody looks all the time while a run writes, rewinds, is started again and again, and ends.
// Whatever they see opens, is in order, and never changes.
func TestWatcher_SeesOnlyWholeFilesThatNeverChange(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 600, group: 5, reject: 9, config: func(c *Config) { c.MaxFileRows = 20 }}
	stop, done := make(chan struct{}), make(chan error, 1)
	var looks, seen int
	go func() { done <- watch(dir, stop, &looks, &seen) }()
	err := j.interrupted(dir)
	close(stop)
	if werr := <-done; werr != nil {
		t.Fatal(werr)
	}
	if err != nil {
		t.Fatal(err)
	}
	j.checkComplete(t, dirTree(dir))
	if looks < 10 || seen < 20 {
		t.Fatalf("%d looks at %d files prove nothing", looks, seen)
	}
}

// interrupted runs the job in many starts, each of which appends more than it publishes.
func (j job) interrupted(dir string) error {
	for {
		o, err := j.open(nil, dir)
		if err != nil {
			return err
		}
		_, next := o.Position()
		if next+3*j.group >= j.total {
			if err := o.Close(); err != nil {
				return err
			}
			return j.run(nil, dir, nil)
		}
		if err := j.stretch(o, next); err != nil {
			return err
		}
		if err := o.Close(); err != nil {
			return err
		}
	}
}

// stretch publishes one file, goes on without a mark, and rewinds.
func (j job) stretch(o *Output, next int64) error {
	o.SetMeta("task_id", "task")
	for cut := false; !cut; {
		var err error
		if err = j.feed(o, next, next+j.group); err != nil {
			return err
		}
		next += j.group
		notes := map[string]string{"drift": fmt.Sprint(next)}
		if cut, err = o.Mark(context.Background(), j.offset(next), next, notes); err != nil {
			return err
		}
	}
	if err := j.feed(o, next, next+j.group); err != nil {
		return err
	}
	return o.Rewind(context.Background())
}

// watch reads every visible file over and over, first the new ones.
func watch(dir string, stop <-chan struct{}, looks, seen *int) error {
	sums := map[string]string{}
	defer func() { *seen = len(sums) }()
	for {
		names, err := filepath.Glob(filepath.Join(dir, "*", "*.parquet"))
		if err != nil {
			return err
		}
		slices.Reverse(names)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("visible, then gone: %w", err)
			}
			sum := sha256Hex(data)
			if first, ok := sums[name]; ok && first != sum {
				return fmt.Errorf("%s changed", name)
			} else if !ok {
				if _, err := readOrdinals(data); err != nil {
					return fmt.Errorf("%s is visible and torn: %w", name, err)
				}
				sums[name] = sum
			}
		}
		*looks++
		select {
		case <-stop:
			return nil
		default:
			runtime.Gosched()
		}
	}
}
