package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset/report"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// These tests hold the manual to the code, both ways: what it names exists, and what the code has is in it.

func topicText(t *testing.T, name string) string {
	t.Helper()
	text, err := readTopic(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// section is a part of a topic, from its heading to the next.
func section(t *testing.T, topic, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(topicText(t, topic), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", topic, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// pages are the topics and README.
func pages(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"README": string(readme)}
	for _, name := range topics {
		all[name] = topicText(t, name)
	}
	return all
}

// differ reports what only one of two lists has.
func differ(t *testing.T, what string, documented, code []string) {
	t.Helper()
	for _, d := range documented {
		if !slices.Contains(code, d) {
			t.Errorf("%s: %q is documented, and the code has no such thing", what, d)
		}
	}
	for _, c := range code {
		if !slices.Contains(documented, c) {
			t.Errorf("%s: %q is not documented", what, c)
		}
	}
}

func matches(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestManual_ListsItsTopics(t *testing.T) {
	files, err := fs.Glob(manual, "help/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	differ(t, "topics", topics, names)
	_, list, _ := call(t, "help")
	_, _, stderr := call(t, "help", "nonsense")
	for _, name := range topics {
		if !strings.Contains(list, "\n"+name+" ") || !strings.Contains(stderr, name) {
			t.Errorf("%s is not listed:\n%s\n%s", name, list, stderr)
		}
		if code, stdout, _ := call(t, "help", name); code != exitOK || stdout != topicText(t, name) {
			t.Errorf("help %s: exit %d, %d bytes", name, code, len(stdout))
		}
	}
	if code, stdout, _ := call(t, "help", "nonsense"); code != exitUsage || stdout != "" {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestManual_ExitCodes(t *testing.T) {
	var code []string
	known := map[string]bool{}
	for _, c := range exitCodes {
		code = append(code, fmt.Sprintf("%d %s", c.Code, c.Name))
		known[fmt.Sprint(c.Code)] = true
	}
	differ(t, "exit codes", matches(`(?m)^## (\d+ \w+)$`, topicText(t, "exit-codes")), code)
	for name, text := range pages(t) {
		for _, c := range matches(`(?:exit |\()(\d{1,3})\b\)?`, text) {
			if len(c) > 1 && !known[c] {
				t.Errorf("%s names exit code %s", name, c)
			}
		}
	}
	alone := matches(`(?m)^Codes ([\d, and]+) concern one window`, topicText(t, "exit-codes"))
	if len(alone) != 1 {
		t.Fatal("the codes of one window are not listed")
	}
	var want []string
	for _, c := range exitCodes {
		if c.Alone {
			want = append(want, fmt.Sprint(c.Code))
		}
	}
	differ(t, "codes of one window", matches(`(\d+)`, alone[0]), want)
}

// outputs are an output of each command that writes, with rejects and drift.
func outputs(t *testing.T) (exported, converted string) {
	t.Helper()
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1, TaskDuration: time.Millisecond})
	if code, _, stderr := x.export(t.Context()); code != exitOK {
		t.Fatalf("export: exit %d\n%s", code, stderr)
	}
	converted = filepath.Join(t.TempDir(), "lake")
	recording := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.com/","brand_new":1}}}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":"not a document"}}
{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"x"}}
`
	if code, _, stderr := converting(t, []byte(recording), "-", "--out", converted, "--max-rejects", "-1"); code != exitOK {
		t.Fatalf("convert: exit %d\n%s", code, stderr)
	}
	return x.out, converted
}

// The footer's keys are those of real files, read by another library.
func TestManual_FooterKeys(t *testing.T) {
	var found []string
	exported, converted := outputs(t)
	for _, out := range []string{exported, converted} {
		for _, pattern := range []string{"*.parquet", "*/*.parquet"} {
			names, err := filepath.Glob(filepath.Join(out, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				content, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
				if err != nil {
					t.Fatal(err)
				}
				for _, kv := range f.Metadata().KeyValueMetadata {
					if strings.HasPrefix(kv.Key, "tw2parquet.") {
						found = append(found, kv.Key)
					}
				}
			}
		}
	}
	slices.Sort(found)
	differ(t, "footer keys", matches("`(tw2parquet\\.[a-z0-9_]+)`", section(t, "files", "Footer")), slices.Compact(found))
}

// members are the JSON members of a type, by path.
func members(typ reflect.Type, prefix string) []string {
	var found []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		found = append(found, prefix+name)
		of, path := typ.Field(i).Type, prefix+name
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			if of.Kind() == reflect.Slice {
				path += "[]"
			}
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() {
			found = append(found, members(of, path+".")...)
		}
	}
	return found
}

// documented are the names that the list items of a section begin with.
func documented(text string) []string {
	var found []string
	item := ""
	for line := range strings.Lines(text) {
		if mark := listMark(line); mark != "" {
			item = ""
			line = line[len(mark):]
		} else if item == "" {
			continue
		}
		item += strings.TrimSpace(line) + " "
		if names, _, ok := strings.Cut(item, ":"); ok || strings.HasSuffix(item, ". ") {
			found = append(found, matches("`([a-z0-9_.\\[\\]]+)`", names)...)
			item = ""
		}
	}
	return found
}

func TestManual_ManifestAndRequest(t *testing.T) {
	manifest := members(reflect.TypeFor[sink.Manifest](), "")
	differ(t, "manifest", documented(section(t, "files", "Manifest")), append(manifest, members(reflect.TypeFor[pipeline.Report](), "report.")...))
	differ(t, "request.json", documented(section(t, "files", "request.json")), members(reflect.TypeFor[pipeline.Asking](), ""))
	differ(t, "result line", documented(section(t, "files", "Result line")), members(reflect.TypeFor[result](), ""))
	differ(t, "plan", documented(section(t, "money", "plan --output json")), members(reflect.TypeFor[pipeline.Plan](), ""))
	differ(t, "plan --late", documented(section(t, "money", "plan --late --output json")), members(reflect.TypeFor[latePlan](), ""))
	differ(t, "status", documented(section(t, "files", "status --output json")), members(reflect.TypeFor[outputStatus](), ""))
	differ(t, "report", documented(section(t, "report", "report --format json")), members(reflect.TypeFor[report.Report](), ""))
	differ(t, "collectors gc", documented(section(t, "files", "collectors gc --output json")), members(reflect.TypeFor[leftoverStatus](), ""))
	differ(t, "rejects", documented(section(t, "files", "Rejects")), members(reflect.TypeFor[sink.Rejection](), ""))
}

// The figures of the manual are the code's.
func TestManual_Money(t *testing.T) {
	text := topicText(t, "money")
	for _, says := range []string{
		fmt.Sprintf("| %d a call |", source.HistogramCredits), fmt.Sprintf("at most %s objects", countText(maxMapped)),
		fmt.Sprintf("`--limit` and %s more for each window to buy", countText(pipeline.Batch)), fmt.Sprintf("exports at most %s results", countText(source.MaxLimit)),
	} {
		if !strings.Contains(text, says) {
			t.Errorf("money does not say %q", says)
		}
	}
	for _, reach := range []pipeline.Reach{pipeline.ReachFull, pipeline.ReachCut, pipeline.ReachIDs, pipeline.ReachUncertain, pipeline.ReachNothing} {
		if !strings.Contains(text, "`"+string(reach)+"`") {
			t.Errorf("money does not explain %q", reach)
		}
	}
	// Each example with a budget can buy: three months, their limit and the overshoot.
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile(`(?s)--limit (\d+)[ \\\n]+--max-credits (\d+)`).FindAllStringSubmatch(text+exportCmd{}.Help(), -1) {
			if limit, err := strconv.Atoi(m[1]); err != nil || m[2] != fmt.Sprint(3*(limit+pipeline.Batch)) {
				t.Errorf("%s: a limit of %s goes with --max-credits %d, not %s", name, m[1], 3*(limit+pipeline.Batch), m[2])
			}
		}
	}
}

// The journal's types are the source package's own, so the records of a run and the declarations are asked.
func TestManual_Journal(t *testing.T) {
	text, err := os.ReadFile("../../source/journal.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := matches(`json:"(\w+)`, string(text))
	documented := documented(section(t, "files", "Journal"))
	documented = slices.DeleteFunc(documented, func(s string) bool { return strings.HasSuffix(s, ".json") })
	differ(t, "journal", documented, declared)
	exported, _ := outputs(t)
	known := section(t, "files", "Layout")
	records, err := filepath.Glob(filepath.Join(exported, "_tw2parquet", "*", "*"))
	if err != nil || len(records) == 0 {
		t.Fatal(err, records)
	}
	for _, name := range records {
		if strings.HasPrefix(filepath.Base(filepath.Dir(name)), "source-") {
			if base := filepath.Base(name); base != "lock" && base != "staging" && !strings.HasPrefix(base, "99999999") {
				t.Errorf("a log holds %s", base)
			}
			continue
		}
		if base := filepath.Base(name); !strings.Contains(known, "/"+base) {
			t.Errorf("a run's directory holds %s, which the layout does not show", base)
		}
		content, err := os.ReadFile(name)
		if base := filepath.Base(name); err != nil || !strings.HasPrefix(base, "intent-") && base != "task.json" {
			continue
		}
		var record map[string]any
		if err := json.Unmarshal(content, &record); err != nil {
			t.Fatal(err)
		}
		for member := range record {
			if !slices.Contains(documented, member) {
				t.Errorf("%s has a member %s that is not documented", name, member)
			}
		}
	}
}

// The types of the coverage log are the pipeline's own.
func TestManual_CoverageLog(t *testing.T) {
	log, err := os.ReadFile("../../pipeline/claimlog.go")
	brief, berr := os.ReadFile("../../pipeline/brief.go")
	if err = errors.Join(err, berr); err != nil {
		t.Fatal(err)
	}
	differ(t, "coverage log", documented(section(t, "files", "Coverage")), matches(`json:"(\w+)`, string(log)+string(brief)))
}

// invocations are the commands of the code blocks, and of the code in the text.
func invocations(text string) (blocks, inline []string) {
	for _, block := range matches("(?s)```sh\n(.*?)```", text) {
		for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " > ")
			for _, part := range strings.Split(line, " | ") {
				if part = strings.TrimSpace(part); strings.HasPrefix(part, "tw2parquet ") {
					blocks = append(blocks, part)
				}
			}
		}
	}
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	for _, code := range matches("`(tw2parquet [^`]+)`", text) {
		code, _, _ = strings.Cut(code, " | ")
		inline = append(inline, code)
	}
	return blocks, inline
}

