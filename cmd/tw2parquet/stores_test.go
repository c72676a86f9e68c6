package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source/emulator"
)

// TestStores_ExportsAreTheSame runs an export in all its ways into a bucket, and holds it to the same one on a disk and
// to the account's ledger.
func TestStores_ExportsAreTheSame(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 6, ControlEvery: 10})
	b := newBucket(t)
	disk := x.out
	x.out = b.url("some/lake") + "?region=nowhere"

	code, r, stderr := x.export(t.Context(), "--dry-run")
	if code != exitOK || r.Status != "planned" || len(b.Files()) != 0 || len(x.Ledger().Changing()) != 0 {
		t.Fatalf("a plan: exit %d, %+v, wrote %v\n%s", code, r, b.Files(), stderr)
	}
	if query := *b.query.Load(); query != "region=nowhere" {
		t.Errorf("the store was opened with %q", query)
	}

	// February's reader is taken over: exit 30, and what came before is kept.
	x.script(`{"endpoint":"results","match":"%1","error":{"at":155,"code":24}}`)
	if code, r, stderr = x.export(t.Context(), "--file-rows=50", "--row-group-size=64KiB"); code != exitLocked || len(r.Windows) != 3 || r.Windows[0].Error != nil || r.Windows[1].Rows == 0 || r.Windows[2].Error.Code != codeStopped {
		t.Fatalf("cut short: exit %d, %+v\n%s", code, r, stderr)
	}
	x.SetFaults(nil)
	opens := b.opens.Load()
	code, r, stderr = x.export(t.Context(), "--file-rows=50", "--row-group-size=64KiB", "--parallel=3")
	if code != exitOK || r.Out != b.url("some/lake") || len(r.Windows) != 3 || r.Credits != x.Ledger().Credits() || x.Ledger().ExportPosts() != 3 {
		t.Fatalf("continued: exit %d, %d posts, %+v\n%s", code, x.Ledger().ExportPosts(), r, stderr)
	}
	if n := b.opens.Load() - opens; n != 1 {
		t.Errorf("three windows opened %d stores", n)
	}
	if n := b.windows.Load(); n != 3 {
		t.Errorf("the store was opened for %d windows at a time", n)
	}
	for name := range b.Files() {
		if !strings.HasPrefix(name, "some/lake/") {
			t.Errorf("%s lies outside of the prefix", name)
		}
	}

	calls := len(x.Ledger().Requests)
	if code, again, stderr := x.export(t.Context()); code != exitOK || again.Rows != r.Rows || len(x.Ledger().Requests) != calls {
		t.Errorf("complete: exit %d, %d calls, %+v\n%s", code, len(x.Ledger().Requests)-calls, again, stderr)
	}
	if code, _, stderr := x.export(t.Context(), "--dry-run", "--limit=700"); code != exitOK || strings.Count(stderr, "what=covered") != 3 {
		t.Errorf("another limit: exit %d\n%s", code, stderr)
	}
	if code, r, _ := x.export(t.Context(), "--max-credits=0"); code != exitOK {
		t.Errorf("the price of what is there: exit %d, %+v", code, r.Error)
	}

	lost := strings.TrimPrefix(r.Windows[2].Files[1], "/")
	h, err := b.Hold(t.Context(), "")
	if err = errors.Join(err, h.Remove(t.Context(), "some/lake/"+lost)); err != nil {
		t.Fatal(err)
	}
	if code, r, _ := x.export(t.Context()); code != exitForeign || !strings.Contains(r.Error.Hint, "--refetch") {
		t.Errorf("a lost file: exit %d, %+v", code, r.Error)
	}
	if code, r, stderr := x.export(t.Context(), "--file-rows=50", "--row-group-size=64KiB", "--refetch"); code != exitOK || x.Ledger().ExportPosts() != 3 {
		t.Errorf("refetch: exit %d, %+v\n%s", code, r, stderr)
	}

	bucketed := b.url("some/lake")
	x.out = disk
	if code, local, stderr := x.export(t.Context()); code != exitOK || local.Rows != r.Rows {
		t.Fatalf("on a disk: exit %d\n%s", code, stderr)
	}
	if !slices.Equal(documentsIn(t, bucketed), documentsIn(t, disk)) {
		t.Error("the bucket holds other documents than the disk")
	}
	var report dataset.Report
	code, stdout, stderr := call(t, "verify", bucketed+"/?region=x", "--output=json")
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitOK || !report.OK || report.Rows != r.Rows || len(report.Runs) != 3 {
		t.Errorf("verify: exit %d, %v, %+v\n%s", code, err, report, stderr)
	}
	one := b.url("some/lake/" + r.Windows[0].Files[0])
	if code, stdout, stderr := call(t, "cat", one, "--columns=_ordinal"); code != exitOK || int64(strings.Count(stdout, "\n")) >= r.Windows[0].Rows {
		t.Errorf("cat of one object: exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := call(t, "cat", b.url("some/lake/window_start=2024-01-01/"), "--limit=5"); code != exitOK || strings.Count(stdout, "\n") != 5 {
		t.Errorf("cat of a directory: exit %d", code)
	}
}

