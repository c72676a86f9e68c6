// Package storetest holds what every store has to pass, and the disks and stores that tests break on
// purpose: MemFS forgets what was not synced, FaultFS fails at any operation, Memory is a store as object
// stores are.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"tw2parquet/sink/store"
)

// Subject is a store under test.
type Subject struct {
	// Open opens the same output again, as another process would. The suite closes what it opened.
	Open func(t *testing.T) store.Store
	// Abandon ends a process that had the hold, without any of its closing; nil: a Hold needs no end.
	Abandon func(t *testing.T)
	// LoseAnswer makes the next commit succeed and its answer get lost; nil: the store has no such thing.
	LoseAnswer func()
	// PageSize is how many names one page of a listing has; 0: there are no pages.
	PageSize int
}

const (
	runDir  = store.StateDir + "/run"
	dataDir = "window_start=2024-01-01"
)

// Run holds a store to the promises of package store. open makes a new, empty output.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(b *bench)
	}{
		{"an upload is invisible until it is committed", (*bench).uploadIsInvisible},
		{"a discarded upload leaves nothing", (*bench).discardLeavesNothing},
		{"a taken name is never replaced", (*bench).neverReplaces},
		{"one of fifty commits wins", (*bench).oneOfFiftyWins},
		{"one of fifty puts wins", (*bench).oneOfFiftyPutsWins},
		{"a lost answer is unclear, and the name is there", (*bench).lostAnswer},
		{"reads are ranged", (*bench).readsAreRanged},
		{"lists are whole, in order, by prefix", (*bench).lists},
		{"removing twice is fine", (*bench).removesTwice},
		{"a hold excludes, or does not say so", (*bench).holds},
		{"what a dead process left is cleared", (*bench).clearsTheDead},
		{"a probe leaves nothing", (*bench).probes},
		{"a cancelled context commits nothing", (*bench).cancelled},
		{"large files arrive whole", (*bench).largeFiles},
	} {
		t.Run(c.name, func(t *testing.T) {
			subject := open(t)
			b := &bench{T: t, Subject: subject, ctx: t.Context()}
			b.store = b.another()
			b.hold = b.take(runDir)
			c.test(b)
		})
	}
}

// bench is one test's output.
type bench struct {
	*testing.T
	Subject
	ctx   context.Context
	store store.Store
	hold  store.Hold
}

// another opens the output once more.
func (b *bench) another() store.Store {
	b.Helper()
	s := b.Open(b.T)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// take takes a hold that is ready to be written with.
func (b *bench) take(dir string) store.Hold {
	b.Helper()
	h, err := b.store.Hold(b.ctx, dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	b.must(h.Prepare(b.ctx, dataDir))
	return h
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// upload writes an upload and leaves it open.
func (b *bench) upload(h store.Hold, name string, data []byte) store.Upload {
	b.Helper()
	u, err := h.Create(b.ctx, name, store.Public)
	b.must(err)
	for part := range slices.Chunk(data, 1000) {
		n, err := u.Write(part)
		if err != nil || n != len(part) {
			b.Fatalf("wrote %d of %d: %v", n, len(part), err)
		}
	}
	return u
}

// commit puts a file there.
func (b *bench) commit(name, text string) {
	b.Helper()
	b.must(b.upload(b.hold, name, []byte(text)).Commit(b.ctx))
}

// names are all names with a prefix, as another process sees them, without directories.
func (b *bench) names(prefix string) []string {
	b.Helper()
	names := []string{}
	for e, err := range b.another().List(b.ctx, prefix) {
		b.must(err)
		if e.Regular {
			names = append(names, e.Name)
		}
	}
	return names
}

// want compares what is there under a name with a text.
func (b *bench) want(name, text string) {
	b.Helper()
	s := b.another()
	data, err := store.ReadRecord(b.ctx, s, name, 1<<30)
	if err != nil || string(data) != text {
		b.Errorf("%s holds %.40q, %v; want %.40q", name, data, err, text)
	}
}

func data(n int) string { return fmt.Sprintf("%s/file-%05d", dataDir, n) }

func (b *bench) only(want ...string) {
	b.Helper()
	if got := b.names(""); !slices.Equal(got, want) {
		b.Errorf("there is %q, want %q", got, want)
	}
}

func (b *bench) uploadIsInvisible() {
	u := b.upload(b.hold, data(0), []byte("text"))
	b.only()
	b.must(u.Seal(b.ctx))
	b.only()
	if _, err := u.Write([]byte("more")); err == nil {
		b.Error("written after it was sealed")
	}
	b.must(u.Commit(b.ctx))
	b.only(data(0))
	b.want(data(0), "text")
	u.Discard() // does nothing any more
	b.want(data(0), "text")
}

func (b *bench) discardLeavesNothing() {
	for _, end := range []func(u store.Upload) error{
		func(store.Upload) error { return nil },
		func(u store.Upload) error { return u.Seal(b.ctx) },
	} {
		u := b.upload(b.hold, data(0), []byte("text"))
		b.must(end(u))
		u.Discard()
		u.Discard()
		b.only()
		if err := u.Commit(b.ctx); err == nil {
			b.Error("committed after it was discarded")
		}
		b.only()
	}
	b.commit(data(0), "the name is free")
}

func (b *bench) neverReplaces() {
	b.commit(data(0), "first")
	u := b.upload(b.hold, data(0), []byte("second"))
	if err := u.Commit(b.ctx); !errors.Is(err, fs.ErrExist) {
		b.Errorf("commit over a file: %v", err)
	}
	u.Discard()
	if err := b.hold.Put(b.ctx, data(0), []byte("third"), store.Private); !errors.Is(err, fs.ErrExist) {
		b.Errorf("put over a file: %v", err)
	}
	b.only(data(0))
	b.want(data(0), "first")
}

// race runs fifty writers at the same name at once. Exactly one wins, the others are told that the name is
// taken, and the bytes are the winner's.
func (b *bench) race(write func(text string) error) {
	errs := make([]error, 50)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = write(fmt.Sprint("writer ", i))
		})
	}
	close(start)
	all.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			b.Errorf("writers %d and %d both won", winner, i)
		case !errors.Is(err, fs.ErrExist):
			b.Errorf("writer %d: %v", i, err)
		}
	}
	if winner < 0 {
		b.Fatal("nobody won")
	}
	b.only(data(0))
	b.want(data(0), fmt.Sprint("writer ", winner))
}