func TestManual_CommandsAndFlagsExist(t *testing.T) {
	parsed := 0
	for name, text := range pages(t) {
		blocks, inline := invocations(text)
		for _, command := range blocks {
			p, err := newParser(&bytes.Buffer{}, &bytes.Buffer{})
			if err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(command))[1:]
			if _, err := p.Parse(readLine(p.Model, words).words); err != nil {
				t.Errorf("%s: %s: %v", name, command, err)
			}
			parsed++
		}
		for _, command := range inline {
			words := strings.Fields(command)[1:]
			if l := readLine(model(), words); l.command == nil || l.command.Name != words[0] && !slices.Contains(words, l.command.Name) {
				t.Errorf("%s: %s is not a command", name, command)
			}
		}
		flags := readLine(model(), nil).flags
		text = regexp.MustCompile("(?m)^(kubectl|sha256sum|tar|install) .*$|`(docker|gh) [^`]*`").ReplaceAllString(text, "") // have flags of their own
		for _, flag := range matches(`(?:^|[\s`+"`"+`(])--([a-z][a-z-]*)`, text) {
			if flags[flag] == nil && flag != "help" {
				t.Errorf("%s names the flag --%s", name, flag)
			}
		}
	}
	if parsed < 10 {
		t.Errorf("only %d commands were found", parsed)
	}
}

