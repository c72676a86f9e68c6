package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

func outcomes(results []Result) (all []Outcome) {
	for _, r := range results {
		all = append(all, r.Outcome)
	}
	return all
}

func TestDelta_AddsEachRunOnce(t *testing.T) {
	for kind, open := range places {
		t.Run(kind, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			write(t, s, 1, 3)
			write(t, s, 2, 0) // without rows
			got, err := register(t, s, nil)
			if err != nil || !slices.Equal(outcomes(got), []Outcome{Added, Added}) || got[0].Rows != 6 {
				t.Fatalf("%+v, %v", got, err)
			}
			expectOnce(t, s, "first")
			write(t, s, 3, 2)
			if got, err = register(t, s, nil); err != nil || !slices.Equal(outcomes(got), []Outcome{Known, Known, Added}) {
				t.Fatalf("%+v, %v", got, err)
			}
			expectOnce(t, s, "second")
			counting := &records{Records: sink.Records{Store: s}}
			if got, err = register(t, s, func(c *Config) { c.Records = counting }); err != nil || counting.calls != 0 || !slices.Equal(outcomes(got), []Outcome{Known, Known, Known}) {
				t.Errorf("%d calls, %+v, %v", counting.calls, got, err)
			}
			if n := replay(t, s).commits; n != 2 {
				t.Errorf("%d commits", n)
			}
			if d := listed(t, s); len(d.Strays) != 0 || len(d.Trouble) != 0 {
				t.Errorf("%v %v", d.Strays, d.Trouble)
			}
		})
	}
}

// Death before and after every step, and every answer lost: the next start ends with every file once.
func TestDelta_OnceWhateverDies(t *testing.T) {
	for kind, open := range places {
		for _, how := range []string{"before", "after", "lost"} {
			t.Run(kind+" "+how, func(t *testing.T) {
				for at := 1; ; at++ {
					s := open(t)
					write(t, s, 1, 2)
					write(t, s, 2, 2)
					failing := &records{Records: sink.Records{Store: s}, at: at, how: how}
					_, err := register(t, s, func(c *Config) { c.Records = failing })
					if failing.calls < at {
						if err != nil || at != 6 {
							t.Errorf("%d calls: %v", failing.calls, err)
						}
						s.Close()
						return
					}
					if err == nil {
						t.Errorf("call %d of %q failed, and nobody heard of it", at, failing.names)
					}
					if _, err := register(t, s, nil); err != nil {
						t.Errorf("after call %d (%s): %v", at, failing.names[at-1], err)
					}
					what := fmt.Sprintf("after call %d (%s)", at, failing.names[at-1])
					expectOnce(t, s, what)
					if got, err := register(t, s, nil); err != nil || !slices.Equal(outcomes(got), []Outcome{Known, Known}) {
						t.Errorf("%s: %+v, %v", what, got, err)
					}
					s.Close()
				}
			})
		}
	}
}

