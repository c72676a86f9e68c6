package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// expectComplete compares an output with what the account's collectors hold, and the result line with
// the ledger. It is the check behind most of the tests here.
func (a *account) expectComplete(e ended, out string) {
	a.t.Helper()
	credits := a.expectDelivered(e, out)
	l := a.Ledger()
	if l.Credits() != credits {
		a.t.Errorf("the result says %d credits, the account was charged %d", credits, l.Credits())
	}
	if len(l.Tasks) != len(e.result.Windows) || l.ExportPosts() != len(l.Tasks) {
		a.t.Errorf("%d export posts made %d tasks for %d windows", l.ExportPosts(), len(l.Tasks), len(e.result.Windows))
	}
	a.expectManners(l)
}

// expectDelivered compares the files of a complete run with what its collectors got, result by result and
// in order, and returns the credits that it says it cost.
func (a *account) expectDelivered(e ended, out string) (credits int64) {
	a.t.Helper()
	var rows int64
	files := 0
	for _, w := range e.result.Windows {
		want := a.delivered(w.Run)
		if w.Rows != int64(len(want)) || w.Processed != w.Rows || w.Rejected != 0 {
			a.t.Errorf("window %s: %d rows, %d rejected and %d processed, the collector got %d", w.Start, w.Rows, w.Rejected, w.Processed, len(want))
		}
		if _, err := os.Stat(filepath.Join(out, "_tw2parquet", w.Run, "manifest.json")); err != nil {
			a.t.Error(err)
		}
		var bytes int64
		for i, name := range w.Files {
			// A file that was written again has a revision behind its number.
			wantName := fmt.Sprintf("window_start=%s/part-%s-%05d", w.Start[:10], w.Run, i)
			revision, ok := strings.CutPrefix(name, wantName)
			if !ok || !revisionPattern.MatchString(revision) {
				a.t.Errorf("file %s, want %s.parquet", name, wantName)
			}
			info, err := os.Stat(filepath.Join(out, name))
			if err != nil {
				a.t.Fatal(err)
			}
			bytes += info.Size()
		}
		if bytes != w.Bytes {
			a.t.Errorf("window %s: %d bytes in files, the result says %d", w.Start, bytes, w.Bytes)
		}
		a.expectRows(out, w.Start[:10], want)
		rows, credits, files = rows+w.Rows, credits+w.Credits, files+len(w.Files)
	}
	if e.result.Rows != rows || e.result.Credits != credits || e.result.Files != files {
		a.t.Errorf("the result's sums are not those of its windows: %s", e.stdout)
	}
	return credits
}

var revisionPattern = regexp.MustCompile(`^(-r[1-9][0-9]*)?\.parquet$`)

// expectManners holds what is true of every well-behaved client.
func (a *account) expectManners(l emulator.Ledger) {
	a.t.Helper()
	// The limit is the account's; a client can only keep its own share, and learns of the others' from refusals.
	if n := l.Peak(emulator.EndpointResults, a.minute); n > 5*a.exports {
		a.t.Errorf("%d reads within a minute by %d processes, 5 are allowed", n, a.exports)
	}
	for _, r := range l.Requests {
		if r.Endpoint == emulator.EndpointUnknown {
			a.t.Errorf("unknown endpoint called: %s %s", r.Method, r.Path)
		}
		if r.Endpoint == emulator.EndpointResults && (r.Query["end_behaviour"] != "stop" || r.Query["resume_offset"] == "" || r.Query["pretty"] != "") {
			a.t.Errorf("a read asked for %v", r.Query)
		}
	}
}

// document is what the oracle compares of each result.
type document struct {
	URL, Title, Content, Lang, ExternalID *string
	Indexed, Reach                        *int64
}

// delivered are the documents that the collector of a run ever got, in order.
func (a *account) delivered(run string) []document {
	a.t.Helper()
	return a.collected("tw2p-" + run)
}

