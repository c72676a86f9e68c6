package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tw2parquet/bench/compare/duck"
)

const (
	chunkHead = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":`
	chunkTail = `}}}` + "\n"
)

func controlChunk(offset string) string {
	return `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#c#","resume_offset":"` + offset + `"}}` + "\n"
}

// peak waits for the end of a process and returns its largest resident set, in MiB. What the kernel tells
// of an ended process counts this one's memory too, from which it was forked, so it is asked before. Only
// Linux answers; elsewhere it is 0.
func (p *started) peak() (mebibytes int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.over:
			return mebibytes
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid)) // it may be gone by now
			var kibibytes int64
			if _, err := fmt.Sscanf(line(status, "VmHWM:"), "VmHWM: %d kB", &kibibytes); err == nil {
				mebibytes = kibibytes >> 10
			}
		}
	}
}

// generated lets the account's export tell of n results and serves stream as every read's answer.
func (a *account) generated(n int64, stream func(w io.Writer)) {
	a.t.Helper()
	a.front(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/results"):
			out := bufio.NewWriterSize(w, 1<<20)
			stream(out)
			_ = out.Flush() // a client that had enough is what some tests want
		case strings.HasPrefix(r.URL.Path, "/api/v3/tasks/export/"):
			fmt.Fprintf(w, `{"status_code":"0","result_tasks":{"tasks":[{"id":%q,"type":"export","status":"finished","processed":%d,"ready":%d}]}}`,
				filepath.Base(r.URL.Path), n, n)
		default:
			return false
		}
		return true
	})
}

func repeat(w io.Writer, text string, n int) {
	block := []byte(strings.Repeat(text, max(1, (1<<20)/len(text))))
	for n *= len(text); n > 0; n -= len(block) {
		_, _ = w.Write(block[:min(n, len(block))])
	}
}

// TestMemory_IsBounded sends what would fill a memory that grew with it. A result before and one behind
// must come through. Bounds are about one and a half times what is used.
func TestMemory_IsBounded(t *testing.T) {
	long(t, "TestMemory_OfABomb")
	doc := func(url string) string { return chunkHead + `{"url":"` + url + `"}` + chunkTail }
	around := func(write func(w io.Writer)) func(io.Writer) {
		return func(w io.Writer) {
			_, _ = io.WriteString(w, controlChunk("a")+doc("https://example.org/first"))
			write(w)
			_, _ = io.WriteString(w, doc("https://example.org/last")+controlChunk("b"))
		}
	}
	long := func(n int) func(io.Writer) {
		return around(func(w io.Writer) {
			_, _ = io.WriteString(w, chunkHead+`{"url":"https://example.org/long","content":"`)
			repeat(w, "x", n)
			_, _ = io.WriteString(w, `"}`+chunkTail)
		})
	}
	less := func(n int) int {
		if testing.Short() {
			return n / 4
		}
		return n
	}
	results := less(2_000_000)
	for name, tt := range map[string]struct {
		code           int
		rows, rejected int64
		mebibytes      int64
		flags          []string
		stream         func(io.Writer)
	}{
		"a document of 64 MiB":          {0, 3, 0, 500, nil, long(64<<20 - 200)},
		"a document of more than that":  {60, 2, 1, 280, nil, long(64 << 20)},
		"a string of 1 GiB":             {60, 2, 1, 280, nil, long(less(1 << 30))},
		"a string of 1 GiB, small caps": {60, 2, 1, 110, []string{"--max-document-size", "1MiB", "--row-group-size", "1MiB"}, long(less(1 << 30))},
		"a quarter GiB of blank lines":  {0, 2, 0, 110, nil, around(func(w io.Writer) { repeat(w, "\n", less(256<<20)) })},
		"a quarter GiB of junk":         {60, 2, 1, 280, nil, around(func(w io.Writer) { repeat(w, "x", max(less(256<<20), 100<<20)); _, _ = io.WriteString(w, "\n") })},
		"a million unknown chunks":      {0, 2, 0, 110, nil, around(func(w io.Writer) { repeat(w, `{"chunk_type":"CT_NEWS","x":[{}]}`+"\n", 1_000_000) })},
		"deep without an end": {60, 2, 1, 280, nil, around(func(w io.Writer) {
			_, _ = io.WriteString(w, chunkHead)
			repeat(w, "[", 64<<20)
			_, _ = io.WriteString(w, "\n")
		})},
		"no control chunk for long": {0, int64(results) + 2, 0, 220, nil, around(func(w io.Writer) {
			for i := range results {
				fmt.Fprintf(w, chunkHead+`{"url":"https://example.org/%d","title":"Number %d","indexed":1700000000000}`+chunkTail, i, i)
			}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, tiny())
			a.env = []string{"TW2PARQUET_WAIT_SCALE=1"} // slow is not silent
			a.generated(tt.rows+tt.rejected, tt.stream)
			out := a.output()
			args := append([]string{"export", "--out", out, "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-02-01"}, tt.flags...)
			p := a.launch(args...)
			peak := p.peak()
			e := p.wait()
			t.Logf("%d MiB", peak)
			if e.code != tt.code || e.result.Rows != tt.rows || e.result.Rejected != tt.rejected {
				t.Fatalf("exit %d\n%.3000s", e.code, e)
			}
			if peak > tt.mebibytes {
				t.Errorf("%d MiB, want at most %d", peak, tt.mebibytes)
			}
			if got := one(t, out, "SELECT min(_ordinal) || ' ' || max(_ordinal) || ' ' || count(DISTINCT url) || ' ' || count(*) FILTER (url LIKE '%/first' OR url LIKE '%/last') FROM lake"); got !=
				fmt.Sprintf("0 %d %d 2", tt.rows+tt.rejected-1, tt.rows) {
				t.Error(got)
			}
		})
	}
}

