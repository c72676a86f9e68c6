package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

const (
	// tortureScale is waitScale for tests of thousands of runs: a settle time of a quarter second.
	tortureScale = 0.002
	// tortureMinute is the emulator's minute, to match.
	tortureMinute = time.Minute / 500
	// restarts is how often a run may have to be started again before it gets through.
	restarts = 12
)

// trial is one export to which things happen: an account of its own, behind a gate, and an output that
// is watched. Whatever happens, in the end it is complete, every result is there once, and was paid once.
type trial struct {
	*account
	*gate
	out     string
	args    []string
	watcher *watcher

	mu      sync.Mutex
	running *started // the newest process
}

// tried is an account of few documents, none of them over 10 kB, and dense control chunks: an export has 60
// results in three files.
func tried() emulator.Config {
	return emulator.Config{Seed: 36, DocumentsPerDay: 20, ControlEvery: 5, LimitBatch: 10}
}

func newTrial(t *testing.T, cfg emulator.Config) *trial {
	t.Helper()
	cfg.Minute = tortureMinute
	s, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{next: s.Handler()}
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	a := &account{Server: s, t: t, url: server.URL, minute: tortureMinute, env: []string{fmt.Sprintf("TW2PARQUET_WAIT_SCALE=%g", tortureScale)}}
	r := &trial{account: a, gate: g, out: filepath.Join(t.TempDir(), "lake")}
	r.args = r.into(r.out)
	return r
}

// into are the arguments of the export into an output.
func (r *trial) into(out string, more ...string) []string {
	return append([]string{"export", "--project", r.Projects()[0], "--start", "2024-01-01", "--stop", "2024-01-04", "--split", "none",
		"--row-group-size", "64KiB", "--file-rows", "1", "--idle-timeout", "15m", "--out", out}, more...)
}

// start starts the export.
func (r *trial) start() *started {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exports++
	r.running = r.launch(r.args...)
	return r.running
}

// kill ends the newest process. Requests may do that, so it waits for start to return.
func (r *trial) kill() {
	r.mu.Lock()
	p := r.running
	r.mu.Unlock()
	p.kill()
}

// signal asks the newest process to end.
func (r *trial) signal() {
	r.mu.Lock()
	p := r.running
	r.mu.Unlock()
	_ = p.Process.Signal(syscall.SIGTERM) // it may have ended
}

// finish runs the export until it is complete, and judges.
func (r *trial) finish() ended {
	r.t.Helper()
	e := r.through()
	r.judge(e)
	return e
}

// through runs the export until it is complete.
func (r *trial) through() ended {
	r.t.Helper()
	var e ended
	for range restarts {
		if e = r.start().wait(); e.code == 0 {
			return e
		}
		if e.code > 0 && !e.result.Error.Retryable && e.code != 44 { // after 44 a person runs it again, as the hint says
			break
		}
	}
	r.t.Fatalf("it does not get through: exit %d\n%s", e.code, e)
	return e
}

// judge holds what must be true in the end, whatever happened before.
func (r *trial) judge(e ended) {
	r.t.Helper()
	credits := r.expectDelivered(e, r.out)
	l := r.Ledger()
	if len(l.Tasks) != 1 || l.Credits() != credits {
		r.t.Errorf("%d tasks cost %d credits, the result says %d", len(l.Tasks), l.Credits(), credits)
	}
	r.expectManners(l)
	r.expectTidy(r.out, e)
}

// expectTidy holds that the files chain, that the manifest says what they are, and that nothing else was
// left behind.
func (r *trial) expectTidy(out string, e ended) {
	r.t.Helper()
	for _, w := range e.result.Windows {
		text, err := os.ReadFile(newestManifest(out, w.Run))
		if err != nil {
			r.t.Fatal(err)
		}
		var manifest struct {
			Files []struct {
				Name                      string
				Bytes                     int64
				SHA256                    string
				FromOffset                string `json:"from_offset"`
				ToOffset                  string `json:"to_offset"`
				FirstOrdinal, NextOrdinal int64  `json:"-"`
			}
		}
		if err := json.Unmarshal(text, &manifest); err != nil {
			r.t.Fatal(err)
		}
		offset := ""
		for i, f := range manifest.Files {
			content, err := os.ReadFile(filepath.Join(out, f.Name))
			if err != nil {
				r.t.Fatal(err)
			}
			if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(content)) != f.Bytes {
				r.t.Errorf("%s is not what the manifest says", f.Name)
			}
			if f.FromOffset != offset || f.ToOffset == "" || i >= len(w.Files) || w.Files[i] != f.Name {
				r.t.Errorf("%s does not continue the file before it", f.Name)
			}
			offset = f.ToOffset
		}
		if len(manifest.Files) != len(w.Files) {
			r.t.Errorf("the manifest lists %d files, the result %d", len(manifest.Files), len(w.Files))
		}
	}
	expectNothingElse(r.t, out)
}

// newestManifest is the manifest of a run that counts: files that were written again made another one.
func newestManifest(out, run string) string {
	dir := filepath.Join(out, "_tw2parquet", run)
	for k := 99; k > 0; k-- {
		name := filepath.Join(dir, fmt.Sprintf("manifest-%d.json", k))
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return filepath.Join(dir, "manifest.json")
}

// expectNothingStaged holds that a process that ended by itself took its unfinished files with it.
func expectNothingStaged(t *testing.T, out string) {
	t.Helper()
	staged, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "*", "staging", "*"))
	if err != nil || len(staged) > 0 {
		t.Errorf("left behind: %v %v", staged, err)
	}
}

// expectNothingElse holds that an output has only files that are meant to be there.
func expectNothingElse(t *testing.T, out string) {
	t.Helper()
	err := filepath.WalkDir(out, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		base, dir := filepath.Base(name), filepath.Base(filepath.Dir(name))
		switch {
		case strings.HasPrefix(dir, "window_start=") && strings.HasPrefix(base, "part-") && strings.HasSuffix(base, ".parquet"):
		case base == "lock" || strings.HasPrefix(base, "manifest") || base == "request.json" || base == "reading.json" || base == "failed.json" || base == "task.json" || strings.HasPrefix(base, "intent-") || strings.HasPrefix(base, "collector-") || strings.HasPrefix(base, "outcome-"):
		case strings.HasPrefix(dir, "source-") && strings.HasPrefix(base, "99999"):
		case dir == "staging" && strings.HasPrefix(base, "source-"): // the next record of the log clears it
		default:
			t.Errorf("left behind: %s", strings.TrimPrefix(name, out))
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
