package main

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The path behind a URL is the one that net/url makes the URL of.
func TestLocalPath_IsWhatTheURLMeans(t *testing.T) {
	for _, path := range []string{"/", "/a", "/a b", "/c#lake", "/c?d", "/100%", "/100%25", "/a%20b", "/ü/日本", "/a//b/", "/a;b&c=d+e", "/[x]*", `/a"b`} {
		for _, host := range []string{"", "localhost", "LOCALHOST"} {
			u := url.URL{Scheme: "file", Host: host, Path: path}
			for _, text := range []string{u.String(), strings.Replace(u.String(), "file:", "File:", 1)} {
				if got, err := localPath(text); err != nil || got != path {
					t.Errorf("%s: %q, %v; want %q", text, got, err, path)
				}
			}
		}
		if got, err := localPath("file:" + (&url.URL{Path: path}).EscapedPath()); err != nil || got != path {
			t.Errorf("file: and %q: %q, %v", path, got, err)
		}
		if got, err := localPath(path); err != nil || got != path {
			t.Errorf("the plain path %q: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"lake", "./file://x", "a#b?c%zz", "-", "x:y", "./s3://b", "https", "a b://c", "1s3://x"} {
		if got, err := localPath(path); err != nil || got != path {
			t.Errorf("the plain path %q: %q, %v", path, got, err)
		}
	}
	for _, text := range badURLs {
		if got, err := localPath(text); err == nil || got != "" || len(text) > len("file://") && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// badURLs name no path, or not clearly.
var badURLs = []string{"file:///tmp/c#lake", "file:///tmp/c?lake", "file:///c#", "file:///c?", "file://host/c", "file://c", "file://", "file:", "file:lake",
	"file://u:p@localhost/c", "file://localhost:80/c", "file:///a%zz", "file:///a%", "file:///a%00b", "file:///a\nb", "s3://bucket/prefix", "S3://b", "https://x/y", "a.b+c-d://x"}

// takesPath goes by what help shows as the value.
func takesPath(f *kong.Flag) bool { return slices.Contains([]string{"OUT", "FILE"}, f.PlaceHolder) }

// Whatever takes a path takes file URLs, and refuses those that it would have to cut.
func TestPaths_AreRefusedByNameWhereTheyAreNotClear(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(tokenEnv, "some-secret-token")
	required := map[string][]string{
		"export": {"--project=" + project, "--start=2024-01-01", "--stop=2024-02-01", "--base-url=http://127.0.0.1:1"},
		"plan":   {"--project=" + project, "--start=2024-01-01", "--stop=2024-02-01", "--base-url=http://127.0.0.1:1"},
	}
	n := 0
	for command, flags := range commands(t) {
		words := strings.Fields(command)
		leaf := readLine(model(), words).command
		if leaf.Hidden {
			continue
		}
		rest := required[command]
		for _, f := range flags {
			if f.Required && !takesPath(f) && required[command] == nil {
				rest = append(rest, "--"+f.Name+"="+valueFor(f))
			}
		}
		refused := func(what string, args ...string) {
			n++
			code, stdout, stderr := call(t, args...)
			want := exitUsage
			if what == "--token-file" {
				want = exitAuth
			}
			if code != want || !strings.Contains(stderr, what) || !strings.Contains(stderr, "file://") {
				t.Errorf("%q: exit %d, says %s%s", args, code, stdout, stderr)
			}
		}
		for _, bad := range []string{"file://" + dir + "/c#lake", "file://" + dir + "/c?lake", "nowhere://bucket/prefix"} {
			for _, f := range flags {
				if !takesPath(f) || f.Name == "token-file" && command != "credits" && command != "export" { // the others do not read it
					continue
				}
				args := slices.Concat(words, rest)
				for range leaf.Positional {
					args = append(args, os.Args[0]) // some file
				}
				if f.Name != "out" && slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == "out" }) {
					args = append(args, "--out=out")
				}
				refused("--"+f.Name, append(args, "--"+f.Name+"="+bad)...)
			}
			for _, arg := range leaf.Positional {
				if arg.Name == "path" || arg.Name == "out" {
					args := slices.Concat(words, rest, []string{bad})
					if slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == "out" }) {
						args = append(args, "--out=out")
					}
					refused(bad, args...)
				}
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 || n < 60 {
		t.Errorf("%d calls left behind %v, %v", n, left, err)
	}
}

// A directory with every awkward character is written, verified and printed by its URL.
func TestPaths_AreTheOnesThatAreMeant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c#lake?100%25 ü")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return (&url.URL{Scheme: "file", Path: filepath.Join(dir, name)}).String() }
	document := `{"url":"https://example.org/<1>"}`
	chunk := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + document + `}}}` + "\n" +
		`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "in?.ndjson"), []byte(chunk), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := call(t, "convert", at("in?.ndjson"), "--out", at("out"), "--result-file", at("result.json")); code != exitOK {
		t.Fatalf("exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := call(t, "verify", at("out")); code != exitOK {
		t.Errorf("verify: exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := call(t, "cat", at("out")); code != exitOK || stdout != document+"\n" {
		t.Errorf("cat: exit %d, %s%s", code, stdout, stderr)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("%q, %v; want the input, the output and the result", left, err)
	}
}