func (b *bench) oneOfFiftyWins() {
	b.race(func(text string) error {
		u, err := b.hold.Create(b.ctx, data(0), store.Public)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(u, text); err != nil {
			return err
		}
		if err := u.Commit(b.ctx); err != nil {
			u.Discard()
			return err
		}
		return nil
	})
}

func (b *bench) oneOfFiftyPutsWins() {
	b.race(func(text string) error { return b.hold.Put(b.ctx, data(0), []byte(text), store.Private) })
}

func (b *bench) lostAnswer() {
	if b.LoseAnswer == nil {
		return // every answer of this store arrives
	}
	b.LoseAnswer()
	u := b.upload(b.hold, data(0), []byte("text"))
	if err := u.Commit(b.ctx); !errors.Is(err, store.ErrUnclear) || errors.Is(err, fs.ErrExist) {
		b.Errorf("a lost answer: %v", err)
	}
	u.Discard()
	b.want(data(0), "text")
	b.LoseAnswer()
	if err := b.hold.Put(b.ctx, data(1), []byte("record"), store.Private); err != nil && !errors.Is(err, store.ErrUnclear) {
		b.Errorf("a lost answer: %v", err)
	}
	b.want(data(1), "record")
}

func (b *bench) readsAreRanged() {
	text := strings.Repeat("0123456789", 1000)
	b.commit(data(0), text)
	for _, r := range [][2]int{{0, 1}, {0, 10000}, {9999, 1}, {5000, 77}, {10000, 0}} {
		p := make([]byte, r[1])
		if err := b.store.ReadAt(b.ctx, data(0), p, int64(r[0])); err != nil || string(p) != text[r[0]:r[0]+r[1]] {
			b.Errorf("%d bytes from %d: %.20q, %v", r[1], r[0], p, err)
		}
	}
	for _, r := range [][2]int{{9999, 2}, {10001, 1}, {0, 10001}} {
		if err := b.store.ReadAt(b.ctx, data(0), make([]byte, r[1]), int64(r[0])); !errors.Is(err, io.ErrUnexpectedEOF) {
			b.Errorf("%d bytes from %d: %v", r[1], r[0], err)
		}
	}
	if err := b.store.ReadAt(b.ctx, data(1), make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
		b.Errorf("nothing there: %v", err)
	}
	if _, err := store.Stat(b.ctx, b.store, data(1)); !errors.Is(err, fs.ErrNotExist) {
		b.Errorf("nothing there: %v", err)
	}
	if e, err := store.Stat(b.ctx, b.store, data(0)); err != nil || e.Size != 10000 || !e.Regular {
		b.Errorf("%+v, %v", e, err)
	}
}

