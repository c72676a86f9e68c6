package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Every command does on a store what it does on a disk: nothing is bought twice, and every result is there once.
func TestStores_EveryCommand(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *lake{"s3": onS3, "gcs": onGCS, "azure": onAzure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a := open(t), serve(t, few())
			a.env = l.env
			a.run(0, "check", "--project", a.Projects()[0], "--out", l.out)
			a.run(0, a.export(l.out, "--dry-run")...)
			if posts, left := a.Ledger().ExportPosts(), slices.Collect(maps.Keys(l.objects())); posts != 0 || len(left) > 0 {
				t.Errorf("check and a dry run bought %d times and left %q", posts, left)
			}
			e := a.run(0, a.export(l.out)...)
			a.expectWhole(l, e)
			files := l.parquet()
			if len(files) < 3 || e.result.Rows != 60 {
				t.Errorf("%d rows in %q", e.result.Rows, files)
			}
			a.run(0, "verify", l.out)

			lines := strings.Split(strings.TrimSpace(a.run(0, "cat", l.out).stdout), "\n")
			one := strings.Split(strings.TrimSpace(a.run(0, "cat", l.at(files[0])).stdout), "\n")
			if len(lines) != 60 || len(one) != len(rows(t, l.objects()[files[0]])) {
				t.Errorf("cat prints %d of 60 documents, and %d of one file", len(lines), len(one))
			}
			for i, want := range a.delivered(e.result.Windows[0].Run) {
				var document struct{ URL string }
				if err := json.Unmarshal([]byte(lines[i]), &document); err != nil || document.URL != want {
					t.Fatalf("document %d is %q, %v; want %q", i, document.URL, err, want)
				}
			}

			before := l.objects()
			again := a.run(0, a.export(l.out)...)
			a.expectWhole(l, again)
			if after := l.objects(); !maps.EqualFunc(before, after, bytes.Equal) {
				t.Errorf("a run of what is complete changed the output")
			}

			l.remove(files[1])
			if e := a.run(53, "verify", l.out); !strings.Contains(e.stdout+e.stderr, files[1][len(prefix)+1:]) {
				t.Errorf("verify does not say which file is gone: %s", e)
			}
			a.run(53, a.export(l.out)...)
			mended := a.run(0, a.export(l.out, "--refetch")...)
			a.expectWhole(l, mended)
			a.run(0, "verify", l.out)

			var status struct {
				Runs []struct {
					Run, State string
					Rows       int64
					Files      int
				}
				Sources []struct{ Gaps []any }
			}
			if err := json.Unmarshal([]byte(a.run(0, "status", l.out, "--output", "json").stdout), &status); err != nil {
				t.Fatal(err)
			}
			if r := status.Runs; len(r) != 1 || r[0].State != "complete" || r[0].Rows != 60 || r[0].Files != len(files) || len(status.Sources) != 1 || len(status.Sources[0].Gaps) > 0 {
				t.Errorf("status says %+v", status)
			}
			a.run(0, "collectors", "gc", l.out)
			a.run(0, "drop", l.out, status.Runs[0].Run, "--yes")
			if left := l.parquet(); len(left) > 0 {
				t.Errorf("dropping left %q", left)
			}
		})
	}
}

// Recordings are read from a store by name and by pattern, and converting them twice writes nothing.
func TestStores_Convert(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *lake{"s3": onS3, "gcs": onGCS, "azure": onAzure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a := open(t), serve(t, few())
			a.env = l.env
			e := a.run(0, a.export(l.out)...)
			var recording bytes.Buffer
			if err := a.WriteResults(&recording, "tw2p-"+e.result.Windows[0].Run); err != nil {
				t.Fatal(err)
			}
			want := a.delivered(e.result.Windows[0].Run)
			for _, key := range l.parquet() {
				l.remove(key)
			}
			lines := slices.Collect(bytes.Lines(recording.Bytes()))
			for i := range 3 {
				l.put(fmt.Sprintf("raw/day-%d.ndjson", i), bytes.Join(lines[20*i:20*i+20], nil))
			}
			l.put("raw/else.txt", []byte("no recording"))
			for range 2 {
				if e := a.run(0, "convert", l.at("raw/day-*.ndjson"), "--out", l.out); e.result.Rows != 60 {
					t.Errorf("%d rows: %s", e.result.Rows, e)
				}
			}
			objects, got := l.objects(), []string(nil)
			for _, key := range l.parquet() {
				for _, r := range rows(t, objects[key]) {
					got = append(got, r.url)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d rows are not the %d results", len(got), len(want))
			}
		})
	}
}
