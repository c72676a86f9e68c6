package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// documentFile writes a file and opens it.
func documentFile(t *testing.T, text string) *DocumentFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "documents.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenDocuments(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// A file of every form: what a server of it does is what one does that got the same documents from a test, which reads them
// with encoding/json.
func mixedFile() (text string, documents []json.RawMessage) {
	var b strings.Builder
	b.WriteString("\ufeff")
	add := func(end, line string) {
		b.WriteString(line + end)
		if trimmed := strings.Trim(line, " \t\r"); trimmed != "" && !strings.Contains(line, "CT_CONTROL") && !strings.Contains(line, "CT_ERROR") {
			documents = append(documents, json.RawMessage(trimmed))
		}
	}
	for i := range 60 {
		end := "\n"
		if i%17 == 5 {
			end = "\r\n"
		}
		doc := fmt.Sprintf(`{"url":"https://example.org/%d","content":"}{ \" \\","nested":{"published":5,"list":[{"published":6},"]"]},"published":%d,"matched":{"appearance":"%s"}}`,
			i, day(i%40), [...]string{"NEW", "UPDATED", "NEW"}[i%3])
		switch i % 11 {
		case 3:
			doc = strings.Replace(doc, `"published":`+fmt.Sprint(day(i%40)), `"published":"soon"`, 1)
		case 4:
			doc = "\t " + doc + "  "
		}
		if i/10%2 == 0 {
			doc = chunkStart + doc + chunkEnd
		}
		add(end, doc)
		switch i % 13 {
		case 2:
			add(end, `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#x#","resume_offset":"o","collector_id":"c"}}`)
		case 7:
			add(end, "  ")
		case 9:
			add(end, `{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"25","status_message":"x"}}`)
		}
	}
	add("\n", `{"chunk_type" : "CT_SOMETHING", "published":1}`)
	add("\n", chunkStart+`{"content":"`+strings.Repeat("long ", indexSize/2)+`"}`+chunkEnd)
	add("", `{"external_id":"the last line has no end"}`)
	return b.String(), documents
}