// lists checks the order against sorting, over more names than a page has, with names that sort between a
// directory and what is in it.
func (b *bench) lists() {
	want := []string{"a-b", "a.b", "a/b", "a/b/c", "a0", store.StateDir + "/run/task.json", store.StateDir + "/runs"}
	// A name cannot be a file and a directory on a disk.
	want = slices.DeleteFunc(want, func(n string) bool { return n == "a/b" })
	for i := range max(25, 2*b.PageSize+1) {
		want = append(want, fmt.Sprintf("n/%06d", i))
	}
	dirs := []string{"a/b", "n"}
	b.must(b.hold.Prepare(b.ctx, dirs...))
	todo := make(chan string)
	var all sync.WaitGroup
	for range 8 { // each takes a round trip
		all.Go(func() {
			for name := range todo {
				if err := b.hold.Put(b.ctx, name, []byte(name), store.Private); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(want)) {
		todo <- want[i]
	}
	close(todo)
	all.Wait()
	slices.Sort(want)
	b.only(want...)
	for _, prefix := range []string{"a", "a/", "n/00000", "n/000011", "none", "none/", store.StateDir + "/", store.StateDir + "/run/", store.StateDir + "/run"} {
		some := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return !strings.HasPrefix(n, prefix) })
		if got := b.names(prefix); !slices.Equal(got, some) {
			b.Errorf("under %q there is %q, want %q", prefix, got, some)
		}
	}
	for e, err := range b.store.List(b.ctx, "n/") {
		b.must(err)
		if e.Name != "n/000000" || e.Size != int64(len("n/000000")) {
			b.Errorf("first entry %+v", e)
		}
		break // the caller may stop
	}
}

func (b *bench) removesTwice() {
	b.commit(data(0), "text")
	b.commit(data(1), "text")
	for range 2 {
		b.must(b.hold.Remove(b.ctx, data(0)))
		b.only(data(1))
	}
	b.must(b.hold.Remove(b.ctx, "nowhere/nothing"))
}

func (b *bench) holds() {
	second, err := b.another().Hold(b.ctx, runDir)
	if b.hold.Exclusive() != errors.Is(err, store.ErrHeld) || !b.hold.Exclusive() && err != nil {
		b.Errorf("exclusive %v, and a second one gets %v", b.hold.Exclusive(), err)
	}
	if err == nil {
		b.must(second.Close())
	}
	other, err := b.another().Hold(b.ctx, store.StateDir+"/other")
	b.must(err) // another run is not concerned
	b.must(other.Close())
	b.must(b.hold.Close())
	b.must(b.hold.Close())
	again, err := b.another().Hold(b.ctx, runDir)
	b.must(err)
	b.must(again.Close())
}

func (b *bench) clearsTheDead() {
	b.commit(data(0), "text")
	b.upload(b.hold, data(1), []byte("never committed"))
	if b.Abandon != nil {
		b.Abandon(b.T)
	} else {
		b.must(b.hold.Close())
	}
	b.store = b.another()
	h := b.take(runDir)
	if _, err := h.Clear(b.ctx, dataDir+"/"); err != nil {
		b.Fatal(err)
	}
	if removed, err := h.Clear(b.ctx, dataDir+"/"); removed != 0 || err != nil {
		b.Errorf("a second time: %d, %v", removed, err)
	}
	b.only(data(0))
	b.hold = h
	b.commit(data(1), "written again")
	b.want(data(1), "written again")
}

func (b *bench) probes() {
	b.commit(data(0), "text")
	for range 2 {
		b.must(b.hold.Probe(b.ctx, dataDir, nil))
		b.only(data(0))
	}
	b.commit(data(1), "a record")
	b.must(b.hold.Probe(b.ctx, dataDir, &store.Record{Name: data(1), Data: []byte("a record")}))
	b.only(data(0), data(1))
	b.want(data(1), "a record")
}

func (b *bench) cancelled() {
	u := b.upload(b.hold, data(0), []byte("text"))
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := u.Commit(ctx); !errors.Is(err, context.Canceled) {
		b.Errorf("commit: %v", err)
	}
	if err := b.hold.Put(ctx, data(1), nil, store.Private); !errors.Is(err, context.Canceled) {
		b.Errorf("put: %v", err)
	}
	b.only()
	b.must(u.Commit(b.ctx)) // nothing was given up
	b.only(data(0))
}

func (b *bench) largeFiles() {
	rng := rand.New(rand.NewPCG(2, 2))
	large := make([]byte, 9<<20) // more than one part of an object store
	for i := range large {
		large[i] = byte(rng.Uint32())
	}
	u, err := b.hold.Create(b.ctx, data(0), store.Public)
	b.must(err)
	for part := range slices.Chunk(large, 300<<10) {
		_, err := u.Write(part)
		b.must(err)
	}
	b.must(u.Commit(b.ctx))
	got, err := store.ReadRecord(b.ctx, b.another(), data(0), 1<<30)
	if err != nil || !bytes.Equal(got, large) {
		b.Errorf("%d bytes came back of %d, %v", len(got), len(large), err)
	}
}