// collected are the documents that a collector ever got, in order.
func (a *account) collected(collector string) []document {
	a.t.Helper()
	var lines bytes.Buffer
	if err := a.WriteResults(&lines, collector); err != nil {
		a.t.Fatal(err)
	}
	var documents []document
	scan := bufio.NewScanner(&lines)
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		var chunk struct {
			Result struct {
				Data struct {
					Data struct {
						URL     *string `json:"url"`
						Title   *string `json:"title"`
						Content *string `json:"content"`
						Lang    *string `json:"lang"`
						ID      *string `json:"external_id"`
						Indexed *int64  `json:"indexed"`
						Reach   *int64  `json:"reach"`
					} `json:"data"`
				} `json:"data"`
			} `json:"chunk_result"`
		}
		if err := json.Unmarshal(scan.Bytes(), &chunk); err != nil {
			a.t.Fatalf("%v in %s", err, scan.Bytes())
		}
		d := chunk.Result.Data.Data
		documents = append(documents, document{d.URL, d.Title, d.Content, d.Lang, d.ID, d.Indexed, d.Reach})
	}
	if err := scan.Err(); err != nil {
		a.t.Fatal(err)
	}
	return documents
}

// expectRows compares the rows of one window, in the order of _ordinal, with documents.
func (a *account) expectRows(out, window string, want []document) {
	a.t.Helper()
	a.expectRowsWhere(out, fmt.Sprintf("window_start::VARCHAR = '%s'", window), want)
}

// expectRowsWhere does so for the rows that a condition names.
func (a *account) expectRowsWhere(out, where string, want []document) {
	a.t.Helper()
	rows := lake(a.t, out, fmt.Sprintf(`SELECT _ordinal, url, title, content, lang, external_id, epoch_ms(indexed), reach, coalesce(_key = coalesce(url, external_provider || ':' || external_id), _key IS NULL)
		FROM lake WHERE %s ORDER BY _ordinal`, where))
	if len(rows) != len(want) {
		a.t.Errorf("%s: %d rows, the collector got %d", where, len(rows), len(want))
		return
	}
	for i, got := range rows {
		d := want[i]
		line := []string{strconv.Itoa(i), shown(d.URL), shown(d.Title), shown(d.Content), shown(d.Lang), shown(d.ExternalID), number(d.Indexed), number(d.Reach), "true"}
		if strings.Join(got, "\x1f") != strings.Join(line, "\x1f") {
			a.t.Errorf("%s, row %d is\n%q, want\n%q", where, i, got, line)
			return
		}
	}
	// The rows also lie in this order, file by file.
	unordered := one(a.t, out, fmt.Sprintf(`SELECT count(*) FROM (SELECT _ordinal, lag(_ordinal) OVER (PARTITION BY filename ORDER BY file_row_number) AS before
		FROM lake WHERE %s) WHERE _ordinal <= before`, where))
	if unordered != "0" {
		a.t.Errorf("%s: %s rows are not in the order of _ordinal", where, unordered)
	}
}

func shown(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

func number(n *int64) string {
	if n == nil {
		return "NULL"
	}
	return strconv.FormatInt(*n, 10)
}

// expectQuiet runs the export again, which must find everything done and call nothing that costs or
// changes anything.
func (a *account) expectQuiet(code int, out string, flags ...string) {
	a.t.Helper()
	before, tree := a.Ledger(), listing(a.t, out)
	e := a.export(code, out, flags...)
	after := a.Ledger()
	if n := len(after.Changing()) - len(before.Changing()); n != 0 {
		a.t.Errorf("a run of what is complete made %d changing calls: %+v", n, after.Changing()[len(before.Changing()):])
	}
	if after.Credits() != before.Credits() {
		a.t.Errorf("a run of what is complete cost %d credits", after.Credits()-before.Credits())
	}
	if now := listing(a.t, out); now != tree {
		a.t.Errorf("a run of what is complete changed the output from\n%s to\n%s\n%s", tree, now, e)
	}
}

// listing is the tree of files with sizes and times. Locks and empty directories do not count.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "lock") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintf(&b, "%s %d %s\n", strings.TrimPrefix(name, dir), info.Size(), info.ModTime().UTC())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
