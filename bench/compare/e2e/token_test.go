package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tw2parquet/source/emulator"
)

// secret is a token whose spellings in a URL, in base64 and in JSON all differ from it.
const secret = "Tk9f3Q+x7/Zp0=wE5uR8~aL2&mN4bV6cX1%sG7"

// piece is the shortest part of a secret that may not be seen.
const piece = 12

// detector finds pieces of a secret. It shares nothing with the code under test.
type detector map[string]string

func newDetector(secret string) detector {
	d := detector{}
	add := func(name, form string) {
		for i := 0; i+piece <= len(form); i++ {
			d[form[i:i+piece]] = name
		}
	}
	add("plain", secret)
	add("URL query", url.QueryEscape(secret))
	add("URL path", url.PathEscape(secret))
	add("hexadecimal", hex.EncodeToString([]byte(secret)))
	add("JSON", strings.Trim(inJSON(secret), `"`)) // with \u0026 for the ampersand
	for shift := range 3 {                         // what base64 makes of it depends on what stands before it
		inside := strings.Repeat("x", shift) + secret
		add("base64", base64.StdEncoding.EncodeToString([]byte(inside))[4*min(shift, 1):])
		add("base64 for URLs", base64.URLEncoding.EncodeToString([]byte(inside))[4*min(shift, 1):])
	}
	return d
}

// find returns what was found, or "".
func (d detector) find(text []byte) string {
	for i := 0; i+piece <= len(text); i++ {
		if name, ok := d[string(text[i:i+piece])]; ok {
			return fmt.Sprintf("%s form: …%q…", name, text[max(0, i-40):min(len(text), i+60)])
		}
	}
	return ""
}

// spy is an account with the secret as its token, and a place in which a run leaves everything it
// writes: output, result file, temporary files, working and home directory.
type spy struct {
	*account
	d   detector
	dir string
}

