package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tw2parquet/sink"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// put creates a collector, a live one where its query says so.
func (x *trial) put(id, query string) {
	x.t.Helper()
	r, _ := http.NewRequestWithContext(x.t.Context(), http.MethodPut, x.url+"/api/v3/stream/c/"+id+"?access_token="+x.Token(), strings.NewReader(query))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		x.t.Fatal(answer.Status)
	}
}

func (x *trial) live() {
	x.put("live", fmt.Sprintf(`{"collector_query":{"projects":[%q]}}`, x.Projects()[0]))
}

func (x *trial) collectors(args ...string) {
	x.t.Helper()
	if code, _, stderr := call(x.t, append([]string{"collectors", "--base-url", x.url}, args...)...); code != exitOK {
		x.t.Fatalf("exit %d\n%s", code, stderr)
	}
}

func (x *trial) read(ctx context.Context, flags ...string) (code int, r result, stderr string) {
	x.t.Helper()
	return x.command(ctx, append([]string{"read", "--out", x.out, "--collector=live"}, flags...)...)
}

// A live collector: the first start begins where it is told to, later ones go on, and nothing new is 0 or 99.
func TestRead_GoesOnWhereTheFilesEnd(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 50, ControlEvery: 7})
	x.live()
	x.Advance(48 * time.Hour)
	code, first, stderr := x.read(t.Context(), "--from=earliest", "--file-rows=20", "--row-group-size=64KiB")
	if code != exitOK || first.Rows < 50 || first.Files < 2 || first.Status != "complete" || first.Windows[0].Collector != "live" {
		t.Fatalf("exit %d, %+v\n%s", code, first, stderr)
	}
	if name := first.Windows[0].Files[0]; !strings.HasPrefix(name, "collector=live/part-"+source.CollectorRun("127.0.0.1", "live", 1)) {
		t.Errorf("the first file is %s", name)
	}
	if code, r, stderr := x.read(t.Context(), "--from=earliest"); code != exitUsage || r.Error.Code != "usage" {
		t.Errorf("--from again: exit %d, %+v\n%s", code, r, stderr)
	}
	x.Advance(24 * time.Hour)
	code, second, stderr := x.read(t.Context())
	if code != exitOK || second.Rows == 0 {
		t.Fatalf("exit %d, %+v\n%s", code, second, stderr)
	}
	x.collectors("pause", "live") // so that nothing more comes
	_, rest, _ := x.read(t.Context())
	if code, r, stderr := x.read(t.Context(), "--skip-empty"); code != exitEmpty || r.Rows != 0 || r.Status != "empty" {
		t.Errorf("nothing new: exit %d, %+v\n%s", code, r, stderr)
	}
	if code, r, stderr := x.read(t.Context()); code != exitOK || r.Files != 0 {
		t.Errorf("nothing new: exit %d, %+v\n%s", code, r, stderr)
	}
	var queue strings.Builder
	if err := x.WriteResults(&queue, "live"); err != nil {
		t.Fatal(err)
	}
	total := first.Rows + second.Rows + rest.Rows
	if want := int64(strings.Count(queue.String(), "\n")); total != want {
		t.Errorf("%d rows, the collector got %d results", total, want)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK || !strings.Contains(stdout, "reading") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := call(t, "cat", x.out); code != exitOK || int64(strings.Count(stdout, "\n")) != total {
		t.Errorf("cat: exit %d, %d lines, want %d", code, strings.Count(stdout, "\n"), total)
	}
	if n := x.Ledger().ExportPosts(); n != 0 {
		t.Errorf("%d exports", n)
	}
	// An export into the same output takes no notice, and is not disturbed.
	if code, r, stderr := x.export(t.Context(), "--stop=2024-02-01"); code != exitOK || r.Windows[0].Status == "covered" {
		t.Errorf("export: exit %d, %+v\n%s", code, r, stderr)
	}
	if code, stdout, stderr := call(t, "drop", x.out, first.Windows[0].Run, "--yes"); code != exitOK {
		t.Errorf("drop: exit %d\n%s%s", code, stdout, stderr)
	}
	// Dropping is no reason not to read any more: all that the collector still holds comes into a run of its own.
	if code, r, stderr := x.read(t.Context(), "--from=earliest"); code != exitOK || r.Rows != total || r.Windows[0].Run == first.Windows[0].Run {
		t.Errorf("after drop: exit %d, %+v\n%s", code, r, stderr)
	}
	if code, r, stderr := x.read(t.Context()); code != exitOK || r.Rows != 0 {
		t.Errorf("once more: exit %d, %+v\n%s", code, r, stderr)
	}
	dropped, err := os.ReadFile(filepath.Join(x.out, sink.RunDir(first.Windows[0].Run), sink.DroppedRecord))
	if err != nil || !strings.Contains(string(dropped), `"live"`) || !strings.Contains(string(dropped), fmt.Sprintf(`"rows":%d,`, total)) {
		t.Errorf("%v: %s", err, dropped)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
	}
}

