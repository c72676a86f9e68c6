package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// markup is what HTML escaping would change, in a name, a key or a text.
const markup = `<b>&lt;"x" & 'y'</b>`

// escapes finds what only that escaping writes.
var escapes = regexp.MustCompile(`\\u00(3c|3e|26)`)

// No command escapes JSON for HTML, in what it prints or in a file that people read.
func TestJSON_IsNotEscapedForHTML(t *testing.T) {
	name, err := json.Marshal(markup) // its escapes are the server's
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := map[string]string{
			"/api/v1/status/credits":           `"result_creditinfo":{"used_credits_monthly":1,"note":%s}`,
			"/api/v1/search/info":              `"result_accinfo":{"projects":[{"id":"p","name":%s}]}`,
			"/api/v2/talkwalker/p/p/resources": `"result_resources":{"projects":[{"id":"p","topics":[{"id":"g","title":%[1]s,"nodes":[{"id":"t","title":%[1]s}]}]}]}`,
			"/api/v3/stream/info":              `"result_stream":{"collectors":[{"collector_id":"c","state":"PAUSED","note":%s}],"streams":[]}`,
			"/api/v3/tasks/export":             `"result_tasks":{"tasks":[{"id":"t","status":"finished","note":%s}]}`,
		}[r.URL.Path]
		if part == "" {
			t.Errorf("unexpected call %s", r.URL.Path)
		}
		plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(name))
		fmt.Fprintf(w, `{"status_code":"0",`+part+`}`, plain)
	}))
	defer api.Close()
	t.Setenv(tokenEnv, "some-secret-token")
	dir := t.TempDir()
	recording := filepath.Join(dir, markup[:3]+"&.ndjson")
	chunk := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/?a=<1>&b","<member>&":1,"reach":"<many>"}}}}` + "\n" +
		`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"<broken>&}` + "\n" +
		`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n"
	if err := os.WriteFile(recording, []byte(chunk), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out<&>")
	for _, tt := range []struct {
		args []string
		code int
		want string // in what is printed; "" = markup
	}{
		{[]string{"schema", "--format", "json"}, exitOK, "list<"},
		{[]string{"version", "--output", "json"}, exitOK, "platform"},
		{[]string{"credits", "--output", "json"}, exitOK, ""},
		{[]string{"projects", "--output", "json"}, exitOK, ""},
		{[]string{"topics", "--project", "p", "--output", "json"}, exitOK, ""},
		{[]string{"tasks", "list", "--output", "json"}, exitOK, ""},
		{[]string{"collectors", "list", "--output", "json"}, exitOK, ""},
		{[]string{"convert", recording, "--out", out, "--max-rejects", "5", "--result-file", filepath.Join(dir, "result.json")}, exitOK, "<member>&"},
		{[]string{"convert", recording, "--out", filepath.Join(dir, "<none>", "out")}, exitStorage, "<none>"},
		{[]string{"export", "--log-format=json", "--split=<x>&"}, exitUsage, "<x>&"},
		{[]string{"verify", out, "--output", "json"}, exitOK, "out<&>"},
		{[]string{"cat", out, "--columns", "url,_key,_extra"}, exitOK, "<member>&"},
		{[]string{"cat", out, "--chunks"}, exitOK, "<1>&b"},
	} {
		code, stdout, stderr := call(t, calling(api.URL, tt.args...)...)
		if tt.want == "" {
			tt.want = `<b>&lt;\"x\" & 'y'</b>`
		}
		if code != tt.code || !strings.Contains(stdout, tt.want) || escapes.MatchString(stdout+stderr) {
			t.Errorf("%q: exit %d, printed %s%s", tt.args, code, stdout, stderr)
		}
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if at := escapes.FindIndex(text); at != nil {
			t.Errorf("%s: %q", path, text[max(0, at[0]-40):min(len(text), at[1]+40)])
		}
		return nil
	})
	if err != nil || files < 6 {
		t.Errorf("%d files, %v", files, err)
	}
}

// A hint names what is known. It never leaves a gap to fill in.
func TestHints_ShowNoPlaceholders(t *testing.T) {
	dir := t.TempDir()
	recording := filepath.Join(dir, "in.ndjson")
	chunk := `{"chunk_type":"CT_RESULT","chunk_result":` + "\n" + `{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n"
	if err := os.WriteFile(recording, []byte(chunk), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := call(t, "convert", recording, "--out", filepath.Join(dir, "out"))
	r := lastLine(t, stdout)
	if code != exitData || r.Error == nil || len(r.Windows) != 1 {
		t.Fatalf("exit %d, %s%s", code, stdout, stderr)
	}
	where := filepath.Join("_tw2parquet", r.Windows[0].Run)
	if !strings.Contains(r.Error.Hint, where) || !strings.Contains(r.Error.Message, "1 document was") {
		t.Errorf("%s (%s), want %s", r.Error.Message, r.Error.Hint, where)
	}
	if _, err := os.Stat(filepath.Join(r.Out, where)); err != nil {
		t.Error(err)
	}
	if code, _, _ := call(t, "convert", recording, "--out", filepath.Join(dir, "out"), "--max-rejects", "1"); code != exitOK { // as the hint says
		t.Errorf("with what the hint says: exit %d", code)
	}
	if _, stdout, _ := call(t, "export", "--no-such"); lastLine(t, stdout).Error.Hint != "see tw2parquet export --help" {
		t.Errorf("the hint of a bad flag: %s", stdout)
	}
	// Every text in the sources that a hint or message is made of.
	gap := regexp.MustCompile("(?m)^[^/]*[\"`][^\"`\n]*<(run|id|path|file|dir|out|window|task|collector|n)>")
	for _, pattern := range []string{"*.go", "../../source/*.go", "../../sink/*.go", "../../sink/*/*.go", "../../pipeline/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if found := gap.Find(text); found != nil && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s: %s", name, found)
			}
		}
	}
}
