package dataset

import (
	"context"
	"errors"
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
