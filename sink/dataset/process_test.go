package dataset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestReadingProcess_IsAWall(t *testing.T) {
	root := t.TempDir()
	name, _ := small(t, root)
	run := func(mode string, deadline time.Duration) (*Report, error) {
		return Verify(context.Background(), Config{
			Store: at(t, root), Reader: self(mode), Memory: 256 << 20, Deadline: func(int64) time.Duration { return deadline },
		})
	}
	for mode, c := range map[string]struct {
		deadline time.Duration
		says     string
	}{
		"spin":  {300 * time.Millisecond, "longer than"},
		"gulp":  {time.Minute, "256 MiB of memory"},
		"crash": {time.Minute, "crash"},
	} {
		t.Run(mode, func(t *testing.T) {
			r, err := run(mode, c.deadline)
			if err != nil {
				t.Fatal(err)
			}
			named(t, mode, root, r, name)
			if len(r.Problems) == 1 && !strings.Contains(r.Problems[0].Reason, c.says) {
				t.Errorf("%q does not say %q", r.Problems[0].Reason, c.says)
			}
		})
	}
	t.Run("trouble that is not the file's", func(t *testing.T) {
		if _, err := run("mute", time.Minute); !errors.Is(err, ErrReader) {
			t.Errorf("no answer: %v", err)
		}
		if _, err := Verify(context.Background(), Config{Store: at(t, root), Reader: []string{root + "/none"}}); !errors.Is(err, ErrReader) {
			t.Errorf("no program: %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(context.Background())
		timer := time.AfterFunc(200*time.Millisecond, func() { cancel(stop) })
		defer timer.Stop()
		if _, err := Verify(ctx, Config{Store: at(t, root), Reader: self("spin")}); !errors.Is(err, stop) {
			t.Errorf("error %v", err)
		}
	})
}

// A token may lie in our environment; the process that opens hostile files has none of it.
func TestReadingProcess_GetsNoEnvironment(t *testing.T) {
	t.Setenv("TALKWALKER_ACCESS_TOKEN", "some-secret-token")
	root := t.TempDir()
	small(t, root)
	r, err := Verify(context.Background(), Config{Store: at(t, root), Reader: self("environment")})
	if err != nil || len(r.Problems) != 1 || r.Problems[0].Reason != "GOTRACEBACK=none" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Small files share a process. If it dies of one of them, the others are not suspected, whatever was answered before.
func TestReadingProcess_IsSharedUntilItEndsBadly(t *testing.T) {
	root := t.TempDir()
	chunks := corpus(t, 400)
	job{run: runA, chunks: chunks[:380], fileRows: 10, groupRows: 10}.write(t, root)
	files, err := filepath.Glob(filepath.Join(root, "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 3*maxShared/2 {
		t.Fatalf("%d files", len(files))
	}
	started := 0
	verify := func(read reader) *Report {
		started = 0
		r, err := Verify(t.Context(), Config{Store: at(t, root), Workers: 1, read: func(ctx context.Context, files []opened) ([]Reading, error) {
			started++
			return read(ctx, files)
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	process := func(mode string) reader {
		return child{self(mode), 256 << 20, func(int64) time.Duration { return time.Minute }}.read
	}
	if r := verify(process("check-file")); !r.OK || r.Rows == 0 || started != (len(files)+maxShared-1)/maxShared {
		t.Errorf("%d processes for %d files: %+v", started, len(files), r.Problems)
	}
	info, err := os.Stat(files[5])
	if err != nil {
		t.Fatal(err)
	}
	sick := 0
	for _, name := range files {
		if other, err := os.Stat(name); err == nil && other.Size() == info.Size() {
			sick++
		}
	}
	r := verify(process("poisoned " + strconv.FormatInt(info.Size(), 10)))
	if len(r.Problems) != sick || !strings.Contains(r.Problems[0].Reason, "crash") {
		t.Errorf("%d sick files, %+v", sick, r.Problems)
	}
	if _, err := Verify(t.Context(), Config{Store: at(t, root), Reader: self("mute")}); !errors.Is(err, ErrReader) {
		t.Errorf("fewer answers than files: %v", err)
	}
}
