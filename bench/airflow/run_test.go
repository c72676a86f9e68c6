package airflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// TestAirflow runs everything in one Airflow: its start costs more than all that it does. At its end no token is
// in a log, an XCom, a rendered field, or any other row of the database.
func TestAirflow(t *testing.T) {
	s := start(t, bucket(t))
	t.Run("together", func(t *testing.T) {
		tests := map[string]func(*testing.T, *scheduler){
			"windows":    mapsOverWindows,
			"nightly":    nightly,
			"reschedule": reschedule,
			"killed":     killed,
			"codes":      codes,
			"scale out":  scaleOut,
		}
		if !testing.Short() {
			tests["backfill"], tests["overlapping runs"] = backfill, overlappingRuns
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	s.expectNoToken()
}

// small is an account of few documents.
func small() emulator.Config {
	return emulator.Config{Seed: 14, DocumentsPerDay: 20, ControlEvery: 5, LimitBatch: 10}
}

// mapsOverWindows: a range that is given by hand, then the same cleared and run again; a run with neither range nor
// interval; and one whose interval comes from its date.
func mapsOverWindows(t *testing.T, s *scheduler) {
	a, out := serve(t, small()), filepath.Join(t.TempDir(), "lake")
	d := s.install(t, a, "windows", out, "", "--start", "2024-02-01", "--register")
	d.expectScheduled()
	run := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-04"})
	green := []string{"export[0] success 1", "export[1] success 1", "export[2] success 1", "plan success 1", "register success 1", "tidy success 1", "verify success 1"}
	d.expect(run, "success", green...)
	a.expectWhole(out, 4)
	for i, task := range d.tasks(run)[:3] {
		if want := fmt.Sprintf("2024-01-0%dT00:00:00Z", i+1); task.Window != want || task.Pool != "talkwalker" {
			t.Errorf("%+v; want window %s", task, want)
		}
	}
	d.expectEvents(run, 3, 1)
	expectRegistered(t, out, 4)

	// What is complete is not bought when it is cleared, whatever is cleared.
	charges, changing := len(a.Ledger().Charges), len(a.Ledger().Changing())
	d.must("POST", d.at("/clearTaskInstances"), map[string]any{"dry_run": false, "dag_run_id": run, "only_failed": false, "task_ids": []string{"export"}, "include_downstream": true, "reset_dag_runs": true}, nil)
	d.expect(run, "success", "export[0] success 2", "export[1] success 2", "export[2] success 2", "plan success 1", "register success 2", "tidy success 2", "verify success 2")
	if l := a.Ledger(); len(l.Charges) != charges || len(l.Changing()) != changing {
		t.Errorf("%d charges and %d changing calls, were %d and %d", len(l.Charges), len(l.Changing()), charges, changing)
	}
	a.expectWhole(out, 4)

	d.expect(d.trigger(nil, nil), "failed", "export upstream_failed 0", "plan failed 1", "register upstream_failed 0", "tidy upstream_failed 0", "verify upstream_failed 0")
	if said := d.log("run-2"); !strings.Contains(said, "AirflowFailException") || !strings.Contains(said, "--start is empty") {
		t.Errorf("it does not say what is missing: %s", said)
	}

	run = d.trigger("2024-02-02T10:00:00Z", nil)
	d.expect(run, "success", "export[0] success 1", "plan success 1", "register success 1", "tidy success 1", "verify success 1")
	if got := d.tasks(run)[0].Window; got != "2024-02-01T00:00:00Z" {
		t.Errorf("the window begins at %q", got)
	}
	a.expectWhole(out, 5)
	expectRegistered(t, out, 5)
}

// expectRegistered reads the log of an output's Delta table: it adds every file, once, in as many transactions as there are
// runs.
func expectRegistered(t *testing.T, out string, runs int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(out, "_delta_log", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var added []string
	known := map[string]bool{}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var action struct {
				Add    *struct{ Path string }
				Remove *struct{ Path string }
				Txn    *struct{ AppID string }
			}
			if err := json.Unmarshal(line, &action); err != nil || action.Remove != nil {
				t.Fatalf("%s: %v, %s", name, err, line)
			}
			if action.Add != nil {
				path, err := url.PathUnescape(action.Add.Path)
				if err != nil {
					t.Fatal(err)
				}
				added = append(added, filepath.Join(out, path))
			}
			if action.Txn != nil {
				known[action.Txn.AppID] = true
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(out, "window_start=*", "*.parquet"))
	slices.Sort(added)
	if err != nil || len(files) == 0 || !slices.Equal(added, files) || len(known) != runs {
		t.Errorf("%d files, %v; the table has %q of %d runs, want %d", len(files), err, added, len(known), runs)
	}
}

// expectEvents holds the asset's events of a run to its windows: so many events, of so many windows each.
func (d *dag) expectEvents(run string, events, windows int) {
	d.t.Helper()
	var list struct {
		Events []struct {
			Run   string `json:"source_run_id"`
			Extra struct {
				Rows, Bytes, Files int64
				Windows            []struct {
					Run, Manifest string
					Rows          int64
				}
			}
		} `json:"asset_events"`
	}
	d.must("GET", "/api/v2/assets/events?source_dag_id="+d.id+"&source_run_id="+run, nil, &list)
	for _, e := range list.Events {
		if e.Extra.Rows == 0 || e.Extra.Bytes == 0 || e.Extra.Files == 0 || len(e.Extra.Windows) != windows {
			d.t.Errorf("an event tells %+v", e.Extra)
		}
		sum := int64(0)
		for _, w := range e.Extra.Windows {
			if _, err := os.Stat(w.Manifest); err != nil || w.Run == "" {
				d.t.Errorf("the manifest of %+v: %v", w, err)
			}
			sum += w.Rows
		}
		if sum != e.Extra.Rows {
			d.t.Errorf("windows have %d rows, their event tells %d", sum, e.Extra.Rows)
		}
	}
	if len(list.Events) != events {
		d.t.Errorf("%d events, want %d", len(list.Events), events)
	}
}

// backfill buys a quarter, by months: each data interval is one that has a length.
func backfill(t *testing.T, s *scheduler) {
	a, out := serve(t, small()), filepath.Join(t.TempDir(), "lake")
	d := s.install(t, a, "quarter", out, "", "--schedule", "@monthly", "--split", "month")
	d.must("POST", "/api/v2/backfills", map[string]any{"dag_id": d.id, "from_date": "2024-01-01T00:00:00Z", "to_date": "2024-03-31T00:00:00Z", "max_active_runs": 3}, nil)
	var list struct {
		Runs []struct {
			ID    string `json:"dag_run_id"`
			State string `json:"state"`
			Start string `json:"data_interval_start"`
			Stop  string `json:"data_interval_end"`
		} `json:"dag_runs"`
	}
	await(t, "three runs", func() bool {
		d.must("GET", d.at("/dagRuns?run_type=backfill&order_by=logical_date"), nil, &list)
		return len(list.Runs) == 3
	})
	for i, run := range list.Runs {
		if start, stop := fmt.Sprintf("2024-0%d-01T00:00:00Z", i+1), fmt.Sprintf("2024-0%d-01T00:00:00Z", i+2); run.Start != start || run.Stop != stop {
			t.Errorf("the interval %s to %s, want %s to %s", run.Start, run.Stop, start, stop)
		}
		d.expect(run.ID, "success", "export[0] success 1", "plan success 1", "tidy success 1", "verify success 1")
	}
	// Switched on, the scheduler also runs the last whole month.
	d.expectScheduled()
	a.expectWhole(out, 4)
}

// expectScheduled waits for the run that the scheduler makes when a DAG is switched on.
func (d *dag) expectScheduled() {
	d.t.Helper()
	var list struct {
		Runs []struct {
			ID string `json:"dag_run_id"`
		} `json:"dag_runs"`
	}
	await(d.t, "the scheduled run", func() bool {
		d.must("GET", d.at("/dagRuns?run_type=scheduled"), nil, &list)
		return len(list.Runs) == 1
	})
	if state, tasks := d.ended(list.Runs[0].ID); state != "success" {
		d.t.Errorf("the scheduled run: %s, %q\n%s", state, tasks, d.log(list.Runs[0].ID))
	}
}

// overlappingRuns start at once, for ranges of which some days are the same.
func overlappingRuns(t *testing.T, s *scheduler) {
	a, out := serve(t, small()), filepath.Join(t.TempDir(), "lake")
	d := s.install(t, a, "overlap", out, "", never...)
	one := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-04"})
	two := d.trigger(nil, map[string]string{"start": "2024-01-02", "stop": "2024-01-05"})
	for _, run := range []string{one, two} {
		if state, tasks := d.ended(run); state != "success" {
			t.Errorf("%s: %s, %q\n%s", run, state, tasks, d.log(run))
		}
	}
	a.expectWhole(out, 4)
}

// expectNoToken looks through everything that Airflow keeps: logs, and all rows of its database.
func (s *scheduler) expectNoToken() {
	s.t.Helper()
	kept := map[string][]byte{"the database": s.db.rows(s.t)}
	for _, known := range []string{"rendered_task_instance_fields", "max-credits", "_tw2parquet"} {
		if !bytes.Contains(kept["the database"], []byte(known)) {
			s.t.Errorf("the database's rows are not all there: no %s", known)
		}
	}
	err := filepath.WalkDir(s.path("home"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		kept[name], err = os.ReadFile(name)
		return err
	})
	if err != nil || len(kept) < 20 || len(s.connections) == 0 {
		s.t.Errorf("%d files of %d accounts looked at: %v", len(kept), len(s.connections), err)
	}
	for name, content := range kept {
		for id, c := range s.connections {
			if bytes.Contains(content, []byte(c.Password)) {
				s.t.Errorf("%s holds the token of %s", name, id)
			}
		}
	}
}

// built is where the binary under test lies.
var built string

// TestMain builds it, once.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tw2parquet-airflow-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }() // it is in the system's folder for such
			built = filepath.Join(dir, "tw2parquet")
			cmd := exec.Command("go", "build", "-o", built, "./cmd/tw2parquet")
			cmd.Dir, cmd.Stderr = filepath.Join("..", ".."), os.Stderr
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			err = cmd.Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "build the binary:", err)
			return 1
		}
		return m.Run()
	}())
}