// TestStores_RefuseBadURLsBeforeAnything tries what is not a place on any store, with every command.
func TestStores_RefuseBadURLsBeforeAnything(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	t.Chdir(t.TempDir())
	commands := map[string][]string{
		"--out":  {"export", "--project=" + project, "--start=2024-01-01", "--stop=2024-02-01", "--base-url=http://127.0.0.1:1"},
		"--out ": {"convert", "-"}, "--out  ": {"demo"}, "--out   ": {"check"}, "": {"verify"}, " ": {"cat"},
	}
	for bad, says := range map[string]string{
		"mem://":                     "no bucket",
		"mem:///lake":                "no bucket",
		"mem://b u c k e t/lake":     "character",
		"mem://bucket:80/lake":       "credentials",
		"mem://me:secret12@b/lake":   "credentials",
		"mem://b/lake?x=%zz":         "parameters",
		"mem://b/a\x01b":             "control",
		"ftp://b/lake":               "a URL that begins with file://",
		"memory://b/lake?sig=abcdef": "mem://",
		"mem://b":                    "whole bucket",
		"mem://b//":                  "whole bucket",
		"mem://b/a//b":               "empty part",
		"mem://b/a/../b":             "..",
	} {
		for flag, args := range commands {
			if args[0] == "cat" && strings.HasPrefix(bad, "mem://b/a/") || args[0] == "cat" && (strings.HasPrefix(bad, "mem://b/a//") || strings.Contains(says, "bucket") && strings.HasPrefix(bad, "mem://b")) {
				continue // which may print any object
			}
			given := bad
			if strings.HasPrefix(flag, "--") {
				given = "--out=" + bad
			}
			code, stdout, stderr := call(t, append(slices.Clone(args), given)...)
			if code != exitUsage || !strings.Contains(stderr, says) || strings.Contains(stdout+stderr, "secret12") || strings.Contains(stdout+stderr, "sig=abcdef") || strings.Contains(stdout, "%zz") {
				t.Errorf("%s %q: exit %d\n%s%s", args[0], bad, code, stdout, stderr)
			}
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if code, _, stderr := call(t, "version", "--result-file=mem://b/result.json"); code != exitUsage || !strings.Contains(stderr, "--result-file") || !strings.Contains(stderr, "local") {
		t.Errorf("a result file in a bucket: exit %d, %s", code, stderr)
	}
}

// A URL means the key that it shows, to the byte, so that what one tool prints another takes.
func TestLocate_KeysStandAsTheyAre(t *testing.T) {
	for arg, want := range map[string]url.URL{
		"mem://b/window_start=2024-01-01%2012%3A30%3A00/x": {Scheme: "mem", Host: "b", Path: "/window_start=2024-01-01%2012%3A30%3A00/x"},
		"MEM://b/c#d?region=a%26b&x=y":                     {Scheme: "mem", Host: "b", Path: "/c#d", RawQuery: "region=a%26b&x=y"},
		"mem://B.u-c_k$/ü b/[x]*":                          {Scheme: "mem", Host: "B.u-c_k$", Path: "/ü b/[x]*"},
		"mem://b/me@home:x":                                {Scheme: "mem", Host: "b", Path: "/me@home:x"},
		"mem://b/":                                         {Scheme: "mem", Host: "b"},
	} {
		p, err := locate(arg)
		if err != nil || *p.url != want || strings.Contains(p.name, "?") {
			t.Errorf("%s: %+v, %v", arg, p, err)
		}
	}
	for _, arg := range []string{"lake", "./mem://b/c", "file:///mem/b", "a mem://b", "x?y=z", "C:x?y"} {
		if p, err := locate(arg); err != nil || p.remote() || p.name != arg || publicName(arg) != arg {
			t.Errorf("%s: %+v, %v", arg, p, err)
		}
	}
	if _, err := locate("nowhere://b/x"); err == nil || !strings.HasSuffix(err.Error(), "file:// or mem://"+withoutStores) && withoutStores != "" {
		t.Errorf("%v", err)
	}
	for out, want := range map[string]string{
		"lake/": "lake-again", "/a?b": "/a?b-again", "mem://b/lake/?region=x&sig=secret": "mem://b/lake-again?region=x", "mem://b/lake": "mem://b/lake-again",
	} {
		if got := beside(out); got != want {
			t.Errorf("beside %s: %s, want %s", out, got, want)
		}
	}
}

// TestStores_SayWhatIsWrong lets a store fail at every kind of call, in every way that has a name.
func TestStores_SayWhatIsWrong(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	filled := newBucket(t)
	x.out = filled.url("lake")
	january := []string{"--stop=2024-02-01"}
	if code, _, stderr := x.export(t.Context(), january...); code != exitOK {
		t.Fatal(code, stderr)
	}
	refusals := map[string]error{
		"store_denied":      refusal{"store_denied", "PUT b/k: AccessDenied", "allow s3:PutObject", false, nil},
		"store_unavailable": &store.Error{Op: "put", Path: "mem://b/k", Err: refusal{"store_unavailable", "503", "", true, nil}, Hint: "run again"},
		"store_expired":     refusal{"store_expired", "ExpiredToken", "renew the credentials", true, nil},
	}
	for code, refused := range refusals {
		for _, op := range []string{"list", "hold", "probe", "put", "create"} {
			b := newBucket(t)
			b.refuse = func(o, _ string) error {
				if o == op {
					return refused
				}
				return nil
			}
			x.out = b.url("lake")
			got, r, stderr := x.export(t.Context(), january...)
			if got != exitStorage || r.Error.Code != code || r.Error.Retryable != (code != "store_denied") || r.Error.Hint == "" || strings.Contains(r.Error.Message, r.Error.Hint) {
				t.Errorf("%s at %s: exit %d, %+v\n%s", code, op, got, r.Error, stderr)
			}
			if op != "create" && x.Ledger().ExportPosts() != 1 {
				t.Fatalf("%s at %s: bought", code, op)
			}
		}
		// What reads an output must not take this for damage.
		filled.refuse = func(o, name string) error {
			if o == "read" && strings.HasSuffix(name, ".parquet") {
				return refused
			}
			return nil
		}
		for _, args := range [][]string{{"verify", filled.url("lake")}, {"cat", filled.url("lake")}} {
			if got, stdout, stderr := call(t, args...); got != exitStorage || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%s at %v: exit %d\n%s%s", code, args, got, stdout, stderr)
			}
		}
		filled.refuse = func(o, _ string) error { return map[string]error{"list": refused}[o] }
		for _, args := range [][]string{{"verify", filled.url("lake")}, {"cat", filled.url("lake")}, {"convert", filled.url("x*"), "--out=" + x.out}} {
			if got, stdout, stderr := call(t, args...); got != exitStorage {
				t.Errorf("%s at %v: exit %d\n%s%s", code, args, got, stdout, stderr)
			}
		}
	}
	filled.refuse = nil
	for _, args := range [][]string{{"verify"}, {"cat"}, {"convert", "-", "--out"}, {"convert", "--out=x"}} {
		if code, _, stderr := call(t, append(args, filled.url("lake?nonsense=1"))...); code != exitUsage || !strings.Contains(stderr, "no parameter nonsense") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"verify", "mem://nobodys/lake"}, {"cat", "mem://nobodys/lake"}} {
		if code, _, stderr := call(t, args...); code != exitStorage || !strings.Contains(stderr, "nobodys") || !strings.Contains(stderr, "create it") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"verify", filled.url("none")}, {"cat", filled.url("none")}, {"convert", filled.url("none"), "--out=x"},
		{"convert", filled.url("none*"), "--out=x"}, {"convert", filled.url("lake"), "--out=x"}, {"convert", filled.url("lake/[*"), "--out=x"}} {
		if code, _, stderr := call(t, args...); code != exitUsage || !strings.Contains(stderr, filled.name) {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
}

// TestStores_S3 goes all the way to S3's protocol: an export into files of several parts, what reads it, and a start that
// finds it complete.
func TestStores_S3(t *testing.T) {
	server := httptest.NewServer(storetest.NewS3("bucket"))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": server.URL,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(name, value)
	}
	x := newTrial(t, emulator.Config{DocumentsPerDay: 130, ControlEvery: 500})
	x.out = "s3://bucket/lake"
	flags := []string{"--split=none", "--stop=2024-02-01", "--compression=none", "--row-group-size=1MiB", "--file-size=9MiB"}
	code, first, stderr := x.export(t.Context(), flags...)
	if code != exitOK || first.Rows != 31*130 || len(first.Windows[0].Files) < 2 || first.Bytes < 10<<20 {
		t.Fatalf("exit %d, %d rows, %d bytes in %d files\n%s", code, first.Rows, first.Bytes, first.Files, stderr)
	}
	if code, r, stderr := x.export(t.Context(), flags...); code != exitOK || r.Rows != first.Rows || x.Ledger().ExportPosts() != 1 {
		t.Errorf("again: exit %d, %d rows\n%s", code, r.Rows, stderr)
	}
	for _, command := range []string{"verify", "cat"} {
		code, stdout, stderr := call(t, command, x.out)
		if code != exitOK || command == "cat" && int64(strings.Count(stdout, "\n")) != first.Rows {
			t.Errorf("%s: exit %d, %d lines\n%s", command, code, strings.Count(stdout, "\n"), stderr)
		}
	}
}

