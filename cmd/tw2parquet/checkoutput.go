package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// checkOutput tries out what an export will do to an output, or to another place, under names of its own. What is that place in
// the findings.
func checkOutput(ctx context.Context, f *findings, to *destination, what string) {
	s, err := to.use(ctx, true)
	t := &trying{findings: f, to: to, what: what}
	if err == nil {
		if to.unsafe {
			s = &lenient{Store: s, to: to}
		}
		err = t.open(ctx, s)
	}
	if !f.add(t.what+": open", err, "%s", to.name) {
		return
	}
	defer t.leave(context.WithoutCancel(ctx))
	err = t.hold.Probe(ctx, ".", nil)
	if to.gaveUp.Load() {
		f.add(t.what+": conditions", err, "ignored, and accepted with --unsafe-overwrite")
	} else {
		f.add(t.what+": conditions", err, "writing refuses names that are taken")
	}
	t.rights(ctx)
}

// trying is a record under a run's name that no request has.
type trying struct {
	*findings
	to    *destination
	what  string
	store store.Store
	hold  store.Hold
	dir   string
	name  string
	fresh bool // the output had no directory of records before
}

func (t *trying) open(ctx context.Context, s store.Store) (err error) {
	var id [8]byte
	rand.Read(id[:]) // never fails
	t.store, t.dir = s, sink.RunDir("check"+hex.EncodeToString(id[:]))
	t.name = path.Join(t.dir, "check.json")
	if !t.to.remote() {
		_, err := store.Stat(ctx, s, path.Dir(t.dir))
		t.fresh = err != nil
	}
	if t.hold, err = s.Hold(ctx, t.dir); err != nil {
		return err
	}
	if err = t.hold.Prepare(ctx, "."); err != nil {
		t.leave(context.WithoutCancel(ctx))
	}
	return err
}

// rights uses each right that an export needs by itself, so that the one that is missing is named.
func (t *trying) rights(ctx context.Context) {
	content := []byte(`{"written_by":"tw2parquet check"}` + "\n")
	put := t.hold.Put(ctx, t.name, content, store.Private)
	t.add(t.what+": put", put, "an object was written")
	e, err := store.Stat(ctx, t.store, t.name)
	switch {
	case put != nil && errors.Is(err, fs.ErrNotExist):
		err = nil // nothing is there, and that could be told
	case put == nil && err == nil && e.Size != int64(len(content)):
		err = &store.Error{Op: "list", Path: t.store.Path(t.name), Err: fmt.Errorf("%d bytes are listed, %d were written", e.Size, len(content))}
	case put == nil && errors.Is(err, fs.ErrNotExist):
		err = &store.Error{Op: "list", Path: t.store.Path(t.name), Err: errors.New("what was just written is not listed")}
	}
	t.add(t.what+": list", err, "what is there is listed")
	if put != nil {
		return
	}
	read := make([]byte, len(content))
	err = t.store.ReadAt(ctx, t.name, read, 0)
	if err == nil && !bytes.Equal(read, content) {
		err = &store.Error{Op: "read", Path: t.store.Path(t.name), Err: errors.New("the store gave other bytes than were written")}
	}
	t.add(t.what+": read", err, "what was written is read")
	t.add(t.what+": delete", t.hold.Remove(ctx, t.name), "and deleted")
	_, err = t.hold.Clear(ctx)
	if errors.Is(err, store.ErrUnswept) {
		t.warn(t.what+": leftovers", err)
		return
	}
	t.add(t.what+": leftovers", err, "what a dead process leaves unfinished can be found")
}

// leave removes what trying left. A disk keeps a lock and a directory for each hold, and removes a directory only if
// it is empty, so that nothing of anybody else goes with it.
func (t *trying) leave(ctx context.Context) {
	if !t.to.remote() {
		leftovers := []string{path.Join(t.dir, "staging"), path.Join(t.dir, "lock"), t.dir}
		if t.fresh {
			leftovers = append(leftovers, path.Dir(t.dir))
		}
		for _, name := range leftovers {
			_ = t.hold.Remove(ctx, name) // it is not worth a failure
		}
	}
	_ = t.hold.Close()
}
