package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// gc is the command: it deletes what nobody needs, with the collectors of complete runs if young.
func (m *machine) gc(young bool) (found []pipeline.Leftover, err error) {
	ctx, client := m.client()
	defer m.end(nil)
	defer client.Close()
	d, err := dataset.Open(ctx, m.store())
	if err != nil {
		return nil, err
	}
	accounts, logs, err := pipeline.Census(ctx, listing{d})
	if err != nil || len(logs) > 0 {
		return nil, fmt.Errorf("census: %v, %w", logs, err)
	}
	c := &pipeline.Cleanup{API: client, Young: young, Whole: func(run string) bool {
		missing, err := d.Run(run).Missing(ctx)
		return err == nil && len(missing) == 0
	}}
	if found, err = c.Find(ctx, accounts); err != nil {
		return nil, err
	}
	for _, l := range found {
		if l.Keep == "" {
			if err := c.Delete(ctx, l); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// let goes on to drop a run, by what is known of it, as the command does.
func (m *machine) let(win pipeline.Window) error {
	note, _ := json.Marshal(win.Asking())
	if data, ok := m.town.files()[path.Join(sink.RunDir(win.Run), "manifest.json")]; ok {
		var report struct{ Report json.RawMessage }
		if err := json.Unmarshal(data, &report); err != nil {
			return err
		}
		note = report.Report
	}
	m.town.dropped[win.Run] = uint64(len(m.town.server.Ledger().Requests))
	return m.dropRun(win, note)
}

// collectors are those of the account.
func (w *town) collectors() (ids []string) {
	_, client := w.machine().client()
	defer client.Close()
	info, err := client.StreamInfo(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range info.Collectors {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// outcome is what has to be the same, however often the machines died: the bill, what was bought, what is left on the
// server, and what lies in the output.
func (w *town) outcome() string {
	var b strings.Builder
	credits := map[string]int64{}
	for _, c := range w.server.Ledger().Charges {
		credits[c.Target] += c.Credits
	}
	for _, target := range slices.Sorted(maps.Keys(credits)) {
		fmt.Fprintf(&b, "paid %s %d\n", target, credits[target])
	}
	fmt.Fprintf(&b, "tasks %d\ncollectors %s\n", len(w.server.Ledger().Tasks), w.collectors())
	for _, name := range slices.Sorted(maps.Keys(w.files())) {
		if base := path.Base(name); base == "manifest.json" || base == sink.DroppedRecord || base == sink.DroppingRecord || path.Ext(base) == ".parquet" || strings.HasPrefix(base, "mine") {
			fmt.Fprintln(&b, name)
		}
	}
	return b.String()
}

// documents are the rows that are there, sorted. It must be called outside of a bubble: readers of Parquet share decoders.
func (w *town) documents() string {
	var rows bytes.Buffer
	if err := dataset.Cat(context.Background(), &rows, dataset.Print{Inputs: []dataset.Input{{Store: w.machine().store()}}, Limit: -1}); err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(rows.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// letting is a town after some of the steps, and the next.
type letting struct {
	name  string
	steps int // done before, undisturbed
	step  func(w *town, m *machine) error
}

// The life of three windows: they are exported, collectors that nobody needs are deleted, one window is dropped, and
// bought again, and its collectors go as well.
var lettings = []letting{
	{"export", 0, (*town).export},
	{"gc", 1, (*town).collect},
	{"drop", 2, (*town).dropSecond},
	{"export again", 3, (*town).export},
	{"gc again", 4, (*town).collect},
}

func (w *town) days() pipeline.Ask { return w.ask(0, 72, pipeline.SplitDay, source.MaxLimit, 1) }

func (w *town) export(m *machine) error {
	e := m.start(w.days())
	for _, err := range append(e.errs, e.err) {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *town) collect(m *machine) error {
	_, err := m.gc(true)
	return err
}

func (w *town) dropSecond(m *machine) error {
	r := w.days().Windows[1]
	return m.let(pipeline.Window{Request: r, Host: "127.0.0.1", Run: r.Run("127.0.0.1"), Partition: "window_start=" + pipeline.PartitionName(r.Start)})
}

// strangers are a collector and files that are not this output's, under names that look like it.
func (w *town) strangers() {
	for _, id := range []string{"tw2p-another", "mine", "tw2p"} {
		if err := w.server.AddCollector(id, time.Now().Add(-100*24*time.Hour), nil); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, name := range []string{"mine.parquet.txt", "_tw2parquet/source-x/mine"} {
		if w.disk == nil {
			w.memory.Plant(name, []byte("mine"))
		}
	}
}

// death is how a machine dies at its request i, or call i. A request to a disk is many operations, of which every fifth
// has to do.
type death struct {
	name   string
	disk   bool
	stride int
	set    func(m *machine, i int)
}

var deaths = []death{
	{"before a request", false, 1, func(m *machine, i int) { m.At, m.Kind = i, storetest.DieBefore }},
	{"after a request", false, 1, func(m *machine, i int) { m.At, m.Kind = i, storetest.DieAfter }},
	{"with a request that arrives late", false, 1, func(m *machine, i int) { m.At, m.Kind = i, storetest.DieLate }},
	{"at an operation of a disk", true, 5, func(m *machine, i int) { m.disk.At = i }},
	{"before a call", false, 1, func(m *machine, i int) { m.dieAt = i }},
	{"after a call", false, 1, func(m *machine, i int) { m.dieAt, m.after = i, true }},
	{"before a call, on a disk", true, 1, func(m *machine, i int) { m.dieAt = i }},
	{"after a call, on a disk", true, 1, func(m *machine, i int) { m.dieAt, m.after = i, true }},
}

// Whatever step a machine dies in, and wherever, the next machine goes on, others delete collectors meanwhile, and in the
// end all is as if nobody had died.
func TestLettingGo_DiesAnywhere(t *testing.T) {
	for _, d := range deaths {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			var undisturbed *town
			var want string
			synctest.Test(t, func(t *testing.T) {
				w := d.town(t)
				undisturbed = w
				for _, l := range lettings {
					if err := l.step(w, w.machine()); err != nil {
						t.Fatalf("%s: %v", l.name, err)
					}
				}
				w.checkBill("undisturbed")
				want = w.outcome()
			})
			if n := strings.Count(want, "paid"); n != 4 || strings.Contains(want, "collectors [mine tw2p tw2p-another]") == false {
				t.Fatalf("undisturbed:\n%s", want)
			}
			documents := undisturbed.documents()
			for k, l := range lettings {
				stride := d.stride
				if testing.Short() {
					stride = 31*d.stride + 3*k // and another stretch for each step
				}
				deadly := 0
				for i := 0; ; i += stride {
					var w *town
					synctest.Test(t, func(t *testing.T) { w = d.run(t, l, i, want) })
					if w == nil {
						break
					}
					if got := w.documents(); got != documents {
						t.Fatalf("%s dies %s %d: other documents:\n%s\nwant\n%s", l.name, d.name, i, got, documents)
					}
					deadly++
				}
				none := l.name == "drop" && strings.Contains(d.name, "call") || // which makes none
					strings.HasPrefix(l.name, "gc") && strings.Contains(d.name, "late") // and this gives nothing a name
				if (deadly == 0) != none && !testing.Short() {
					t.Errorf("%s: nobody died", l.name)
				}
			}
		})
	}
}

func (d death) town(t *testing.T) *town {
	w := newTown(t)
	if d.disk {
		w.disk = storetest.NewMemFS()
	}
	w.strangers()
	return w
}

// run lets a machine die at i in one step, and others go on. The town is nil if it did not die.
func (d death) run(t *testing.T, l letting, i int, want string) *town {
	w := d.town(t)
	what := fmt.Sprintf("%s dies %s %d", l.name, d.name, i)
	for _, before := range lettings[:l.steps] {
		if err := before.step(w, w.machine()); err != nil {
			t.Fatalf("%s: %s: %v", what, before.name, err)
		}
	}
	m := w.machine()
	d.set(m, i)
	err := l.step(w, m)
	if !m.Dead && (m.disk == nil || !m.disk.Dead) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return nil
	}
	if w.disk != nil {
		w.disk.Kill()
	}
	w.memory.Land()
	if l.name != "drop" { // half dropped, it would be bought again before it is dropped
		if _, err := w.machine().gc(true); err != nil {
			t.Fatalf("%s: gc: %v", what, err)
		}
	}
	for _, after := range lettings[l.steps:] {
		if err := after.step(w, w.machine()); err != nil {
			t.Fatalf("%s: %s: %v", what, after.name, err)
		}
		w.checkBill(what)
	}
	if got := w.outcome(); got != want {
		t.Fatalf("%s:\n%s\nwant\n%s", what, got, want)
	}
	return w
}

// What may not be deleted is not, whatever it is called and however old it is.
func TestCleanup_KeepsWhatIsNeeded(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(w *town, id string)
		age     time.Duration
		young   bool
		keep    string // "": deleted
	}{
		"old":                        {nil, 8 * 24 * time.Hour, false, ""},
		"almost old":                 {nil, 8*24*time.Hour - 2*time.Minute, false, "too young"},
		"young":                      {nil, 0, false, "too young"},
		"young, and complete":        {nil, 0, true, ""},
		"files are missing":          {func(w *town, id string) { w.loseFiles(id) }, 0, true, "files are missing"},
		"old, and files are missing": {func(w *town, id string) { w.loseFiles(id) }, 9 * 24 * time.Hour, false, ""},
		"not finished":               {func(w *town, id string) { w.lose(id, "manifest.json") }, 30 * 24 * time.Hour, true, "the run is not finished"},
		"of another output":          {func(w *town, id string) { w.lose(id, "") }, 30 * 24 * time.Hour, true, "no run of this output"},
		"a task runs": {func(w *town, id string) {
			w.server.AddTask(emulator.TaskSpec{Target: id, Status: emulator.StatusRunning})
		}, 30 * 24 * time.Hour, true, "a task still fills it"},
		"another export has filled it":  {func(w *town, id string) { w.later(); w.server.AddTask(emulator.TaskSpec{Target: id}) }, 30 * 24 * time.Hour, true, "somebody else's task filled it"},
		"somebody has made it again":    {func(w *town, id string) { w.later(); w.remake(id, nil) }, 30 * 24 * time.Hour, true, "made again by somebody"},
		"it has a query":                {func(w *town, id string) { w.remake(id, json.RawMessage(`{"queries":[{"id":"q","query":"cats"}]}`)) }, 30 * 24 * time.Hour, true, "it has a query of its own"},
		"dropped":                       {func(w *town, id string) { w.letAll(id) }, 8 * 24 * time.Hour, false, ""},
		"young, and dropped":            {func(w *town, id string) { w.letAll(id) }, 7 * 24 * time.Hour, true, "too young"},
		"its records cannot be read":    {func(w *town, id string) { w.spoil(id, "manifest.json") }, 30 * 24 * time.Hour, true, "the run's records cannot be read"},
		"dropping":                      {func(w *town, id string) { w.spoil(id, sink.DroppingRecord) }, 30 * 24 * time.Hour, true, "the run is not finished"},
		"an end that nobody wrote down": {func(w *town, id string) { w.forgetEnd(id) }, 8 * 24 * time.Hour, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				if e := w.machine().start(w.ask(0, 24, pipeline.SplitDay, source.MaxLimit, 1)); e.err != nil || len(e.errs) > 0 {
					t.Fatal(e)
				}
				id := w.collectors()[0]
				if tt.prepare != nil {
					tt.prepare(w, id)
				}
				<-time.After(tt.age)
				found, err := w.machine().gc(tt.young)
				left := slices.Contains(w.collectors(), id)
				if err != nil || len(found) != 1 || found[0].Keep != tt.keep || left != (tt.keep != "") {
					t.Fatalf("%+v, %v, left: %v", found, err, left)
				}
				if again, err := w.machine().gc(tt.young); err != nil || tt.keep == "" && len(again) != 0 {
					t.Errorf("again: %+v, %v", again, err)
				}
				posts := w.server.Ledger().ExportPosts()
				if tt.keep == "" && len(w.dropped) == 0 { // covered all the same
					if e := w.machine().start(w.days()); e.err != nil || len(e.errs) > 0 || w.server.Ledger().ExportPosts() != posts+2 {
						t.Errorf("%+v, %d posts", e, w.server.Ledger().ExportPosts()-posts)
					}
					w.checkBill(name)
				}
			})
		})
	}
}

func (w *town) later() { <-time.After(2 * time.Hour) }

// lose takes away records of a collector's run: one, or all of them and the files.
func (w *town) lose(id, record string) {
	for name := range w.files() {
		run, base, _ := sink.StateName(name)
		if record != "" && run == id[5:] && base == record || record == "" {
			w.memory.Plant(name, nil)
		}
	}
}

func (w *town) loseFiles(id string) {
	for name := range w.files() {
		if run, _, _, ok := sink.PartOf(path.Base(name)); ok && run == id[5:] {
			w.memory.Plant(name, nil)
		}
	}
}

func (w *town) spoil(id, record string) {
	w.memory.Plant(path.Join(sink.RunDir(id[5:]), record), []byte("{"))
}

// forgetEnd makes the manifest one of an earlier version, which did not keep the end of the task.
func (w *town) forgetEnd(id string) {
	name := path.Join(sink.RunDir(id[5:]), "manifest.json")
	var m map[string]json.RawMessage
	var report map[string]json.RawMessage
	if json.Unmarshal(w.files()[name], &m) != nil || json.Unmarshal(m["report"], &report) != nil || report["ended"] == nil {
		w.t.Fatalf("%s", w.files()[name])
	}
	delete(report, "ended")
	m["report"], _ = json.Marshal(report)
	text, _ := json.Marshal(m)
	w.memory.Plant(name, text)
}

func (w *town) remake(id string, query json.RawMessage) {
	_, client := w.machine().client()
	defer client.Close()
	if _, err := client.DeleteCollector(context.Background(), id); err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.AddCollector(id, time.Now(), query); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) letAll(id string) {
	if err := w.machine().let(w.windows[id[5:]]); err != nil {
		w.t.Fatal(err)
	}
}

// A census reads each run once, and of the log no more than a start does.
func TestCensus_ReadsEachRunOnce(t *testing.T) {
	w := newTown(t)
	ask := w.ask(-500, 0, pipeline.SplitNone, 1000, 1)
	for n := -500; n < 0; n++ {
		r := ask.Range
		r.Start, r.Stop = at(n), at(n+1)
		win := pipeline.Window{Request: r, Host: "127.0.0.1", Run: r.Run("127.0.0.1")}
		asking := win.Asking()
		report, _ := json.Marshal(pipeline.Report{Start: asking.Start, Stop: asking.Stop, Run: win.Run, Asked: asking.Asked, Rows: 3, Ended: at(0)})
		manifest, _ := json.Marshal(sink.Manifest{Format: 1, Run: win.Run, SchemaVersion: schema.Version, Report: report})
		w.memory.Plant(path.Join(sink.RunDir(win.Run), "manifest.json"), manifest)
		w.memory.Plant(path.Join(sink.RunDir(win.Run), "request.json"), []byte("{}"))
	}
	d, err := dataset.Open(t.Context(), w.memory)
	if err != nil {
		t.Fatal(err)
	}
	accounts, logs, err := pipeline.Census(t.Context(), listing{d})
	if err != nil || len(logs) > 0 || len(accounts) != 500 || accounts[0].Rows != 3 || accounts[0].Standing != pipeline.RunComplete {
		t.Fatalf("%d accounts, %v, %v", len(accounts), logs, err)
	}
	sources := pipeline.Coverages(accounts)
	if len(sources) != 1 || len(sources[0].Pieces) != 1 || len(sources[0].Pieces[0].Runs) != 500 || !sources[0].Start.Equal(at(-500)) || !sources[0].Stop.Equal(at(0)) {
		t.Errorf("%+v", sources)
	}
	if n := w.memory.Requests(); n["read"] > 500 || n["list"] > 3 {
		t.Errorf("%v", n)
	}
}