// Where "latest" was is written down: results that arrive before the next start are read then.
func TestRead_FromTheLatest(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 50, ControlEvery: 7})
	x.live()
	x.Advance(48 * time.Hour)
	if code, r, stderr := x.read(t.Context(), "--from=latest", "--skip-empty"); code != exitEmpty {
		t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
	}
	var before, after strings.Builder
	_ = x.WriteResults(&before, "live")
	x.Advance(24 * time.Hour)
	code, r, stderr := x.read(t.Context(), "--from=latest") // nothing is published yet
	_ = x.WriteResults(&after, "live")
	if want := int64(strings.Count(after.String(), "\n") - strings.Count(before.String(), "\n")); code != exitOK || r.Rows != want || want == 0 {
		t.Errorf("exit %d, %d rows, want %d\n%s", code, r.Rows, want, stderr)
	}
}

func TestRead_RefusesWhatCannotBeRead(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 50})
	x.live()
	for flags, want := range map[string]int{
		"--file-interval=1h": exitUsage, "--follow --file-interval=14m": exitUsage, "--from=": exitUsage, "--collector=": exitUsage,
		"--collector=UPPER": exitUsage, "--follow --file-rows=-1": exitUsage, "--skip-empty --from=bad-offset": exitRejected,
		"--collector=nobody": exitRejected,
	} {
		if code, r, stderr := x.read(t.Context(), strings.Fields(flags)...); code != want || r.Error == nil || r.Error.Hint == "" {
			t.Errorf("%s: exit %d, want %d: %+v\n%s", flags, code, want, r, stderr)
		}
	}
	if s := x.status(); len(s.Runs) != 0 {
		t.Errorf("nothing was begun, and status lists %+v", s.Runs)
	}
	x.Advance(24 * time.Hour)
	if code, r, stderr := x.read(t.Context()); code != exitOK { // a bad offset was not written down
		t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
	}
	x.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	x.Advance(24 * time.Hour)
	if code, r, stderr := x.read(t.Context()); code != exitLocked || !r.Error.Retryable {
		t.Errorf("a newer reader: exit %d, %+v\n%s", code, r, stderr)
	}
	x.SetFaults(nil)
	x.Advance(30 * 24 * time.Hour)
	x.collectors("list") // the collector collects meanwhile
	x.Advance(8 * 24 * time.Hour)
	if code, r, stderr := x.read(t.Context()); code != exitExpired {
		t.Errorf("results that are gone: exit %d, %+v\n%s", code, r, stderr)
	}
	x.collectors("delete", "live", "--yes")
	if code, r, stderr := x.read(t.Context()); code != exitExpired {
		t.Errorf("a collector that is gone: exit %d, %+v\n%s", code, r, stderr)
	}
}

// A collector of an export is read like any other, beside that export.
func TestRead_OfAnExport(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 10})
	code, exported, stderr := x.export(t.Context(), "--stop=2024-02-01")
	if code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	code, r, stderr := x.read(t.Context(), "--collector="+source.CollectorID(exported.Windows[0].Run))
	if code != exitOK || r.Rows != exported.Rows || r.Credits != 0 {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}
	if parts, _ := filepath.Glob(filepath.Join(x.out, "*", "part-*.parquet")); len(parts) != 2 {
		t.Errorf("files: %q", parts)
	}
}

// However many files were published, a start with nothing new makes the same requests to a bucket, beside further pages of
// the listing: 13, of which the probe takes 8; and two calls.
func TestRead_AStartCostsLittle(t *testing.T) {
	b := newBucket(t)
	b.Page = 1000
	x := newTrial(t, emulator.Config{DocumentsPerDay: 50, ControlEvery: 1})
	x.out = b.url("lake")
	x.live()
	x.Advance(24 * time.Hour)
	start := func(days int) (files, all, calls int, by map[string]int) {
		t.Helper()
		x.Advance(time.Duration(days) * 24 * time.Hour)
		if code, r, stderr := x.read(t.Context(), "--file-rows=1", "--row-group-size=64KiB"); code != exitOK || r.Files == 0 {
			t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
		}
		for name := range b.Files() {
			if strings.HasSuffix(name, ".parquet") {
				files++
			}
		}
		before := len(x.Ledger().Requests)
		all, by = b.requests(func() {
			if code, r, stderr := x.read(t.Context()); code != exitOK || r.Files != 0 {
				t.Errorf("nothing new: exit %d, %+v\n%s", code, r, stderr)
			}
		})
		return files, all, len(x.Ledger().Requests) - before, by
	}
	few, requests, calls, by := start(1)
	many, after, again, _ := start(5)
	t.Logf("%d requests for %d files, %d for %d: %v; %d calls", requests, few, after, many, by, calls)
	if few < 5 || many < 3*few || after != requests || requests > 13 || by["read"] > 2 || again != calls || calls > 2 {
		t.Errorf("%d requests and %d calls for %d files, %d and %d for %d: %v", requests, calls, few, after, again, many, by)
	}
}