func TestDelta_SeveralRegistrars(t *testing.T) {
	for kind, open := range places {
		t.Run(kind, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			for n := range 6 {
				write(t, s, n+1, 1)
			}
			var group sync.WaitGroup
			for n := range 4 {
				group.Go(func() {
					runs := listed(t, s).Runs
					for i := range runs { // each in an order of its own, one by one
						_, err := RegisterDelta(context.Background(), Config{Store: s, Records: sink.Records{Store: s}}, runs[(i+n)%len(runs):][:1])
						if err != nil && !errors.Is(err, sink.ErrLocked) {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			if _, err := register(t, s, nil); err != nil {
				t.Error(err)
			}
			expectOnce(t, s, "after the race")
			for run, versions := range replay(t, s).txns {
				if len(versions) != 1 {
					t.Errorf("%s was committed %d times", run, len(versions))
				}
			}
		})
	}
}

// other is a writer that takes the number of a commit before us, with a file of its own, as often as it is told.
type other struct {
	Records
	times  int
	commit string
}

func (o *other) PutDelta(ctx context.Context, name string, data []byte) error {
	if o.times > 0 {
		o.times--
		if err := o.Records.PutDelta(ctx, name, []byte(fmt.Sprintf(o.commit, o.times))); err != nil {
			return err
		}
	}
	return o.Records.PutDelta(ctx, name, data)
}

func TestDelta_AnotherWriterIsFaster(t *testing.T) {
	s := places["bucket"](t)
	defer s.Close()
	write(t, s, 1, 1)
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	write(t, s, 2, 1)
	foreign := &other{Records: sink.Records{Store: s}, times: 5, commit: `{"add":{"path":"theirs-%d.parquet","partitionValues":{"window_start":null},"size":1,"modificationTime":1,"dataChange":true}}` + "\n"}
	got, err := register(t, s, func(c *Config) { c.Records = foreign })
	if err != nil || got[1].Outcome != Added || got[1].Version != 6 {
		t.Fatalf("%+v, %v", got, err)
	}
	if r := replay(t, s); len(r.active) != 9 || r.commits != 7 {
		t.Errorf("%d files after %d commits", len(r.active), r.commits)
	}
	// One that takes the very run's place: nothing is left to do.
	write(t, s, 3, 1)
	thief := &other{Records: sink.Records{Store: s}, times: 1}
	thief.commit = `{"txn":{"appId":"` + runID(3) + `","version":%d}}` + "\n"
	if got, err := register(t, s, func(c *Config) { c.Records = thief }); err != nil || got[2].Outcome != Found {
		t.Fatalf("%+v, %v", got, err)
	}
	// One that never stops.
	write(t, s, 4, 1)
	foreign.times = 1 << 30
	var e *Error
	if _, err := register(t, s, func(c *Config) { c.Records = foreign }); !errors.As(err, &e) || e.Reason != Contended || !e.Retryable() {
		t.Errorf("%v", err)
	}
}

// With registered-delta.json there the table is not asked any more: compaction, expiry and VACUUM bring nothing back.
func TestDelta_CompactionBringsNothingBack(t *testing.T) {
	s := places["bucket"](t)
	defer s.Close()
	write(t, s, 1, 1)
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	var compaction strings.Builder
	for name := range replay(t, s).active {
		fmt.Fprintf(&compaction, `{"remove":{"path":%q,"deletionTimestamp":1,"dataChange":false}}`+"\n", name)
	}
	compaction.WriteString(`{"add":{"path":"compacted.parquet","partitionValues":{"window_start":"2024-01-01"},"size":1,"modificationTime":1,"dataChange":false}}` + "\n")
	if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(1), []byte(compaction.String())); err != nil {
		t.Fatal(err)
	}
	write(t, s, 2, 1)
	got, err := register(t, s, nil)
	if err != nil || !slices.Equal(outcomes(got), []Outcome{Known, Added}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if r := replay(t, s); len(r.active) != 3 || r.active["compacted.parquet"] == nil {
		t.Errorf("%d files", len(r.active))
	}
	// Taking the run out cannot take out rows in files of others.
	var e *Error
	cfg := Config{Store: s, Records: sink.Records{Store: s}}
	if err := UnregisterDelta(t.Context(), cfg, listed(t, s).Run(runID(1))); !errors.As(err, &e) || e.Reason != Rewritten {
		t.Errorf("%v", err)
	}
	cfg.Assume = AssumeMissing
	for range 2 {
		if err := UnregisterDelta(t.Context(), cfg, listed(t, s).Run(runID(1))); err != nil {
			t.Error(err)
		}
	}
}

func TestDelta_Unregister(t *testing.T) {
	s := places["bucket"](t)
	defer s.Close()
	write(t, s, 1, 1)
	write(t, s, 2, 1)
	cfg := Config{Store: s, Records: sink.Records{Store: s}}
	if err := UnregisterDelta(t.Context(), cfg, listed(t, s).Run(runID(1))); err != nil || replay(t, s).commits != 0 {
		t.Fatalf("there is no table: %v", err)
	}
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := UnregisterDelta(t.Context(), cfg, listed(t, s).Run(runID(1))); err != nil {
			t.Fatal(err)
		}
	}
	r := replay(t, s)
	if len(r.active) != 2 || r.commits != 2 {
		t.Errorf("%d files after %d commits", len(r.active), r.commits)
	}
	for name := range r.active {
		if !strings.Contains(name, runID(2)) {
			t.Errorf("%s is left", name)
		}
	}
}

// What was begun with one table is not added to another one without a word.
func TestDelta_DoubtIsForAPerson(t *testing.T) {
	for assume, want := range map[Assume]int{AssumeNothing: 0, AssumeRegistered: 0, AssumeMissing: 2} {
		s := places["bucket"](t)
		write(t, s, 1, 1)
		begun := `{"table":"another","manifest":0,"files":2,"time":"2024-01-01T00:00:00Z"}`
		if err := (sink.Records{Store: s}).PutRun(t.Context(), runID(1), "registering-delta.json", []byte(begun)); err != nil {
			t.Fatal(err)
		}
		got, err := register(t, s, func(c *Config) { c.Assume = assume })
		var e *Error
		if doubt := errors.As(err, &e) && e.Reason == Doubt; doubt != (assume == AssumeNothing) {
			t.Errorf("%q: %+v, %v", assume, got, err)
		}
		if n := len(replay(t, s).active); n != want {
			t.Errorf("%q: %d files", assume, n)
		}
		s.Close()
	}
}

// table0 is a table of somebody else's with a schema and settings.
func table0(t *testing.T, s store.Store, fields, protocol, configuration, partition string) {
	t.Helper()
	text := fmt.Sprintf(`{"protocol":%s}
{"metaData":{"id":"theirs","format":{"provider":"parquet","options":{}},"schemaString":%q,"partitionColumns":[%s],"configuration":%s,"createdTime":1}}
`, protocol, `{"type":"struct","fields":[`+fields+`]}`, partition, configuration)
	if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(0), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestDelta_TablesOfOthers(t *testing.T) {
	const plain, window = `{"minReaderVersion":1,"minWriterVersion":2}`, `{"name":"window_start","type":"string","nullable":true,"metadata":{}}`
	column := func(name, kind string) string {
		return fmt.Sprintf(`{"name":%q,"type":%s,"nullable":true,"metadata":{"comment":"kept"}},`, name, kind)
	}
	for name, x := range map[string]struct {
		fields, protocol, configuration, partition string
		reason                                     Reason
		says                                       []string
	}{
		"columns are added":   {column("mine", `"binary"`) + column("url", `"string"`) + window, plain, `{}`, `"window_start"`, "", nil},
		"members are added":   {column("images", `{"type":"array","elementType":{"type":"struct","fields":[{"name":"url","type":"string","nullable":true,"metadata":{}}]},"containsNull":true}`) + window, plain, `{}`, `"window_start"`, "", nil},
		"features by name":    {window, `{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","invariants"]}`, `{}`, `"window_start"`, "", nil},
		"another type":        {column("reach", `"string"`) + window, plain, `{}`, `"window_start"`, Types, []string{"column reach", "string in the table", "long in the files"}},
		"another member type": {column("images", `{"type":"array","elementType":{"type":"struct","fields":[{"name":"width","type":"double","nullable":true,"metadata":{}}]},"containsNull":true}`) + window, plain, `{}`, `"window_start"`, Types, []string{"images[].width", "double", "integer"}},
		"a list is a text":    {column("source_type", `"string"`) + window, plain, `{}`, `"window_start"`, Types, []string{"source_type", "array<string>"}},
		"another partition":   {column("lang", `"string"`) + window, plain, `{}`, `"lang"`, Types, []string{"lang", "window_start"}},
		"deletion vectors":    {window, `{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}`, `{}`, `"window_start"`, Feature, []string{"deletionVectors"}},
		"column mapping":      {window, `{"minReaderVersion":2,"minWriterVersion":5}`, `{}`, `"window_start"`, Feature, []string{"version 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := places["bucket"](t)
			defer s.Close()
			table0(t, s, x.fields, x.protocol, x.configuration, x.partition)
			write(t, s, 1, 1)
			_, err := register(t, s, nil)
			var e *Error
			if x.reason != "" {
				if !errors.As(err, &e) || e.Reason != x.reason || e.Retryable() {
					t.Fatalf("%v", err)
				}
				for _, say := range x.says {
					if !strings.Contains(err.Error(), say) {
						t.Errorf("%q does not say %q", err, say)
					}
				}
				if _, begun := Delta(listed(t, s).Runs[0]); begun || replay(t, s).commits != 1 {
					t.Error("it was begun all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expectOnce(t, s, name)
			columns := map[string]bool{}
			for _, f := range replay(t, s).schema["fields"].([]any) {
				columns[f.(map[string]any)["name"].(string)] = true
			}
			if !columns["highlighted_data"] || !columns["url"] || columns["mine"] != strings.Contains(x.fields, "mine") {
				t.Errorf("the table has the columns %v", columns)
			}
			write(t, s, 2, 1)
			if _, err := register(t, s, nil); err != nil {
				t.Fatal(err)
			}
			if r := replay(t, s); r.commits != 3 {
				t.Errorf("%d commits", r.commits)
			}
		})
	}
}

func TestDelta_DamagedLogs(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{", "half a line": `{"add":{"path":"a`, "a bad path": `{"add":{"path":"%zz"}}`} {
		s := places["bucket"](t)
		write(t, s, 1, 1)
		if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(0), []byte(text)); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err := register(t, s, nil); !errors.As(err, &e) || e.Reason != Damaged {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
	s := places["bucket"](t)
	defer s.Close()
	write(t, s, 1, 1)
	if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(3), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := register(t, s, nil); !errors.As(err, &e) || e.Reason != Damaged || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a gap: %v", err)
	}
}
