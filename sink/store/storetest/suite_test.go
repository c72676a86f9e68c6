package storetest

import (
	"testing"

	"go.uber.org/goleak"

	"tw2parquet/sink/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openLocal(t *testing.T, cfg store.LocalConfig) store.Store {
	t.Helper()
	s, err := store.OpenLocal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLocal(t *testing.T) {
	Run(t, func(t *testing.T) Subject {
		dir := t.TempDir()
		return Subject{Open: func(t *testing.T) store.Store { return openLocal(t, store.LocalConfig{Root: dir}) }}
	})
}

// The disk of the crash tests is a disk.
func TestMemFS(t *testing.T) {
	Run(t, func(*testing.T) Subject {
		disk := NewMemFS()
		return Subject{
			Open:    func(t *testing.T) store.Store { return openLocal(t, store.LocalConfig{Root: "/out", FS: disk}) },
			Abandon: func(*testing.T) { disk.Kill() },
		}
	})
}

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Subject {
		m := NewMemory()
		m.Page = 7
		return Subject{
			Open:       func(*testing.T) store.Store { return m },
			LoseAnswer: func() { m.LoseAnswers(1) },
			PageSize:   m.Page,
		}
	})
}
