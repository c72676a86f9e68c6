package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// small is an account whose exports take no time.
func small() emulator.Config {
	return emulator.Config{Seed: 5, DocumentsPerDay: 5, ControlEvery: 25}
}

func TestExport_ThreeKindsAndTopics(t *testing.T) {
	for name, flags := range map[string]func(*account) []string{
		"project": func(a *account) []string { return nil },
		"topic":   func(a *account) []string { return []string{"--project", a.Projects()[0], "--topic", a.Topics()[0]} },
		"two topics": func(a *account) []string {
			return []string{"--project", a.Projects()[0], "--topic", a.Topics()[1], "--topic", a.Topics()[0]}
		},
		"project with query": func(a *account) []string { return []string{"--project", a.Projects()[0], "--query", "lang:en"} },
		"stream":             func(a *account) []string { return []string{"--stream", a.Streams()[0]} },
		"query":              func(a *account) []string { return []string{"--query", "cats AND dogs"} },
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, small())
			out, args := a.output(), flags(a)
			e := a.export(0, out, args...)
			if e.result.Status != "complete" || e.result.Rows == 0 || len(e.result.Windows) != 3 {
				t.Fatalf("%s", e)
			}
			a.expectComplete(e, out)
			a.expectQuiet(0, out, args...)
			if name == "project with query" {
				if n := one(t, out, "SELECT count(*) FROM lake WHERE lang <> 'en'"); n != "0" {
					t.Errorf("%s rows are not English", n)
				}
			}
		})
	}
}

// TestExport_SendsWhatWasAsked holds the bodies of the posts.
func TestExport_SendsWhatWasAsked(t *testing.T) {
	a := serve(t, small())
	topics := a.Topics()
	a.export(0, a.output(), "--project", a.Projects()[0], "--topic", topics[1], "--topic", topics[0], "--query", "lang:de",
		"--start", "2024-01-15", "--stop", "2024-02-03T12:00:00Z", "--limit", "5000")
	posts := a.Ledger().Calls(emulator.EndpointExport)
	slices.Sort(topics[:2])
	if len(posts) != 2 {
		t.Fatalf("%d posts", len(posts))
	}
	for i, want := range [][]string{
		{`"start":1705276800000`, `"stop":1706745600000`}, // 15 January to 1 February
		{`"start":1706745600000`, `"stop":1706961600000`}, // to 3 February, noon
	} {
		want = append(want, `"limit":5000`, `"query":"lang:de"`, `"target":"tw2p-`, `"topics":["`+topics[0]+`","`+topics[1]+`"]`)
		for _, member := range want {
			if !strings.Contains(strings.ReplaceAll(posts[i].Body, " ", ""), member) {
				t.Errorf("post %d lacks %s: %s", i, member, posts[i].Body)
			}
		}
		if posts[i].Header["Content-Type"] == "" || posts[i].Header["Authorization"] != "" {
			t.Errorf("post %d has the headers %v", i, posts[i].Header)
		}
	}
}

func TestExport_SplitsByMonth(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	e := a.export(0, out, "--split", "month")
	a.expectComplete(e, out)
	rows := lake(t, out, `SELECT window_start, count(*) > 0, count(DISTINCT filename), bool_and(published IS NULL OR
		published >= window_start::TIMESTAMPTZ AND published < window_start::TIMESTAMPTZ + INTERVAL 1 MONTH) FROM lake GROUP BY ALL ORDER BY 1`)
	want := [][]string{{"2024-01-01", "true", "1", "true"}, {"2024-02-01", "true", "1", "true"}, {"2024-03-01", "true", "1", "true"}}
	if !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("windows are %v", rows)
	}
	// One window more: the three that are there are not bought again.
	e = a.export(0, out, "--split", "month", "--stop", "2024-05-01")
	if l := a.Ledger(); len(l.Tasks) != 4 {
		t.Errorf("%d tasks for four months", len(l.Tasks))
	}
	a.expectComplete(e, out)
}

func TestExport_RotatesFiles(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	e := a.export(0, out, "--split", "none", "--file-rows", "125", "--row-group-size", "64KiB")
	a.expectComplete(e, out)
	if n := len(e.result.Windows[0].Files); n < 3 {
		t.Errorf("%d rows are in %d files of 125", e.result.Rows, n)
	}
	// Footers chain: each file starts where the one before ended, and the last ends with the run.
	rows := lake(t, out, `SELECT file_name, decode(key), decode(value) FROM parquet_kv_metadata('`+filepath.Join(out, "*", "*.parquet")+`')
		WHERE starts_with(decode(key), 'tw2parquet.') ORDER BY file_name`)
	files := map[string]map[string]string{}
	var names []string
	for _, r := range rows {
		if files[r[0]] == nil {
			files[r[0]] = map[string]string{}
			names = append(names, r[0])
		}
		files[r[0]][strings.TrimPrefix(r[1], "tw2parquet.")] = r[2]
	}
	for i, name := range names {
		f := files[name]
		for _, key := range []string{"run", "seq", "from_offset", "to_offset", "rows", "schema_version", "task_id", "window_start", "window_stop", "writer"} {
			if _, ok := f[key]; !ok {
				t.Errorf("%s has no %s in its footer", filepath.Base(name), key)
			}
		}
		if f["run"] != e.result.Windows[0].Run || f["task_id"] != e.result.Windows[0].TaskID {
			t.Errorf("%s is of run %s and task %s", filepath.Base(name), f["run"], f["task_id"])
		}
		if i > 0 && (f["from_offset"] != files[names[i-1]]["to_offset"] || f["from_offset"] == "") {
			t.Errorf("%s starts at %q, the file before ends at %q", filepath.Base(name), f["from_offset"], files[names[i-1]]["to_offset"])
		}
	}
	a.expectQuiet(0, out, "--split", "none", "--file-rows", "125", "--row-group-size", "64KiB")
}

func TestExport_EmptyWindow(t *testing.T) {
	a := serve(t, small())
	a.SetDocuments(documents())
	out := a.output()
	e := a.export(0, out, "--split", "none")
	if e.result.Rows != 0 || e.result.Files != 1 || e.result.Status != "complete" || e.result.Credits != 0 {
		t.Errorf("%s", e)
	}
	if n := one(t, out, "SELECT count(*) FROM lake"); n != "0" {
		t.Errorf("%s rows", n)
	}
	if n := one(t, out, "SELECT count(*) FROM (DESCRIBE FROM lake) WHERE column_name IN ('_ordinal', 'url', 'highlighted_data', 'window_start')"); n != "4" {
		t.Errorf("the empty file lacks columns")
	}
	a.expectQuiet(0, out, "--split", "none")

	skipped := a.output()
	a.env = append(a.env, "TW2PARQUET_LOG_FORMAT=json")
	e = a.export(99, skipped, "--split", "none", "--skip-empty")
	if e.result.Status != "empty" || e.result.Files != 0 {
		t.Errorf("%s", e)
	}
}

func TestExport_LimitReached(t *testing.T) {
	cfg := small()
	cfg.LimitBatch = 100
	a := serve(t, cfg)
	out := a.output()
	e := a.export(41, out, "--split", "none", "--limit", "250")
	if e.result.Status != "truncated" || e.result.Rows != 300 || e.result.Credits != 300 || !e.result.Windows[0].Truncated ||
		e.result.Windows[0].TaskStatus != emulator.StatusLimit {
		t.Errorf("%s", e)
	}
	a.expectComplete(e, out)
	a.expectQuiet(41, out, "--split", "none", "--limit", "250")
}