// TestStores_UnsafeOverwrite: a store that ignores conditions is refused before anything is bought, unless that is
// accepted; then the log, the result and the manifest say so, on every later start too.
func TestStores_UnsafeOverwrite(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	b := newBucket(t)
	b.loose.Store(true)
	x.out = b.url("lake")
	code, r, _ := x.export(t.Context())
	if code != exitStorage || r.Error.Code != withoutConditions || r.Error.Retryable || !strings.Contains(r.Error.Hint, "--unsafe-overwrite") || x.Ledger().ExportPosts() != 0 {
		t.Fatalf("exit %d, %+v", code, r.Error)
	}
	for step := range 2 {
		code, r, stderr := x.export(t.Context(), "--unsafe-overwrite")
		said := strings.Count(stderr, "ignores conditional writes")
		if code != exitOK || !r.Unsafe || !r.Windows[2].Unsafe || said != 1-step {
			t.Errorf("step %d: exit %d, said %d times, %+v\n%s", step, code, said, r, stderr)
		}
	}
	manifests := 0
	for name, data := range b.Files() {
		if strings.HasSuffix(name, "/manifest.json") {
			var m struct{ Report map[string]any }
			if err := json.Unmarshal(data, &m); err != nil || m.Report["unsafe_overwrite"] != true {
				t.Errorf("%s: %v, %s", name, err, data)
			}
			manifests++
		}
	}
	if manifests != 3 {
		t.Errorf("%d manifests", manifests)
	}
	stream := recorded(t, 1, 30, 10)
	if code, r, _ := converting(t, stream, "-", "--out", b.url("converted")); code != exitStorage || r.Error.Code != withoutConditions {
		t.Errorf("convert: exit %d, %+v", code, r)
	}
	if code, r, stderr := converting(t, stream, "-", "--out", b.url("converted"), "--unsafe-overwrite"); code != exitOK || !r.Unsafe || !strings.Contains(stderr, "ignores conditional") {
		t.Errorf("convert: exit %d, %+v\n%s", code, r, stderr)
	}
	// Where nothing is given up, nothing is said.
	if code, r, stderr := converting(t, stream, "-", "--out", filepath.Join(t.TempDir(), "lake"), "--unsafe-overwrite"); code != exitOK || r.Unsafe || strings.Contains(stderr, "overwrite") {
		t.Errorf("on a disk: exit %d, %+v\n%s", code, r, stderr)
	}
	// And no other refusal is accepted.
	b.refuse = func(op, _ string) error {
		return map[string]error{"probe": refusal{"store_denied", "no", "", false, nil}}[op]
	}
	if code, r, _ := converting(t, recorded(t, 2, 30, 10), "-", "--out", b.url("converted"), "--unsafe-overwrite"); code != exitStorage || r.Error.Code != "store_denied" {
		t.Errorf("denied: exit %d, %+v", code, r)
	}
}