// The map of the repository shows the directories that hold code, and no others.
func TestManual_MapOfTheRepository(t *testing.T) {
	shown := matches("(?m)^- `([a-z0-9/]+)`:", section(t, "design", "The map"))
	for _, dir := range shown {
		if info, err := os.Stat(filepath.Join("../..", dir)); err != nil || !info.IsDir() {
			t.Errorf("the map shows %s: %v", dir, err)
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		dir, err := filepath.Rel("../..", filepath.Dir(path))
		if err == nil && !slices.Contains(shown, dir) && !strings.HasPrefix(dir, "bench/compare/") {
			t.Errorf("the map does not show %s", dir)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, file := range matches("`([a-z0-9/_]+\\.go)`", topicText(t, "design")) {
		if _, err := os.Stat(filepath.Join("../..", file)); err != nil && file != "doc.go" {
			t.Error(err)
		}
	}
}

func TestWrap_SetsProseForTheTerminal(t *testing.T) {
	text := "# A heading that is longer than the width\n\none two three four\nfive\n- first item of\n  a list\n  - deeper\n10. tenth item here\n\n```\ncode stays as it is, however long\n```\nend\n"
	want := "# A heading that is longer than the width\n\none two three\nfour five\n- first item\n  of a list\n  - deeper\n10. tenth item\n    here\n\n```\ncode stays as it is, however long\n```\nend\n"
	if got := wrap(text, 14); got != want {
		t.Errorf("got\n%s", got)
	}
	for _, name := range topics {
		text := topicText(t, name)
		if words := strings.Fields(wrap(text, 30)); !slices.Equal(words, strings.Fields(text)) {
			t.Errorf("wrapping %s changes its words", name)
		}
		if strings.ReplaceAll(wrap(text, 1<<20), "\n", "") == "" {
			t.Error("nothing is left")
		}
	}
}