func newSpy(t *testing.T, cfg emulator.Config) *spy {
	t.Helper()
	cfg.Token, cfg.DocumentsPerDay, cfg.ControlEvery, cfg.NoRateLimits = secret, 3, 10, true
	s := &spy{account: serve(t, cfg), d: newDetector(secret), dir: t.TempDir()}
	for _, name := range []string{"tmp", "home", "cwd"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.env = []string{"TMPDIR=" + filepath.Join(s.dir, "tmp"), "HOME=" + filepath.Join(s.dir, "home"), "TW2PARQUET_WAIT_SCALE=0.0005",
		// What these print comes from inside the runtime and net/http, and cannot be scrubbed.
		"GODEBUG=http2debug=2", "GOTRACEBACK=all"}
	return s
}

// spiedExport are the flags of an export that says as much as it can. Uncompressed pages leave their
// bytes to be searched.
func (s *spy) spiedExport() []string {
	return []string{"export", "--project", s.Projects()[0], "--start", "2024-01-01", "--stop", "2024-02-01", "--out", filepath.Join(s.dir, "lake"),
		"--compression", "none", "--log-level", "debug", "--result-file", filepath.Join(s.dir, "result.json")}
}

func (s *spy) prepare(ctx context.Context, args ...string) *exec.Cmd {
	cmd := s.command(ctx, args...)
	cmd.Dir = filepath.Join(s.dir, "cwd")
	return cmd
}

// spied runs the binary, searches everything that left the process, and returns the exit code.
func (s *spy) spied(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := s.prepare(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	s.search(out.Bytes(), errs.Bytes())
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// search looks for the secret in what was printed and in every file.
func (s *spy) search(printed ...[]byte) {
	s.t.Helper()
	for _, text := range printed {
		if found := s.d.find(text); found != "" {
			s.t.Errorf("printed in %s", found)
		}
	}
	err := filepath.WalkDir(s.dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if found := s.d.find([]byte(name)); found != "" {
			s.t.Errorf("a file's name, in %s", found)
		}
		if strings.HasPrefix(entry.Name(), "core") {
			s.t.Errorf("a core file %s", name)
		}
		if entry.IsDir() || strings.HasPrefix(entry.Name(), "token") { // the token file itself
			return nil
		}
		content, err := os.ReadFile(name)
		if found := s.d.find(content); found != "" {
			s.t.Errorf("%s holds it in %s", name, found)
		}
		if bytes.Contains(bytes.ReplaceAll(content, []byte("access_token=***"), nil), []byte("access_token")) {
			s.t.Errorf("%s holds an API address with its query", name)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// documented are the exit codes a run may end with.
var documented = map[int]bool{0: true, 10: true, 11: true, 12: true, 20: true, 21: true, 30: true, 40: true, 42: true, 43: true, 44: true, 60: true}

// echo is the secret as a careless server would repeat it.
func echo() string {
	return strings.Join([]string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), secret[5 : 5+piece],
		"GET /api/v3/x?access_token=" + url.QueryEscape(secret) + "&a=b", hex.EncodeToString([]byte(secret))}, " ")
}

// rule is a fault of every call of an endpoint.
func rule(endpoint string, fault map[string]any) string {
	all := map[string]any{"endpoint": endpoint}
	for key, value := range fault {
		all[key] = value
	}
	return inJSON(all)
}

func inJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestToken_ServerRepeatsIt lets every call of an export fail in every way, each with the token in
// whatever the server can put it.
func TestToken_ServerRepeatsIt(t *testing.T) {
	text, quoted := echo(), inJSON(echo())
	header := map[string]string{"X-Echo": secret, "Location": "http://127.0.0.1:1/?access_token=" + url.QueryEscape(secret), "Set-Cookie": "t=" + secret}
	respond := func(status int, body string) map[string]any {
		return map[string]any{"respond": map[string]any{"http": status, "body": body, "header": header}}
	}
	envelope := func(code string) string {
		return strings.NewReplacer("CODE", code, "ECHO", quoted).Replace(`{"status_code":CODE,"status_message":ECHO,"request":ECHO,"request_id":ECHO,` +
			`"details":ECHO,"params":[ECHO],"reason":{"x":ECHO},"result_error":{"data":[{"key":ECHO,"value":[ECHO]}]},` +
			`"result_tasks":{"tasks":[{"id":ECHO,"type":ECHO,"target":ECHO,"status":ECHO,"messages":[ECHO]}]},` +
			`"result_stream":{"collectors":[{"collector_id":ECHO,"state":ECHO}]}}`)
	}
	faults := map[string]map[string]any{
		"page":               respond(502, "<html>"+text+"</html>"),
		"page with 200":      respond(200, "<html>"+text+"</html>"),
		"page with 404":      respond(404, "<html>"+text+"</html>"),
		"bare 429":           respond(429, text),
		"code 5":             respond(400, envelope(`"5"`)),
		"code 7":             respond(401, envelope("7")),
		"code 1":             respond(500, envelope(`"1"`)),
		"code 777":           respond(400, envelope("777")),
		"success and error":  respond(500, envelope(`"0"`)),
		"no code":            respond(200, envelope("null")),
		"wrong answer":       respond(200, envelope(`"0"`)),
		"half an answer":     respond(200, envelope(`"0"`)[:200]),
		"redirect":           {"redirect": map[string]any{"http": 307, "to": "http://127.0.0.1:1/?access_token=" + url.QueryEscape(secret)}},
		"bad location":       {"redirect": map[string]any{"http": 302, "to": "http://[::1]:name/?access_token=" + url.QueryEscape(secret) + "\x7f"}},
		"garbage":            {"garbage": "\x00 " + text + "\r\n\r\n"},
		"bad header":         {"garbage": "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n"},
		"bad status":         {"garbage": "HTTP/1.1 " + secret + "\r\n\r\n"},
		"bad length":         {"garbage": "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n"},
		"bad coding":         {"garbage": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret + "\r\n\r\n"},
		"unknown encoding":   {"respond": map[string]any{"http": 200, "body": text, "header": map[string]string{"Content-Encoding": secret}}},
		"no gzip":            {"gzip": "wrong"},
		"connection dropped": {"drop": "after"},
	}
	endpoints := []string{"collector_get", "collector_put", "tasks", "export", "task", "results"}
	for i, endpoint := range endpoints {
		for j, name := range slices.Sorted(maps.Keys(faults)) {
			if testing.Short() && j%len(endpoints) != i {
				continue // each of them once
			}
			fault := faults[name]
			t.Run(endpoint+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newSpy(t, emulator.Config{})
				s.script(rule(endpoint, fault))
				code, out, errs := s.spied(append(s.spiedExport(), "--log-format", []string{"json", "text"}[len(name)%2])...)
				if !documented[code] {
					t.Errorf("exit %d\n%s\n%s", code, out, errs)
				}
			})
		}
	}
}

// TestToken_InTheStream puts the token where results are expected.
func TestToken_InTheStream(t *testing.T) {
	quoted := inJSON(echo())
	lines := func(lines ...string) map[string]any {
		return map[string]any{"inject": map[string]any{"at": 5, "lines": lines}}
	}
	for name, tt := range map[string]struct {
		code  int
		fault map[string]any
	}{
		"page":                {60, lines("<html>" + echo() + "</html>")},
		"object without type": {60, lines(`{"error":` + quoted + `}`)},
		"broken object":       {60, lines(`{"chunk_type":"CT_RESULT","request":` + quoted)},
		"unknown chunk":       {0, lines(`{"chunk_type":` + quoted + `,"x":` + quoted + `}`)},
		"envelope":            {12, lines(`{"status_code":"5","status_message":` + quoted + `,"request":` + quoted + `}`)},
		"error chunk":         {21, lines(`{"chunk_type":"CT_ERROR","chunk_error":{"message":` + quoted + `,"request":` + quoted + `}}`)},
		"error chunk, code":   {11, lines(`{"chunk_type":"CT_ERROR","chunk_error":{"code":9,"message":` + quoted + `}}`)},
		"error chunk, text":   {21, lines(`{"chunk_type":"CT_ERROR","error":` + quoted + `}`)},
		"error chunk, broken": {60, lines(`{"chunk_type":"CT_ERROR","error":` + quoted + `,,}`)},
		"offset":              {21, map[string]any{"offset": secret}},
		"offset, a piece":     {21, map[string]any{"offset": "Eg" + secret[4:4+piece] + "zz"}},
		"status":              {0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, emulator.Config{})
			s.script(rule("results", tt.fault))
			if tt.fault == nil {
				s.script(rule("export", map[string]any{"task": map[string]any{"shown": secret, "messages": []string{echo()}}}))
			}
			code, out, errs := s.spied(s.spiedExport()...)
			if code != tt.code {
				t.Errorf("exit %d, want %d\n%s\n%s", code, tt.code, out, errs)
			}
		})
	}
}

// TestToken_GoesNowhereElse redirects every call to another host, which must see nothing at all.
func TestToken_GoesNowhereElse(t *testing.T) {
	var seen atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer other.Close()
	for i, status := range []int{301, 302, 303, 307, 308} {
		for j, endpoint := range []string{"collector_get", "collector_put", "tasks", "export", "results"} {
			if testing.Short() && i != j {
				continue
			}
			t.Run(fmt.Sprint(endpoint, status), func(t *testing.T) {
				s := newSpy(t, emulator.Config{})
				s.script(rule(endpoint, map[string]any{"redirect": map[string]any{"http": status, "to": other.URL + "/?access_token=" + url.QueryEscape(secret)}}))
				code, _, errs := s.spied(s.spiedExport()...)
				want := 20
				if endpoint == "export" { // whether it was bought cannot be told from a redirect
					want = 44
				}
				if code != want || !strings.Contains(errs, fmt.Sprint("HTTP ", status)) || strings.Contains(errs, other.URL) {
					t.Errorf("exit %d, want %d\n%s", code, want, errs)
				}
				if posts := s.Ledger().ExportPosts(); posts > 2 {
					t.Errorf("%d posts", posts)
				}
			})
		}
	}
	if n := seen.Load(); n != 0 {
		t.Errorf("the other host saw %d requests", n)
	}
}

// TestToken_Commands runs the other commands against a server that repeats the token, and one that
// works.
func TestToken_Commands(t *testing.T) {
	for name, broken := range map[string]bool{"works": false, "broken": true} {
		t.Run(name, func(t *testing.T) {
			s := newSpy(t, emulator.Config{})
			if broken {
				s.script(rule("*", map[string]any{"respond": map[string]any{"code": 5, "message": echo()}}))
			}
			for i, args := range [][]string{
				{"credits"}, {"projects"}, {"topics", "--project", s.Projects()[0]}, {"tasks", "list"}, {"tasks", "get", "x"}, {"tasks", "abort", "x", "--yes"},
				{"collectors", "list"}, {"collectors", "get", "c"}, {"collectors", "create", "c"}, {"collectors", "pause", "c"},
				{"collectors", "resume", "c"}, {"collectors", "delete", "c", "--yes"}, {"version"}, {"schema"}, {"export", "--help"},
			} {
				for j, format := range []string{"text", "json"} {
					if testing.Short() && i%2 != j {
						continue
					}
					call := append(args[:len(args):len(args)], "--log-format", format)
					if args[0] != "version" { // which has nothing to log
						call = append(call, "--log-level", "debug")
					}
					s.spied(call...)
				}
			}
		})
	}
}

// TestToken_InAWrongPlace gives the token where something else belongs. The binary knows it from the
// environment, and must not repeat it.
func TestToken_InAWrongPlace(t *testing.T) {
	s := newSpy(t, emulator.Config{})
	usual := s.spiedExport()
	for i, args := range [][]string{
		{"--token", secret}, {"--token=" + secret}, {"--access-token=" + secret}, {secret}, {"--start", secret}, {"--start=" + secret},
		{"--split", secret}, {"--limit", secret}, {"--file-size", secret}, {"--compression", secret}, {"--log-level", secret},
		{"--project", secret}, {"--stream", secret}, {"--topic", secret}, {"--" + secret}, {"-" + secret}, {"--idle-timeout", secret},
		{"--base-url", secret}, {"--base-url", "https://127.0.0.1/?access_token=" + url.QueryEscape(secret)},
		{"--base-url", "https://" + url.PathEscape(secret) + "@127.0.0.1"}, {"--base-url", "https://127.0.0.1/%zz" + secret},
		{"--base-url", "http://example.org/" + secret}, {"--token-file", secret}, {"--token-file", "/nonexistent/" + secret},
		{"--result-file", "/nonexistent/" + secret + "/x"}, {"--out", "s3://" + url.QueryEscape(secret)}, {"--memory-limit", secret},
	} {
		for j, format := range []string{"text", "json"} {
			if testing.Short() && i%2 != j {
				continue
			}
			code, out, errs := s.spied(append(append(usual[:len(usual):len(usual)], "--log-format", format), args...)...)
			if code != 2 && code != 10 && code != 12 {
				t.Errorf("%d: exit %d\n%s\n%s", len(args), code, out, errs)
			}
		}
	}
	for _, args := range [][]string{{secret}, {"tasks", "get", secret}, {"collectors", "get", secret}, {"frobnicate", secret}, {"convert", secret, "--out", "x"},
		{"convert", "/nonexistent/" + secret, "--out", "x"}, {"cat", secret}, {"verify", secret}, {"schema", "--format", secret}} {
		if code, out, errs := s.spied(args...); code == 0 {
			t.Errorf("%s\n%s", out, errs)
		}
	}
	if l := s.Ledger(); len(l.Tasks) != 0 || l.Credits() != 0 {
		t.Errorf("%d tasks, %d credits", len(l.Tasks), l.Credits())
	}
	// The token in the place of its file, and nowhere else: nobody can know that it is one.
	s.env = append(s.env, "TALKWALKER_ACCESS_TOKEN=")
	if code, _, _ := s.spied(append(usual, "--token-file", secret)...); code != 10 {
		t.Errorf("exit %d", code)
	}
}

// TestToken_FromAnywhere gives the token in every way, with what surrounds it in practice.
func TestToken_FromAnywhere(t *testing.T) {
	for name, tt := range map[string]struct {
		code int
		env  string
		file []byte // nil: no token file
	}{
		"environment":                  {0, secret, nil},
		"environment, with space":      {0, " \t" + secret + "\r\n", nil},
		"file":                         {0, "", []byte(secret)},
		"file, as editors leave it":    {0, "", []byte(secret + "\n")},
		"file, as Windows leaves it":   {0, "", []byte("\r\n" + secret + " \r\n\r\n")},
		"file, before the environment": {0, "wrong-token-of-nobody", []byte(secret + "\n")},
		"wrong":                        {10, secret + "x", nil},
		"with a newline inside":        {10, secret[:20] + "\n" + secret[20:], nil},
		"with a space inside":          {10, secret + " " + secret, nil},
		"with a control character":     {10, secret[:20] + "\x01" + secret[20:], nil},
		"two lines in a file":          {10, "", []byte(secret + "\n" + secret + "\n")},
		"empty file":                   {10, secret, []byte(" \n")},
		"file without end":             {10, "", bytes.Repeat([]byte(secret), 2000)},
		"nowhere":                      {10, " ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, emulator.Config{})
			args := s.spiedExport()
			s.env = append(s.env, "TALKWALKER_ACCESS_TOKEN="+tt.env)
			if tt.file != nil {
				file := filepath.Join(s.dir, "token")
				if err := os.WriteFile(file, tt.file, 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--token-file", file)
			}
			code, out, errs := s.spied(args...)
			if code != tt.code {
				t.Errorf("exit %d, want %d\n%s\n%s", code, tt.code, out, errs)
			}
			if calls := len(s.Ledger().Requests); code == 10 && name != "wrong" && calls > 0 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}
