package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/sink/store"
)

// open opens the run.
func (f *fleet) open(j job) *Output {
	f.Helper()
	o, err := j.openOn(f.memory)
	if err != nil {
		f.Fatal(err)
	}
	closeAtEnd(f.T, o)
	o.SetMeta("task_id", "task")
	return o
}

// file is what a start of the run publishes as file number seq, with sizes of its own.
func (f *fleet) file(j job, seq int) (string, []byte) {
	f.Helper()
	alone := newFleet(f.T)
	if err := alone.start(alone.memory.NewProcess(), j); err != nil {
		f.Fatal(err)
	}
	name := layout{run: testRun, partition: testPartition}.part(seq, 0)
	for other, data := range alone.memory.Files() {
		if stem, ok := rejectsOf(other[len(testDir)+1:]); other[:len(testDir)] == testDir && ok && validStem(stem, seq) {
			f.memory.Plant(other, data)
		}
	}
	return name, alone.memory.Files()[name]
}

const testDir = store.StateDir + "/" + testRun

func appendAll(j job, o *Output) error {
	if err := j.stretchTo(o, j.total); err != nil {
		return err
	}
	return o.Finish(context.Background(), j.offset(j.total), j.total, map[string]string{"drift": fmt.Sprint(j.total)})
}

// A file that arrives late, and begins where ours does, is taken into the chain, whether it is longer or shorter: once.
func TestOvertaken_OnceOnly(t *testing.T) {
	for name, rows := range map[string]int64{"longer": 7, "shorter": 2} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			ours, theirs := f.job(2, 4), f.job(2, rows)
			o := f.open(ours)
			first, data := f.file(theirs, 0)
			f.memory.Plant(first, data)
			if err := appendAll(ours, o); !o.Overtaken() || !errors.Is(err, ErrLocked) {
				t.Fatalf("overtaken %v, %v", o.Overtaken(), err)
			}
			if err := o.Reject(t.Context(), 0, 0, "", nil); !errors.Is(err, ErrLocked) {
				t.Errorf("appended before a rewind: %v", err)
			}
			if err := o.Rewind(t.Context()); err != nil || o.Overtaken() {
				t.Fatalf("overtaken %v, %v", o.Overtaken(), err)
			}
			if files := o.Files(); len(files) != 1 || files[0].Name != first || files[0].Bytes != int64(len(data)) {
				t.Fatalf("the chain is %+v", files)
			}
			second, data := f.file(theirs, 1)
			f.memory.Plant(second, data)
			if err := appendAll(ours, o); o.Overtaken() || !errors.Is(err, ErrLocked) {
				t.Errorf("a second time: overtaken %v, %v", o.Overtaken(), err)
			}
			if err := o.Rewind(t.Context()); err == nil {
				t.Error("went on beside a twin")
			}
			f.look()
			f.finish()
		})
	}
}

// A file of the run that begins elsewhere is a twin's, and one of another run nobody's business.
func TestOvertaken_NotByStrangers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(kv map[string]string)
		is     error
	}{
		"another start":   {func(kv map[string]string) { kv[footerPrefix+keySeq] = "0" }, ErrLocked},
		"another number":  {func(map[string]string) {}, ErrForeign},
		"another run":     {func(kv map[string]string) { kv[footerPrefix+keyRun] = "other" }, ErrForeign},
		"nobody's":        {func(kv map[string]string) { clear(kv) }, ErrForeign},
		"a broken footer": {func(kv map[string]string) { delete(kv, footerPrefix+keyToOffset) }, ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			j := f.job(2, 4)
			o := f.open(j)
			f.memory.Plant(o.partName(0), build(t, tortureJob(), c.change))
			before := f.memory.Files()[o.partName(0)]
			if err := appendAll(j, o); o.Overtaken() || !errors.Is(err, c.is) || errors.Is(err, ErrLocked) == errors.Is(err, ErrForeign) {
				t.Errorf("overtaken %v, %v", o.Overtaken(), err)
			}
			if string(f.memory.Files()[o.partName(0)]) != string(before) {
				t.Error("it was touched")
			}
		})
	}
}

// A store that says "taken" of a name that is not there, and keeps saying so, is waited for, and then told of.
func TestSettle_TakenButNotThere(t *testing.T) {
	for _, heals := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t)
			o := f.open(f.job(2, 4))
			asked, began := 0, time.Now()
			step := func(context.Context) error {
				if asked++; heals && asked == 4 {
					return nil
				}
				return &store.Error{Op: "put", Path: "x", Err: errors.Join(errors.New("409"), taken(asked))}
			}
			err := o.settle(t.Context(), "x", step, func(ctx context.Context) error {
				_, err := store.Stat(ctx, o.store, "x")
				return err
			})
			var s *store.Error
			switch took := time.Since(began); {
			case heals && (err != nil || took != 7*time.Second):
				t.Errorf("%v after %s", err, took)
			case !heals && (!errors.As(err, &s) || !errors.Is(err, store.ErrUnclear) || s.Hint == "" || took != time.Minute || asked != len(waits)+1):
				t.Errorf("%v after %s and %d attempts", err, took, asked)
			}
		})
	}
}

// taken is one of the two answers that mean the same.
func taken(n int) error {
	if n%2 == 0 {
		return store.ErrUnclear
	}
	return fs.ErrExist
}

// The runs of a store that probe it together do it once; one that is complete does not.
func TestProbes_OncePerStore(t *testing.T) {
	f := newFleet(t)
	var probes Probes
	run := func(name string) {
		j := f.job(2, 4)
		sizes := j.config
		j.config = func(c *Config) {
			sizes(c)
			c.Run, c.Probes = name, &probes
		}
		o, err := j.openOn(f.memory)
		if err != nil {
			t.Error(err)
			return
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { run(fmt.Sprint("run", i)) })
	}
	all.Wait()
	if n := f.memory.Requests()["remove"]; n != 1 {
		t.Errorf("%d probes", n)
	}
	f.finish()
	before := f.memory.Requests()["remove"]
	o, err := f.job(2, 4).openOn(f.memory)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, o)
	if n := f.memory.Requests()["remove"]; n != before {
		t.Error("a complete run was probed")
	}
}
