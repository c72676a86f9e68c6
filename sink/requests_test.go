package sink

import (
	"fmt"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// crowd is a store with thousands of objects of other runs, in the directories of this one too.
func crowd(t *testing.T) *fleet {
	f := newFleet(t)
	f.memory.Page, f.memory.Part = 0, 0
	for i := range 10_000 {
		run := fmt.Sprintf("zz%d", i%100)
		f.memory.Plant(fmt.Sprintf("%s/part-%s-%05d.parquet", testPartition, run, i/100), []byte("nobody reads this"))
		if i < 100 {
			f.memory.Plant(RunDir(run)+"/manifest.json", []byte("nor this"))
		}
	}
	return f
}

// requests are those of one call.
func requests(m *storetest.Memory, call func()) (all int, by map[string]int) {
	before := m.Requests()
	call()
	by = m.Requests()
	for kind, n := range before {
		by[kind] -= n
	}
	for _, n := range by {
		all += n
	}
	return all, by
}

// What a start costs does not depend on what others have in the output: 10 requests where nothing is there yet, of which
// the probe takes 7; 7 for one that was claimed, its first record among them, on which the probe takes 6; and 4 for a
// run that is complete, whose probe is not needed. Each publication looks whether the run is being dropped.
func TestOpen_CostsFewRequests(t *testing.T) {
	for name, f := range map[string]*fleet{"empty": newFleet(t), "10,000 objects of others": crowd(t)} {
		f.memory.Page, f.memory.Part = 0, 0
		j := f.job(3, 5)
		open := func(j job) (all int, by map[string]int) {
			return requests(f.memory, func() {
				o, err := j.openOn(f.memory)
				if err != nil {
					t.Fatal(err)
				}
				closeAtEnd(t, o)
			})
		}
		if all, by := open(j); all > 10 || by["read"] != 0 {
			t.Errorf("%s: a first start takes %d requests: %v", name, all, by)
		}
		claimed := j
		claimed.config = func(c *Config) {
			c.Run, c.Begin = "claimed", &store.Record{Name: "request.json", Data: []byte("what is asked for")}
		}
		if all, by := open(claimed); all > 7 || by["read"]+by["list"] != 0 {
			t.Errorf("%s: a first start after a claim takes %d requests: %v", name, all, by)
		}
		all, by := requests(f.memory, func() {
			if err := f.start(f.memory.NewProcess(), j); err != nil {
				t.Fatal(err)
			}
		})
		if files := 4; by["read"] != 0 || by["list"] > 6+files || all > 10+8+4*files {
			t.Errorf("%s: a whole run takes %d requests: %v", name, all, by)
		}
		if all, by := open(j); all > 4 || by["put"]+by["remove"] != 0 {
			t.Errorf("%s: a complete run takes %d requests: %v", name, all, by)
		}
	}
}

// A run that was stopped costs one read for each of its own files, whatever their number of row groups.
func TestOpen_ReadsEachFooterOnce(t *testing.T) {
	f := crowd(t)
	j := job{total: 4000, group: 10, config: func(c *Config) { c.MaxFileRows = 500 }}
	o := f.open(j)
	if err := j.stretchTo(o, 3900); err != nil {
		t.Fatal(err)
	}
	files := len(o.Files())
	if err := o.Close(); err != nil || files != 7 {
		t.Fatal(files, err)
	}
	all, by := requests(f.memory, func() { f.open(j) })
	if by["read"] != files || all > 10+files {
		t.Errorf("%d requests for %d files: %v", all, files, by)
	}
}

// Of a run that goes on for ever a start reads one footer, however many files there are: beside that only the listing grows.
func TestOpen_OfATailReadsOneFooter(t *testing.T) {
	f := newFleet(t)
	f.memory.Page, f.memory.Part = 1000, 0
	at := func(files int) (all int, by map[string]int) {
		t.Helper()
		j := job{total: int64(10 * files), group: 10, config: func(c *Config) { c.MaxFileRows, c.Tail = 10, true }}
		o := f.open(j)
		if err := j.stretchTo(o, int64(10*files)); err != nil {
			t.Fatal(err)
		}
		if n := len(o.Files()); n < files-1 {
			t.Fatalf("%d files, expected %d", n, files)
		}
		wantOffset, wantNext := o.Position()
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		all, by = requests(f.memory, func() { o = f.open(j) })
		if offset, next := o.Position(); offset != wantOffset || next != wantNext || next < int64(10*(files-1)) {
			t.Errorf("goes on at %q, %d, expected %q, %d", offset, next, wantOffset, wantNext)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		return all, by
	}
	few, _ := at(3)
	many, by := at(900)
	if many != few || by["read"] != 1 {
		t.Errorf("%d requests for 3 files, %d for 900: %v", few, many, by)
	}
}