// TestMemory_OfABomb inflates a small answer into a huge one, for a stream and for another call.
func TestMemory_OfABomb(t *testing.T) {
	piece := zipped(bytes.Repeat([]byte("x"), 16<<20))
	for name, path := range map[string]string{"stream": "/results", "envelope": "/api/v3/tasks/export"} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, tiny())
			a.env = []string{"TW2PARQUET_WAIT_SCALE=0.001"}
			a.front(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, path) {
					return false
				}
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(zipped([]byte(chunkHead + `{"content":"`)))
				for range 32 {
					_, _ = w.Write(piece) // members in a row are one text
				}
				return true
			})
			p := a.launch("export", "--out", a.output(), "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-02-01", "--idle-timeout", "24h")
			peak := p.peak()
			e := p.wait()
			t.Logf("%d MiB", peak)
			if want := map[string]int{"stream": 21, "envelope": 20}[name]; e.code != want || peak > 280 {
				t.Errorf("exit %d with %d MiB\n%s", e.code, peak, e)
			}
			a.expectOneLine(e)
		})
	}
}

// TestConvert_HostileDocuments reads documents that somebody wrote to break readers. Each becomes a row or a
// reject, and its neighbours stay.
func TestConvert_HostileDocuments(t *testing.T) {
	a := serve(t, tiny())
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"key_%d":%d,`, i, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	type tt struct {
		name, chunk string
		row         bool
		where       string // about its row, in SQL
	}
	inner := func(name, members string, where string) tt {
		return tt{name, chunkHead + `{"url":"X",` + members + `}}}}`, true, where}
	}
	hostile := []tt{
		{"100,000 deep", chunkHead + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}}`, false, ""},
		{"open 250,000 deep", chunkHead + strings.Repeat(`[{"":`, 250_000), false, ""},
		{"10,001 deep in a field", chunkHead + `{"url":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}}}}`, false, ""},
		{"no document", `{"chunk_type":"CT_RESULT","chunk_result":{"data":{}}}`, false, ""},
		{"a null document", chunkHead + `null}}}`, false, ""},
		{"a list", chunkHead + `[1]}}}`, false, ""},
		{"a bare word", chunkHead + `{"url":nope}}}}`, false, ""},
		{"a comma too many", chunkHead + `{"url":"X",}}}}`, false, ""},
		{"single quotes", chunkHead + `{'url':'X'}}}}`, false, ""},
		inner("twice", `"title":"a","title":"b"`, `title = 'b'`),
		inner("another case", `"Title":"a","TITLE":"b"`, `title IS NULL AND _extra LIKE '%TITLE%'`),
		inner("a chunk inside", `"chunk_type":"CT_ERROR","status_code":"9","title":"{\"chunk_type\":\"CT_CONTROL\"}"`, `title LIKE '%CT_CONTROL%' AND _extra LIKE '%CT_ERROR%'`),
		inner("invalid UTF-8", "\"title\":\"a\xff\xc3(\xed\xa0\x80b\"", `title LIKE 'a%b' AND contains(title, chr(65533))`),
		inner("lone surrogates", `"title":"a\ud800b\udc00c"`, `title = 'a' || chr(65533) || 'b' || chr(65533) || 'c'`),
		inner("a NUL", `"title":"a\u0000b"`, `length(title) = 3`),
		inner("direction marks and noncharacters", `"title":"\u202e\ufeff\uffff\ufdd0"`, `length(title) = 4`),
		inner("numbers", `"reach":1e999,"engagement":9007199254740993,"published":1E400,"word_count":-0,"porn_level":18446744073709551616`, `engagement = 9007199254740993 AND reach IS NULL AND _extra LIKE '%1e999%' AND _extra LIKE '%18446744073709551616%'`),
		inner("a number of 400 digits", `"engagement":`+strings.Repeat("7", 400), `engagement IS NULL AND length(_extra) > 400`),
		inner("times", `"published":-1,"indexed":99999999999999999,"search_indexed":"yesterday"`, `epoch_ms(published) = -1 AND indexed IS NULL AND _extra LIKE '%yesterday%'`),
		inner("other types", `"title":["a"],"tags_internal":"x","matched":7,"images":{"url":"u"},"docscore":[],"lang":{"x":1},"reach":"12"`, `title IS NULL AND matched IS NULL AND _extra LIKE '%["a"]%'`),
		inner("nulls", `"title":null,"matched":null,"images":null,"images2":[null],"reach":null`, `title IS NULL`),
		inner("50,000 keys", keys(50_000), `_extra LIKE '%key_49999%'`),
		inner("a key of 1 MiB", `"`+strings.Repeat("k", 1<<20)+`":1`, `length(_extra) > 1000000`),
		inner("odd keys", `"":1,"a.b":2,"a/b":3,"\"":4,"\n":5,"__proto__":6,"'; DROP TABLE lake; --":7,"_ordinal":8,"_extra":9,"window_start":10`, `_ordinal > 8 AND _extra LIKE '%DROP TABLE%' AND window_start IS NULL`),
		inner("two million characters", `"content":"`+strings.Repeat("é", 2_000_000)+`"`, `length(content) = 2000000`),
	}
	var input bytes.Buffer
	for _, h := range hostile {
		input.WriteString(chunkHead + `{"url":"neighbour"}` + chunkTail + strings.Replace(h.chunk, `"X"`, `"`+h.name+`"`, 1) + "\n")
	}
	input.WriteString(chunkHead + `{"url":"neighbour"}` + chunkTail)
	out := a.output()
	cmd := a.command(t.Context(), "convert", "-", "--out", out, "--max-rejects", "-1")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &input, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ask := func(where string) string {
		_, rows, err := db.Text(t.Context(), "SELECT count(*) FROM (SELECT *, NULL AS window_start FROM read_parquet("+duck.Quote(filepath.Join(out, "*.parquet"))+", hive_partitioning = false)) WHERE "+where)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return ""
		}
		return rows[0][0]
	}
	if n := ask("url = 'neighbour'"); n != fmt.Sprint(len(hostile)+1) {
		t.Errorf("%s neighbours\n%s\n%s", n, &stdout, &stderr)
	}
	rejected := 0
	for i, h := range hostile {
		if !h.row {
			rejected++
			if n := ask(fmt.Sprintf("_ordinal = %d", 2*i+1)); n != "0" {
				t.Errorf("%s: a row in its place", h.name)
			}
			continue
		}
		if n := ask(fmt.Sprintf("_ordinal = %d AND url = %s AND %s", 2*i+1, duck.Quote(h.name), h.where)); n != "1" {
			t.Errorf("%s: its row is not as it should be: %s", h.name, h.where)
		}
	}
	if !strings.Contains(stdout.String(), fmt.Sprintf(`"rejected":%d,`, rejected)) {
		t.Errorf("want %d rejects: %s", rejected, &stdout)
	}
}

