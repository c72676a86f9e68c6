package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

func TestExport_Refused(t *testing.T) {
	type tt struct {
		code  int
		name  string // of the error in the result
		env   []string
		flags []string
		cfg   emulator.Config
		calls bool // whether the API may have been called
	}
	broke := small()
	broke.Credits = -1
	for name, tt := range map[string]tt{
		"wrong token":         {code: 10, name: "auth", env: []string{"TALKWALKER_ACCESS_TOKEN=wrong-token-of-nobody"}, calls: true},
		"no token":            {code: 10, name: "auth", env: []string{"TALKWALKER_ACCESS_TOKEN="}},
		"blank token":         {code: 10, name: "auth", env: []string{"TALKWALKER_ACCESS_TOKEN= \n "}},
		"no token file":       {code: 10, name: "auth", flags: []string{"--token-file", "/nonexistent/token"}},
		"read-only token":     {code: 10, name: "auth", env: []string{"TALKWALKER_ACCESS_TOKEN=only-for-reading"}, cfg: emulator.Config{ReadOnlyToken: "only-for-reading"}, calls: true},
		"no credits":          {code: 11, name: "credits", cfg: broke, calls: true},
		"over the budget":     {code: 11, name: "credits", flags: []string{"--max-credits", "999", "--limit", "1000"}, calls: true},
		"unknown project":     {code: 10, name: "auth", flags: []string{"--project", "99999999-0000-0000-0000-000000000000"}, calls: true},
		"unknown stream":      {code: 12, name: "rejected", flags: []string{"--stream", "nobodys-stream"}, calls: true},
		"broken query":        {code: 12, name: "rejected", flags: []string{"--query", "cats AND"}, calls: true},
		"no source":           {code: 2, name: "usage", flags: []string{"--project", ""}},
		"two sources":         {code: 2, name: "usage", flags: []string{"--project", "p", "--stream", "s"}},
		"topic of no project": {code: 2, name: "usage", flags: []string{"--query", "q", "--topic", "t"}},
		"unknown flag":        {code: 2, name: "usage", flags: []string{"--frobnicate"}},
		"stop before start":   {code: 2, name: "usage", flags: []string{"--start", "2024-02-01", "--stop", "2024-01-01"}},
		"empty start":         {code: 2, name: "usage", flags: []string{"--start", ""}},
		"None as stop":        {code: 2, name: "usage", flags: []string{"--stop", "None"}},
		"relative stop":       {code: 2, name: "usage", flags: []string{"--stop", "yesterday"}},
		"stop in the future":  {code: 2, name: "usage", flags: []string{"--stop", "2999-01-01"}},
		"seconds as epoch":    {code: 2, name: "usage", flags: []string{"--start", "1704067200"}},
		"limit too high":      {code: 2, name: "usage", flags: []string{"--limit", "1000001"}},
		"limit 0":             {code: 2, name: "usage", flags: []string{"--limit", "0"}},
		"generation 0":        {code: 2, name: "usage", flags: []string{"--generation", "0"}},
		"parallel 0":          {code: 2, name: "usage", flags: []string{"--parallel", "0"}},
		"bad split":           {code: 2, name: "usage", flags: []string{"--split", "decade"}},
		"bad compression":     {code: 2, name: "usage", flags: []string{"--compression", "zip"}},
		"bad size":            {code: 2, name: "usage", flags: []string{"--file-size", "huge"}},
		"result file nowhere": {code: 2, name: "usage", flags: []string{"--result-file", "/nonexistent/result.json"}},
		"http elsewhere":      {code: 2, name: "usage", flags: []string{"--base-url", "http://example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tt.cfg
			cfg.DocumentsPerDay = 20
			a := serve(t, cfg)
			a.env = tt.env
			out := a.output()
			e := a.export(tt.code, out, tt.flags...)
			if e.result.Error == nil || e.result.Error.Code != tt.name && !strings.HasPrefix(e.result.Error.Code, tt.name) || e.result.Error.Message == "" {
				t.Errorf("the result is %s", e)
			}
			if e.result.Status != "failed" || e.result.Rows != 0 {
				t.Errorf("status %s with %d rows", e.result.Status, e.result.Rows)
			}
			l := a.Ledger()
			if !tt.calls && len(l.Requests) > 0 {
				t.Errorf("%d calls, the first %s %s", len(l.Requests), l.Requests[0].Method, l.Requests[0].Path)
			}
			if l.Credits() != 0 {
				t.Errorf("%d credits were charged", l.Credits())
			}
			if files, _ := filepath.Glob(filepath.Join(out, "*", "*.parquet")); len(files) > 0 {
				t.Errorf("files were left: %v", files)
			}
			if tt.code == 2 {
				if _, err := os.Stat(out); err == nil {
					t.Error("something was written")
				}
			}
		})
	}
}

func TestResultFile_IsTheResultLine(t *testing.T) {
	a := serve(t, small())
	for _, code := range []int{0, 11} {
		file := filepath.Join(t.TempDir(), "return.json")
		flags := []string{"--split", "none", "--result-file", file}
		if code == 11 {
			flags = append(flags, "--max-credits", "0", "--generation", "2")
		}
		e := a.export(code, a.output(), flags...)
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.stdout, string(got)) {
			t.Errorf("the file holds %s\nthe last line is %s", got, e.stdout)
		}
	}
}