func TestDocumentFile_IsServedAsDocumentsOfATest(t *testing.T) {
	text, documents := mixedFile()
	file := documentFile(t, text)
	for _, test := range []struct {
		name, start, stop, more, query, faults string
		cfg                                    Config
	}{
		{name: "everything", start: "2024-01-01", stop: "2024-06-01"},
		{name: "a range", start: "2024-01-04", stop: "2024-01-20"},
		{name: "control chunks", start: "2024-01-01", stop: "2024-06-01", cfg: Config{ControlEvery: 7}},
		{name: "parts of a read", start: "2024-01-01", stop: "2024-06-01", cfg: Config{MaxPerRead: 25}},
		{name: "batches and a limit", start: "2024-01-01", stop: "2024-06-01", more: `,"limit":20`, cfg: Config{LimitBatch: 3}},
		{name: "credits end", start: "2024-01-01", stop: "2024-06-01", cfg: Config{Credits: 31, LimitBatch: 10}},
		{name: "max_hits", start: "2024-01-01", stop: "2024-06-01", query: "&max_hits=9"},
		{name: "pretty", start: "2024-01-01", stop: "2024-06-01", query: "&pretty=true"},
		{name: "pretty by fault", start: "2024-01-01", stop: "2024-06-01", faults: `{"rules":[{"endpoint":"results","framing":"pretty"}]}`},
		{name: "blank lines", start: "2024-01-01", stop: "2024-06-01", faults: `{"rules":[{"endpoint":"results","framing":"blank"}]}`},
		{name: "an error", start: "2024-01-01", stop: "2024-06-01", faults: `{"rules":[{"endpoint":"results","error":{"at":5,"code":25},"inject":{"at":3,"lines":["x"]}}]}`},
		{name: "shifted", start: "2024-01-01", stop: "2024-06-01", faults: `{"rules":[{"endpoint":"results","shift":13}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.NoRateLimits = true
			served := func(cfg Config) (string, taskView, Ledger, []int64) {
				a := serve(t, cfg)
				if test.faults != "" {
					f, err := ParseFaults([]byte(test.faults))
					if err != nil {
						t.Fatal(err)
					}
					a.s.SetFaults(f)
				}
				task := a.export("c1", test.start, test.stop, test.more)
				_, raw, err := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop"+test.query, "")
				if err != nil {
					t.Fatal(err)
				}
				var all bytes.Buffer
				if err := a.s.WriteResults(&all, "c1"); err != nil {
					t.Fatal(err)
				}
				var counts []int64
				for _, bin := range a.do("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/histogram/published?min=0&max=2000000000000&interval=100d", "").Histogram.Data {
					counts = append(counts, bin.V...)
				}
				return string(raw) + "\n---\n" + all.String(), a.ok("GET", "/api/v3/tasks/export/"+task.ID, "").Tasks.Tasks[0], a.s.Ledger(), counts
			}
			cfg := test.cfg
			cfg.Documents = documents
			want, wantTask, wantLedger, wantCounts := served(cfg)
			cfg = test.cfg
			cfg.DocumentFile = file
			got, gotTask, gotLedger, gotCounts := served(cfg)
			if got != want {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Errorf("%d bytes, not %d; from %d on\n%.200q\nnot\n%.200q", len(got), len(want), i, got[i:], want[i:])
			}
			if fmt.Sprint(*gotTask.Ready) != fmt.Sprint(*wantTask.Ready) || gotTask.Status != wantTask.Status || gotTask.Processed != wantTask.Processed || gotTask.Progress != wantTask.Progress {
				t.Errorf("task %+v, not %+v", gotTask, wantTask)
			}
			if !slices.Equal(gotCounts, wantCounts) || !slices.Equal(gotLedger.Charges, wantLedger.Charges) || gotLedger.Credits() == 0 {
				t.Errorf("counts %v, not %v; charges %+v, not %+v", gotCounts, wantCounts, gotLedger.Charges, wantLedger.Charges)
			}
		})
	}
}

// A read takes from the file what it delivers, block by block, and every block begins and ends with a line.
func TestDocumentFile_MoreThanABlock(t *testing.T) {
	for _, form := range [][2]string{{"", ""}, {chunkStart, chunkEnd}} {
		var lines, want []string
		for i := range 5000 {
			doc := fmt.Sprintf(`{"external_id":"%d","content":"%s"}`, i, strings.Repeat("x", i%997))
			lines = append(lines, form[0]+doc+form[1])
			want = append(want, chunkStart+doc+chunkEnd)
		}
		a := serve(t, Config{ControlEvery: 900, DocumentFile: documentFile(t, strings.Join(lines, "\n"))})
		a.export("c1", "2024-01-01", "2024-01-02", "")
		st := a.read("c1", "")
		if !slices.Equal(st.results, want) || !slices.Equal(st.after, []int{0, 900, 1800, 2700, 3600, 4500, 5000}) {
			t.Errorf("%d results, control chunks after %v", len(st.results), st.after)
		}
		if again := a.read("c1", "&resume_offset="+st.offsets[3]); !slices.Equal(again.results, want[2700:]) {
			t.Errorf("%d results from the third offset on", len(again.results))
		}
		if n := a.s.Ledger().Credits(); n != 5000 {
			t.Errorf("%d credits", n)
		}
	}
}

func TestDocumentFile_WithdrawnByATest(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, DocumentFile: documentFile(t, `{"url":"of the file"}`)})
	a.s.SetDocuments([]json.RawMessage{json.RawMessage(`{"url":"of the test"}`)})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	a.s.SetDocuments(nil)
	a.export("c2", "2024-01-01", "2024-01-02", "")
	for collector, want := range map[string]string{"c1": "of the test", "c2": "of the file"} {
		if got := a.read(collector, "").results; len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", collector, got)
		}
	}
}

// Other programs than the server write blanks into JSON.
func TestDocumentFile_UpdatedCopiesAreNoHits(t *testing.T) {
	file := documentFile(t, strings.Repeat(`{"url": "x", "matched": {"appearance" : "UPDATED"}}`+"\n", 3)+strings.Repeat(`{"content": "\"appearance\": \"UPDATED\""}`+"\n", 3))
	a := serve(t, Config{DocumentFile: file})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	if got := a.read("c1", "&max_hits=2").results; len(got) != 5 {
		t.Errorf("%d results: %q", len(got), got)
	}
}

func TestOpenDocuments_NamesFileAndLine(t *testing.T) {
	good := `{"url":"x"}` + "\n"
	for _, test := range []struct{ text, want string }{
		{good + "\n" + `{"url":"x"`, ", line 3: not a JSON object"},
		{good + `["url"]`, ", line 2: not a JSON object"},
		{good + good + "text\n" + good, ", line 3: not a JSON object"},
		{good + `{"url":"x"} {"url":"y"}`, ", line 2: not a JSON object"},
		{"{\n  \"url\": \"x\"\n}\n", ", line 1: not a JSON object"},
		{`{"url":}`, ", line 1: not a JSON object"},
		{`{"url" "x"}`, ", line 1: not a JSON object"},
		{`{url:"x"}`, ", line 1: not a JSON object"},
		{`{"url":"x\"}`, ", line 1: not a JSON object"},
		{good + `{"chunk_type":"CT_RESULT","broken":`, ", line 2: not a JSON object"},
		{"", " holds no documents"},
		{"\n \n", " holds no documents"},
		{`{"chunk_type":"CT_CONTROL","chunk_control":{}}`, " holds no documents"},
		{"\x1f\x8b\x08\x00", " is compressed"},
		{"\x28\xb5\x2f\xfd\x00", " is compressed"},
	} {
		path := filepath.Join(t.TempDir(), "documents.jsonl")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDocuments(path); err == nil || !strings.HasPrefix(err.Error(), path+test.want) {
			t.Errorf("%q: %v", test.text, err)
		}
	}
	if _, err := OpenDocuments(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDocuments(pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") { // nobody writes to it
		t.Error(err)
	}
	if _, err := OpenDocuments(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Error(err)
	}
	if _, err := New(Config{Documents: []json.RawMessage{}, DocumentFile: &DocumentFile{}}); err == nil {
		t.Error("both are accepted")
	}
}

// An answer whose documents cannot be read any more must not look complete.
func TestDocumentFile_CutWhileServed(t *testing.T) {
	var log bytes.Buffer
	file := documentFile(t, strings.Repeat(`{"content":"`+strings.Repeat("x", 1000)+`"}`+"\n", 2000))
	a := serve(t, Config{DocumentFile: file, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	if err := os.Truncate(file.path, 1_000_000); err != nil {
		t.Fatal(err)
	}
	status, raw, err := a.try(http.MethodGet, "/api/v3/stream/c/c1/results?end_behaviour=stop", "")
	if err == nil || status != http.StatusOK || !bytes.Contains(raw, []byte("CT_RESULT")) {
		t.Errorf("%d, %d bytes, %v", status, len(raw), err)
	}
	if !strings.Contains(log.String(), file.path+": cut short") {
		t.Errorf("the log says %q", log.String())
	}
	if err := a.s.WriteResults(&bytes.Buffer{}, "c1"); err == nil || !strings.Contains(err.Error(), file.path) {
		t.Error(err)
	}
}

// FuzzGlance holds a glance against encoding/json.
func FuzzGlance(f *testing.F) {
	text, _ := mixedFile()
	for line := range strings.SplitSeq(text[:8000], "\n") {
		f.Add([]byte(strings.TrimSpace(line)))
	}
	for _, line := range []string{`{}`, `{"a":[]}`, `{"published":-1}`, `{"published":1e3}`, `{"published":null,"b":true}`, `{"chunk_type":null,"chunk_result":[1]}`,
		`{"chunk_type":"a","chunk_result":{"data":{"data":{"published":9,"x":{}},"y":[{}]}}}`, `{"a":"\\\\\"}","b":[[1,2],{"c":"]"}]}`, `{"a":1}}`, `{"a":1`, `[{}]`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		// Names are compared as they are written: with other spellings of them encoding/json finds more.
		if line = bytes.TrimSpace(line); bytes.ContainsAny(line, "\n\ufeff") || bytes.Contains(line, []byte(`\u`)) || !json.Valid(line) {
			return
		}
		g, ok := glance(line)
		if want := len(line) > 0 && line[0] == '{'; ok != want {
			t.Fatalf("%q: %v", line, ok)
		}
		if !ok {
			return
		}
		members := func(text json.RawMessage) map[string]json.RawMessage {
			var m map[string]json.RawMessage
			if json.Unmarshal(text, &m) != nil {
				return nil
			}
			return m
		}
		outer := members(line)
		kind := string(outer["chunk_type"])
		document := outer
		if kind != "" {
			document = members(members(outer["chunk_result"])["data"])
			document = members(document["data"])
		}
		if g.kind != kind {
			t.Errorf("%q: chunk_type %s, not %s", line, g.kind, kind)
		}
		if want := (published{document["published"]}).ms(); g.published != want {
			t.Errorf("%q: published %d, not %d", line, g.published, want)
		}
	})
}
