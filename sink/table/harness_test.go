package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runID is the id of run n.
func runID(n int) string { return fmt.Sprintf("run%02d%s", n, strings.Repeat("a", 21)) }

// places are the kinds of stores that tests run on.
var places = map[string]func(t *testing.T) store.Store{
	"disk": func(t *testing.T) store.Store {
		s, err := store.OpenLocal(store.LocalConfig{Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
	"bucket": func(t *testing.T) store.Store {
		return object.New(t.Context(), storetest.NewBucket(), "lake/", object.Config{})
	},
}

// write leaves a complete run of two files with rows rows each, in a folder of its own.
func write(t *testing.T, s store.Store, n, rows int) {
	t.Helper()
	ctx := context.Background()
	codec, err := parquet.ParseCompression("none")
	if err != nil {
		t.Fatal(err)
	}
	o, err := sink.Open(ctx, sink.Config{Store: s, Run: runID(n), Partition: fmt.Sprintf("window_start=2024-01-%02d", n), Schema: schema.Arrow(), SchemaVersion: schema.Version,
		MaxFileRows: int64(max(rows, 1)), Compression: codec})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() { must(o.Close()) }()
	e := schema.NewEncoder()
	for file := range 2 {
		e.Reset()
		for i := range rows {
			ordinal := file*rows + i
			must(e.Append(fmt.Appendf(nil, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","published":%d}}}}`, 1700000000000+ordinal), int64(ordinal)))
		}
		tasks, appendGroup := o.Encode(e.Record())
		for _, task := range tasks {
			must(task())
		}
		must(appendGroup(ctx))
		_, err := o.Mark(ctx, fmt.Sprintf("offset-%d", file), int64((file+1)*rows), nil)
		must(err)
	}
	must(o.Finish(ctx, "end", int64(2*rows), nil))
	must(o.Complete(ctx, []byte(`{}`)))
}

// records fail at one call: the answer is lost, or the process dies before it or after it.
type records struct {
	Records
	at    int // the call that fails, from 1; 0: none
	how   string
	calls int
	dead  bool
	names []string
}

var errDead = errors.New("the process is dead")

func (r *records) do(name string, put func() error) error {
	if r.dead {
		return errDead
	}
	r.calls++
	r.names = append(r.names, name)
	if r.calls != r.at {
		return put()
	}
	switch r.how {
	case "before":
		r.dead = true
		return errDead
	case "after":
		r.dead = true
		return errors.Join(errDead, put())
	}
	return errors.Join(store.ErrUnclear, put())
}

func (r *records) PutRun(ctx context.Context, run, name string, data []byte) error {
	return r.do(name, func() error { return r.Records.PutRun(ctx, run, name, data) })
}

func (r *records) PutDelta(ctx context.Context, name string, data []byte) error {
	return r.do(name, func() error { return r.Records.PutDelta(ctx, name, data) })
}

// register registers all runs.
func register(t *testing.T, s store.Store, change func(*Config)) ([]Result, error) {
	t.Helper()
	cfg := Config{Store: s, Records: sink.Records{Store: s}, Writer: "test"}
	if change != nil {
		change(&cfg)
	}
	return RegisterDelta(t.Context(), cfg, listed(t, s).Runs)
}

func listed(t *testing.T, s store.Store) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// replayed is a Delta log as its commits say, told by nothing but encoding/json.
type replayed struct {
	commits int
	active  map[string]map[string]any
	added   map[string]int // how often each path was added
	txns    map[string][]float64
	schema  map[string]any
}

func replay(t *testing.T, s store.Store) *replayed {
	t.Helper()
	r := &replayed{active: map[string]map[string]any{}, added: map[string]int{}, txns: map[string][]float64{}}
	for ; ; r.commits++ {
		text, err := store.ReadRecord(t.Context(), s, fmt.Sprintf("_delta_log/%020d.json", r.commits), 1<<30)
		if errors.Is(err, fs.ErrNotExist) {
			return r
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var action map[string]map[string]any
			if err := json.Unmarshal(line, &action); err != nil || len(action) != 1 {
				t.Fatalf("%v: %s", err, line)
			}
			for kind, a := range action {
				switch kind {
				case "add":
					r.active[a["path"].(string)] = a
					r.added[a["path"].(string)]++
				case "remove":
					delete(r.active, a["path"].(string))
				case "txn":
					r.txns[a["appId"].(string)] = append(r.txns[a["appId"].(string)], a["version"].(float64))
				case "metaData":
					r.schema = nil
					if err := json.Unmarshal([]byte(a["schemaString"].(string)), &r.schema); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// expectOnce holds the table against the manifests: every file of every run is in it, was added once, and nothing else is.
func expectOnce(t *testing.T, s store.Store, what string) {
	t.Helper()
	r := replay(t, s)
	var want, got []string
	for _, run := range listed(t, s).Runs {
		m, err := run.Manifest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			continue
		}
		for _, f := range m.Files {
			want = append(want, f.Name)
			a := r.active[f.Name]
			if a == nil {
				continue
			}
			var stats struct {
				Rows int64 `json:"numRecords"`
			}
			if err := json.Unmarshal([]byte(a["stats"].(string)), &stats); err != nil || stats.Rows != f.Rows || a["size"].(float64) != float64(f.Bytes) {
				t.Errorf("%s: %s is in the table as %v", what, f.Name, a)
			}
			if values := a["partitionValues"].(map[string]any); "window_start="+fmt.Sprint(values["window_start"]) != path.Dir(f.Name) {
				t.Errorf("%s: %s is in partition %v", what, f.Name, values)
			}
		}
	}
	for name := range r.active {
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the table has %d files %q, the manifests list %d", what, len(got), got, len(want))
	}
	for name, n := range r.added {
		if n != 1 {
			t.Errorf("%s: %s was added %d times", what, name, n)
		}
	}
}
