package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// fleet is a store without holds, and the runners of one run that share it. It is the oracle of what they did.
type fleet struct {
	*testing.T
	memory *storetest.Memory
	total  int64
	reject int64
	age    time.Duration // of the store's clock

	posts  atomic.Int64 // exports that were bought
	starts atomic.Int64
	before map[string][]byte // at the last look
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{T: t, memory: storetest.NewMemory(), total: 23, reject: 5}
	began := time.Now()
	f.memory.Page, f.memory.Part = 3, 900 // small files are put, larger ones sent in parts
	f.memory.Now = func() time.Time { return began.Add(f.age) }
	return f
}

// job is the run with sizes of its own: starts need not cut the stream alike.
func (f *fleet) job(group, rows int64) job {
	return job{total: f.total, group: group, reject: f.reject, config: func(c *Config) { c.MaxFileRows = rows }}
}

func (f *fleet) anyJob(rng *rand.Rand) job { return f.job(1+rng.Int64N(4), 2+rng.Int64N(8)) }

// start does what one start of the run does, from nothing but the store: it looks, buys if nobody did, reads on, reads
// again where it was overtaken, and ends.
func (f *fleet) start(p *storetest.Process, j job) (err error) {
	ctx := context.Background()
	id := f.starts.Add(1)
	o, err := j.openOn(p)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := o.Close(); err == nil {
			err = cerr
		}
	}()
	if m, err := o.Manifest(); m != nil || err != nil {
		return err
	}
	intents, err := o.Journal().List(ctx, "intent-")
	if err != nil {
		return err
	}
	if len(intents) == 0 {
		err := o.Journal().Put(ctx, "intent-1.json", fmt.Appendf(nil, `{"attempt":%d}`, id))
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("buy: %w", ErrLocked)
		}
		if err != nil {
			return err
		}
		f.posts.Add(1)
	}
	o.SetMeta("task_id", "task")
	for {
		err := j.stretchTo(o, j.total)
		if err == nil {
			err = o.Finish(ctx, j.offset(j.total), j.total, map[string]string{"drift": fmt.Sprint(j.total)})
		}
		if err == nil {
			break
		}
		if !o.Overtaken() {
			return err
		}
		if err := o.Rewind(ctx); err != nil {
			return err
		}
	}
	return o.Complete(ctx, fmt.Appendf(nil, `{"task":"task","attempt":%d}`, id))
}

// judge holds the end of a start against what may happen to one.
func (f *fleet) judge(p *storetest.Process, err error) {
	f.Helper()
	switch {
	case err == nil, p.Dead, errors.Is(err, ErrLocked), p.Op != "" && errors.Is(err, store.ErrUnclear):
	default:
		f.Fatalf("%s: %v", p.Op, err)
	}
	f.look()
}

// look fails unless what is visible is a prefix of the results, each once and in order, nothing that was published has
// changed or gone, and nothing was bought twice.
func (f *fleet) look() {
	f.Helper()
	j := f.job(1, 1)
	got, want := j.visible(f.T, f.memory), j.wantRows(f.total)
	if len(got) > len(want) || fmt.Sprint(got) != fmt.Sprint(want[:len(got)]) {
		f.Fatalf("visible rows %v", got)
	}
	all := f.memory.Files()
	for name, data := range f.before {
		if now, ok := all[name]; !strings.Contains(name, "probe") && !strings.Contains(name, "/rejects-") && !ok || ok && !bytes.Equal(now, data) {
			f.Fatalf("%s was published, and changed or is gone", name)
		}
	}
	f.before = all
	if n := f.posts.Load(); n > 1 {
		f.Fatalf("bought %d times", n)
	}
}

// finish starts the run until it is complete, which it must be soon: what is late arrives during the first start.
func (f *fleet) finish() {
	f.Helper()
	for range 4 {
		p := f.memory.NewProcess()
		p.Gate = func() { f.memory.Land() }
		err := f.start(p, f.job(3, 5))
		f.judge(p, err)
		if err == nil {
			f.job(3, 5).checkWhole(f.T, f.memory)
			if got := newestManifest(f.memory.Files()); !bytes.Contains(got, []byte(`"attempt"`)) {
				f.Fatalf("the manifest's report is %s", got)
			}
			return
		}
		if !errors.Is(err, ErrLocked) {
			f.Fatal(err)
		}
	}
	f.Fatal("the run does not come to its end")
}

// together runs starts at the same time. Each request waits for its turn, which chance gives; those that are held
// back get none before all others have ended.
func (f *fleet) together(rng *rand.Rand, land bool, held map[int]bool, processes []*storetest.Process, jobs []job) []error {
	type event struct {
		who   int
		ended bool
	}
	events := make(chan event)
	errs := make([]error, len(processes))
	turns := make([]chan struct{}, len(processes))
	from := make([]int, len(processes)) // the request at which a held one stops
	var all sync.WaitGroup
	for i, p := range processes {
		turns[i] = make(chan struct{})
		from[i] = rng.IntN(45)
		p.Gate = func() {
			events <- event{who: i}
			<-turns[i]
		}
		all.Go(func() {
			errs[i] = f.start(p, jobs[i])
			events <- event{i, true}
		})
	}
	waiting := map[int]bool{}
	for active := len(processes); active > 0; {
		for len(waiting) < active {
			if e := <-events; e.ended {
				active--
			} else {
				waiting[e.who] = true
			}
		}
		var ready, later []int
		for i := range processes {
			switch {
			case waiting[i] && held[i] && processes[i].Count >= from[i]:
				later = append(later, i)
			case waiting[i]:
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			ready = later
		}
		if len(ready) == 0 {
			continue
		}
		if land && rng.IntN(30) == 0 {
			f.memory.Land()
		}
		next := ready[rng.IntN(len(ready))]
		delete(waiting, next)
		turns[next] <- struct{}{}
	}
	all.Wait()
	return errs
}
