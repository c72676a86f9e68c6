package storetest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"
)

func TestMemFS_ForgetsWhatWasNotSynced(t *testing.T) {
	write := func(m *MemFS, name string, sync bool) {
		h, err := m.Create(name, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Write([]byte("bytes")); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := h.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := NewMemFS()
	write(m, "synced", true)
	write(m, "unsynced", false)
	if err := m.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	write(m, "nameless", true)
	if err := m.Remove("synced"); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	got := m.Crash(rng, 0).Files()
	if len(got) != 2 || string(got["synced"]) != "bytes" || string(got["unsynced"]) != "" {
		t.Fatalf("after a crash that keeps nothing: %q", got)
	}
	got = m.Crash(rng, 1).Files()
	if len(got) != 2 || string(got["nameless"]) != "bytes" || string(got["unsynced"]) != "bytes" {
		t.Fatalf("after a crash that keeps everything: %q", got)
	}
	if _, err := m.Create("nameless", 0o600); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create over a file: %v", err)
	}
}
