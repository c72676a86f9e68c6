package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// checking runs check and returns its findings.
func (x *trial) checking(args ...string) (code int, f findings, stderr string) {
	x.t.Helper()
	var out, errs bytes.Buffer
	code = run(x.t.Context(), append([]string{"check", "--output=json", "--base-url", x.url}, args...), strings.NewReader(""), &out, &errs)
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		x.t.Fatalf("exit %d: %v\n%s%s", code, err, &out, &errs)
	}
	return code, f, errs.String()
}

// names are those of the checks that came out one way.
func (f findings) names(ok bool) (list []string) {
	for _, c := range f.Checks {
		if c.OK == ok {
			list = append(list, c.Check)
		}
	}
	return list
}

var (
	ofAccount = []string{"token", "rights", "credits", "clock"}
	ofOutput  = []string{"store: open", "store: conditions", "store: put", "store: list", "store: read", "store: delete", "store: leftovers"}
)

// TestCheck_AllIsWell, on a disk and in a bucket: nothing is bought, changed or left behind.
func TestCheck_AllIsWell(t *testing.T) {
	x := newTrial(t, emulator.Config{})
	b := newBucket(t)
	b.put(t, "lake/mine.parquet", nil)
	parent := t.TempDir()
	old := filepath.Join(parent, "old")
	if err := os.MkdirAll(filepath.Join(old, "_tw2parquet", "abc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{b.url("lake") + "?region=x", filepath.Join(parent, "new"), old} {
		code, f, stderr := x.checking("--project", x.Projects()[0], "--out", out)
		want := slices.Concat([]string{"token", "rights", "project", "credits", "clock"}, ofOutput)
		if code != exitOK || !f.OK || stderr != "" || !slices.Equal(f.names(true), want) {
			t.Errorf("%s: exit %d, %+v\n%s", out, code, f, stderr)
		}
	}
	if len(b.Files()) != 1 {
		t.Errorf("left in the bucket: %v", b.Files())
	}
	left, err := filepath.Glob(filepath.Join(parent, "*", "*"))
	below, _ := filepath.Glob(filepath.Join(parent, "*", "*", "*"))
	if err != nil || len(left) != 1 || len(below) != 1 {
		t.Errorf("left on the disk: %v %v, %v", left, below, err)
	}
	l := x.Ledger()
	if len(l.Changing()) != 0 || l.Credits() != 0 {
		t.Errorf("it called %v and cost %d", l.Changing(), l.Credits())
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"check", "--base-url", x.url}, strings.NewReader(""), &out, &out); code != exitOK || strings.Count(out.String(), " ok ") != len(ofAccount) {
		t.Errorf("exit %d\n%s", code, &out)
	}
}

// TestCheck_SaysWhatIsWrong finds each thing that can be wrong, in the line that it belongs to, and goes on.
func TestCheck_SaysWhatIsWrong(t *testing.T) {
	denied := func(what string) func(op, name string) error {
		return func(op, name string) error {
			if op == what && (op != "list" || strings.Contains(name, "check")) {
				return refusal{"store_denied", op + " " + name + ": AccessDenied", "allow it", false, nil}
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		code   int
		failed []string
		says   string
		make   func(x *trial, b *bucket) []string
	}{
		"no token": {exitAuth, []string{"token"}, "no access token", func(x *trial, _ *bucket) []string {
			x.t.Setenv(tokenEnv, "")
			return nil
		}},
		"a wrong token": {exitAuth, []string{"token"}, "", func(x *trial, _ *bucket) []string {
			x.t.Setenv(tokenEnv, "nobodys-token-at-all")
			return nil
		}},
		"a token that may only search": {exitAuth, []string{"rights"}, "read_write", func(x *trial, _ *bucket) []string {
			x.t.Setenv(tokenEnv, x.ReadOnlyToken())
			return nil
		}},
		"another project": {exitAuth, []string{"project"}, "may not use project " + project, func(*trial, *bucket) []string { return []string{"--project=" + project} }},
		"no credits": {exitCredits, []string{"credits"}, "no credits", func(x *trial, _ *bucket) []string {
			x.script(`{"endpoint":"credits","respond":{"code":0,"body":"{\"status_code\":\"0\",\"result_creditinfo\":{\"remaining_credits_monthly\":0}}"}}`)
			return nil
		}},
		"no API": {exitUnavailable, []string{"token"}, "", func(x *trial, _ *bucket) []string {
			x.script(`{"respond":{"http":503,"body":"no"}}`)
			return nil
		}},
		"a clock that is off": {exitStorage, []string{"clock"}, "s behind the API", func(x *trial, _ *bucket) []string {
			x.Advance(20 * time.Minute)
			return nil
		}},
		"no bucket": {exitStorage, []string{"store: open"}, "nobodys", func(*trial, *bucket) []string { return []string{"--out=mem://nobodys/lake"} }},
		"no right to probe": {exitStorage, []string{"store: conditions"}, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("probe")
			return nil
		}},
		"no right to write": {exitStorage, []string{"store: put"}, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("put")
			return nil
		}},
		"no right to list": {exitStorage, []string{"store: list"}, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("list")
			return nil
		}},
		"no right to read": {exitStorage, []string{"store: read"}, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("read")
			return nil
		}},
		"no right to delete": {exitStorage, []string{"store: delete"}, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("remove")
			return nil
		}},
		"no right to look for uploads": {exitOK, nil, "allow it", func(_ *trial, b *bucket) []string {
			b.refuse = denied("uploads")
			return nil
		}},
		"no conditions": {exitStorage, []string{"store: conditions"}, "--unsafe-overwrite", func(_ *trial, b *bucket) []string {
			b.loose.Store(true)
			return nil
		}},
		"no conditions, accepted": {exitOK, nil, "accepted", func(_ *trial, b *bucket) []string {
			b.loose.Store(true)
			return []string{"--unsafe-overwrite"}
		}},
		"several things": {exitAuth, []string{"rights", "store: put", "store: list"}, "", func(x *trial, b *bucket) []string {
			x.t.Setenv(tokenEnv, x.ReadOnlyToken())
			b.refuse = func(op, name string) error {
				return cmp.Or(denied("put")(op, name), denied("list")(op, name))
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, emulator.Config{})
			b := newBucket(t)
			args := append([]string{"--out=" + b.url("lake")}, c.make(x, b)...)
			code, f, stderr := x.checking(args...)
			if code != c.code || f.ExitCode != code || f.OK != (code == exitOK) || !slices.Equal(f.names(false), c.failed) {
				t.Fatalf("exit %d, want %d: %+v\n%s", code, c.code, f, stderr)
			}
			text, err := json.Marshal(f)
			if err != nil || !strings.Contains(string(text), c.says) {
				t.Errorf("nothing says %q: %s", c.says, text)
			}
			for _, line := range f.Checks {
				if !line.OK && (line.Hint == "" || line.Code == "" || line.Detail == "") {
					t.Errorf("nothing to do: %+v", line)
				}
			}
			if code != exitOK && (!strings.Contains(stderr, c.failed[0]+": ") || strings.Count(stderr, "tw2parquet: ") != 1) {
				t.Errorf("standard error: %s", stderr)
			}
			if len(x.Ledger().Changing()) != 0 {
				t.Errorf("it called %v", x.Ledger().Changing())
			}
		})
	}
}
