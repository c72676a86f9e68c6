package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source/emulator"
)

// exampleProject is the project of the examples, and exampleRun the run that an export of its January is, at the host of an
// emulator. A run's id depends on nothing else.
const (
	exampleProject = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	exampleRun     = "iojrxdnb4thruqdc6oehhqev7k"
)

// world is what the examples speak of: an account with a project, a stream and a collector, a lake, recordings, buckets.
type world struct {
	*account
	template string // a home directory: each example has a copy of its own
	lake     string
	bucket   string            // the address of an S3 server
	standIns map[string]string // what an example cannot know
	tools    string            // for PATH
}

func newWorld(t *testing.T) *world {
	a := serve(t, emulator.Config{
		Seed: 1, DocumentsPerDay: 6, ControlEvery: 10, NoRateLimits: true,
		Projects: []emulator.Project{{ID: exampleProject, Name: "Example", Topics: []emulator.Topic{
			{ID: "abcd1234_5efgh6ijkl7mn", Title: "Coffee", Share: 0.6}, {ID: "bcde2345_6fghi7jklm8no", Title: "Tea", Share: 0.6},
		}}},
		Streams: []emulator.Stream{{ID: "my-stream", Rules: []emulator.StreamRule{{ID: "rule", Query: "coffee"}}}},
	})
	w := &world{account: a, template: t.TempDir()}
	w.lake = filepath.Join(w.template, "lake")

	first := a.export(0, w.lake).result.Windows[0]
	if first.Run != exampleRun {
		t.Errorf("the examples name the run %s; it is %s", exampleRun, first.Run)
	}
	a.run(0, "collectors", "create", "my-collector")
	recent := time.Now().UTC().AddDate(0, 0, -5).Format(time.DateOnly)
	w.standIns = map[string]string{
		"3f2a0000-bbbb-cccc-dddd-eeeeeeeeeeee": first.TaskID, "00000000-0000-0000-0000-000000000000": first.TaskID,
		"sqlite:////srv/catalog.db": "sqlite:///catalog.db", "TOKEN=…": "TOKEN=" + a.Token(), "--start 2024-01-01 --stop now": "--start " + recent + " --stop now",
	}
	w.record(t)
	w.serveBuckets(t)
	w.shims(t)
	return w
}

// record leaves recordings in the forms that the examples name.
func (w *world) record(t *testing.T) {
	t.Helper()
	text := []byte(w.run(0, "cat", "--chunks", "--limit=40", w.lake).stdout)
	broken := filepath.Join(t.TempDir(), "broken.ndjson") // the lake holds a reject, which one of the examples counts
	if err := os.WriteFile(broken, append([]byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":"none"}}`+"\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(0, "convert", broken, "--out", w.lake, "--max-rejects=-1")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(text)
	if err == nil {
		err = z.Close()
	}
	encoder, zerr := zstd.NewWriter(nil)
	if err != nil || zerr != nil {
		t.Fatal(err, zerr)
	}
	squeezed := encoder.EncodeAll(text, nil)
	for name, content := range map[string][]byte{
		"recording.ndjson": text, "recording.ndjson.gz": packed.Bytes(), "recording.ndjson.zst": squeezed, "archive/2024-01.ndjson.zst": squeezed,
		"rec.aa": text[:len(text)/2], "rec.ab": text[len(text)/2:], "faults.json": []byte(`{"rules":[]}`),
		"dags/empty": nil, ".zfunc/empty": nil, ".config/fish/completions/empty": nil,
	} {
		name = filepath.Join(w.template, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serveBuckets plays S3, with the same export and the same recording.
func (w *world) serveBuckets(t *testing.T) {
	t.Helper()
	buckets := map[string]http.Handler{"bucket": storetest.NewS3("bucket"), "raw": storetest.NewS3("raw")}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if h := buckets[name]; h != nil {
			h.ServeHTTP(rw, r)
			return
		}
		http.NotFound(rw, r)
	}))
	t.Cleanup(server.Close)
	w.bucket = server.URL
	w.env = w.environment()
	w.export(0, "s3://bucket/lake")
	recording, err := os.Open(filepath.Join(w.template, "recording.ndjson.zst"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/raw/2024-01.ndjson.zst", recording)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}

// environment is that of the examples.
func (w *world) environment() []string {
	return []string{
		"PATH=" + w.tools + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"TALKWALKER_ACCESS_TOKEN=" + w.Token(), "TALKWALKER_BASE_URL=" + w.url, "TW2PARQUET_WAIT_SCALE=0.001",
		"AWS_ENDPOINT_URL=" + w.bucket, "AWS_ACCESS_KEY_ID=someone", "AWS_SECRET_ACCESS_KEY=something", "AWS_REGION=eu-central-1",
	}
}

// shims are the programs that the examples start. What asks a person is told yes; what runs until it is stopped is stopped
// once it has said its first line.
func (w *world) shims(t *testing.T) {
	t.Helper()
	w.tools = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"tw2parquet": fmt.Sprintf(`#!/bin/bash
case "$1 $2 $*" in
drop*--dry-run*) ;;
drop*|"tasks abort"*|"collectors delete"*) set -- "$@" --yes ;;
emulate*|read*--follow*)
	coproc %[1]q "$@" --log-level debug 2>&1
	pid=$COPROC_PID; exec 3<&"${COPROC[0]}" # bash forgets both when it has ended
	read -r line <&3 && kill -TERM "$pid" && cat <&3
	wait "$pid"
	code=$?
	[ $code = 0 ] || [ $code = 143 ]
	exit ;;
esac
exec %[1]q "$@"
`, binary),
		"duckdb": fmt.Sprintf("#!/bin/sh\n%s=1 exec %q \"$@\"\n", duckShell, self),
	} {
		if err := os.WriteFile(filepath.Join(w.tools, name), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
}

// copied is a home of an example's own.
func (w *world) copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	if said, err := exec.CommandContext(t.Context(), "cp", "-a", w.template, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return dir
}

// duckShell makes this very binary what `duckdb [FILE]` is to the examples.
const duckShell = "E2E_DUCKDB"

func runDuckShell() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := duck.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if len(os.Args) > 1 {
		if err := db.Exec(ctx, "ATTACH "+duck.Quote(os.Args[1])+" AS file; USE file"); err != nil {
			return err
		}
	}
	return db.Exec(ctx, string(text))
}