func TestDemo_IntoABucket(t *testing.T) {
	b := newBucket(t)
	code, stdout, stderr := call(t, "demo", "--out", b.url("demo?region=x"))
	if r := lastLine(t, stdout); code != exitOK || r.Out != b.url("demo") || r.Rows == 0 || !strings.Contains(stdout, "'"+b.url("demo/window_start=*/*.parquet")+"'") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat("mem:"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it wrote to a directory")
	}
}

// TestStores_Recordings converts recordings that lie in a bucket, in every form, each a run of its own.
func TestStores_Recordings(t *testing.T) {
	in, out := newBucket(t), newBucket(t)
	grown := recorded(t, 2, 90, 10)
	half := bytes.LastIndexByte(grown[:bytes.LastIndex(grown[:len(grown)/2], []byte("CT_CONTROL"))], '\n') + 1
	half += bytes.IndexByte(grown[half:], '\n') + 1
	streams := [][]byte{recorded(t, 1, 1200, 100), grown[:half], recorded(t, 3, 60, 10)}
	in.put(t, "raw/2024-01.ndjson", streams[0]) // some 2 MB: more than one block
	in.put(t, "raw/2024-02.ndjson.gz", gzipped(t, streams[1]))
	in.put(t, "raw/2024-03.ndjson.zst", zstandard(t, streams[2]))
	in.put(t, "raw/2024-03.ndjson.zst/under", []byte("not a recording"))
	in.put(t, "raw/2023-12.ndjson", []byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"a"}}}}`+"\n"))
	glob := in.url("raw/2024-*?region=x")
	want := results(t, join(streams[:3]...))
	code, r, stderr := converting(t, nil, glob, "--out", out.url("lake"))
	if code != exitOK || len(r.Windows) != 3 || !slices.Equal(documentsIn(t, out.url("lake")), want) {
		t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
	}
	// A complete one is not read again, only its head is.
	before := in.reads.Load()
	if code, again, stderr := converting(t, nil, in.url("raw/2024-01.ndjson"), "--out", out.url("lake")); code != exitOK || again.Rows != 1200 || in.reads.Load()-before > 5 {
		t.Errorf("again: exit %d, %d reads, %+v\n%s", code, in.reads.Load()-before, again, stderr)
	}
	// The same recording from a disk is the same run, and one that has grown continues it.
	file := filepath.Join(t.TempDir(), "rec")
	if err := os.WriteFile(file, streams[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := converting(t, nil, file, "--out", out.url("lake")); code != exitOK || !slices.Equal(documentsIn(t, out.url("lake")), want) {
		t.Errorf("from a disk: exit %d\n%s", code, stderr)
	}
	in.put(t, "raw/2024-02.ndjson.gz", gzipped(t, grown))
	want = results(t, join(streams[0], grown, streams[2]))
	if code, _, stderr := converting(t, nil, glob, "--out", out.url("lake")); code != exitOK || !slices.Equal(documentsIn(t, out.url("lake")), want) {
		t.Errorf("grown: exit %d\n%s", code, stderr)
	}
	// One object that cannot be read keeps no other from being converted, whatever is wrong with the store.
	in.refuse = func(op, name string) error {
		if op == "read" && strings.Contains(name, "2024-02") {
			return &store.Error{Op: "read", Path: "x", Err: refusal{"store_unavailable", "503 SlowDown", "", true, nil}}
		}
		return nil
	}
	code, r, stderr = converting(t, nil, glob, in.url("raw/2023-12.ndjson"), "--out", out.url("other"))
	if code != exitStorage || r.Error.Code != "store_unavailable" || !r.Error.Retryable || !strings.Contains(r.Error.Message, "2024-02") || len(r.Windows) != 3 {
		t.Errorf("refused: exit %d, %+v %+v\n%s", code, r, r.Error, stderr)
	}
	// One that is replaced while it is read is not taken for whole.
	in.refuse = nil
	n := 0
	in.version = func(string, []byte) string { n++; return strings.Repeat("v", n) }
	code, r, _ = converting(t, nil, in.url("raw/2024-01.ndjson"), "--out", out.url("third"))
	if code != exitStream || !strings.Contains(r.Error.Message, "replaced while it was read") {
		t.Errorf("replaced: exit %d, %+v", code, r.Error)
	}
	for name := range out.Files() {
		if strings.HasPrefix(name, "third/") && strings.HasSuffix(name, "manifest.json") {
			t.Error("it has a manifest")
		}
	}
}

// TestStores_StoppedRecording: a signal in the middle of an object ends the reading, and nothing is left running.
func TestStores_StoppedRecording(t *testing.T) {
	in, out := newBucket(t), newBucket(t)
	stream := recorded(t, 1, 1200, 100)
	in.put(t, "rec", stream)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	in.refuse = func(op, _ string) error {
		if op == "read" && in.reads.Load() > 3 {
			cancel(&signalError{syscall.SIGTERM})
		}
		return nil
	}
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"convert", in.url("rec"), "--out", out.url("lake")}, strings.NewReader(""), &stdout, &stderr)
	if r := lastLine(t, stdout.String()); code != exitTerminate || r.Status != "interrupted" {
		t.Errorf("exit %d, %+v\n%s", code, r, &stderr)
	}
	in.refuse = nil
	if code, r, _ := converting(t, nil, in.url("rec"), "--out", out.url("lake")); code != exitOK || r.Rows != 1200 || !slices.Equal(documentsIn(t, out.url("lake")), results(t, stream)) {
		t.Errorf("then: exit %d, %+v", code, r)
	}
}

// TestObjectReader_ReadsAhead holds the reader to the bytes, and to reading no more at once than it says.
func TestObjectReader_ReadsAhead(t *testing.T) {
	b := newBucket(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	for _, size := range []int{0, 1, firstBlock, firstBlock + 1, len(data)} {
		b.put(t, "x", data[:size])
		s, err := stores["mem"](t.Context(), &url.URL{Host: b.name}, opening{log: slog.Default()})
		if err != nil {
			t.Fatal(err)
		}
		o := &object{store: s, entry: store.Entry{Name: "x", Size: int64(size), Regular: true}}
		r := o.read(t.Context())
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil || !bytes.Equal(got.Bytes(), data[:size]) {
			t.Errorf("%d bytes: got %d, %v", size, got.Len(), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("it is read after it was closed")
		}
		before := b.reads.Load()
		r = o.read(t.Context())
		_, err = r.Read(make([]byte, 10))
		if n := b.reads.Load() - before; n > 1 || (err == nil) != (size > 0) {
			t.Errorf("%d bytes: a look took %d reads, %v", size, n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