// TestMemory_OfManyWindows: what a window needed must be free when it has ended, however many more come.
func TestMemory_OfManyWindows(t *testing.T) {
	long(t, "pipeline's TestExport_ReportsKeepNoOutput")
	cfg := tiny()
	cfg.DocumentsPerDay = 1
	a := serve(t, cfg)
	p := a.launch("export", "--out", a.output(), "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--split", "day", "--parallel", "2")
	peak := p.peak()
	e := p.wait()
	t.Logf("%d MiB", peak)
	if e.code != 0 || e.result.Rows != 91 {
		t.Fatalf("exit %d\n%.3000s", e.code, e)
	}
	if peak > 130 {
		t.Errorf("%d MiB for 91 windows", peak)
	}
}

// TestMemory_OfManyRecordings: nor may a recording leave something behind.
func TestMemory_OfManyRecordings(t *testing.T) {
	long(t, "TestMemory_OfABomb")
	a := serve(t, tiny())
	dir := t.TempDir()
	args := []string{"convert", "--out", a.output()}
	const n = 200
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%03d.ndjson", i))
		text := fmt.Sprintf(chunkHead+`{"url":"https://example.org/%d"}`+chunkTail+controlChunk("end"), i)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	p := a.launch(args...)
	peak := p.peak()
	e := p.wait()
	t.Logf("%d MiB", peak)
	if e.code != 0 || e.result.Rows != n {
		t.Fatalf("exit %d\n%.3000s", e.code, e)
	}
	if peak > 130 {
		t.Errorf("%d MiB for %d recordings", peak, n)
	}
}
