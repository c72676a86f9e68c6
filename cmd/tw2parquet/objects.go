package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink/store"
)

// versioned is what a store may offer besides: a text that is another one as soon as the bytes of an object are, such as
// an ETag or a generation.
type versioned interface {
	Version(ctx context.Context, name string) (string, error)
}

// object is a recording in a bucket.
type object struct {
	store   store.Store
	entry   store.Entry
	version string // "" where the store does not tell
}

// identity tells this recording from a later one of its name, "" where the store does not tell.
func (o *object) identity(ctx context.Context, name string) (string, error) {
	v, ok := o.store.(versioned)
	if !ok {
		return "", nil
	}
	version, err := v.Version(ctx, o.entry.Name)
	if err != nil {
		return "", objectTrouble(err)
	}
	o.version = version
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %q", name, o.entry.Size, version))
	return hex.EncodeToString(sum[:]), nil
}

// objectError is trouble with reading an object. It does not wrap the store's error, which would be taken for trouble
// with the output.
type objectError struct {
	message string
	outcome outcome
}

func (e *objectError) Error() string { return e.message }

func objectTrouble(err error) error {
	var storage *store.Error
	message := err.Error()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		message = "it is gone"
	case errors.Is(err, io.ErrUnexpectedEOF):
		message = "it became shorter while it was read"
	case errors.As(err, &storage):
		message = storage.Op + ": " + store.Cause(storage.Err).Error()
	}
	o := classify(err)
	if o.Code != exitStorage { // nothing that a store says of itself
		o = classify(&store.Error{Op: "read", Err: err})
	}
	return &objectError{withoutSigns(message), o}
}

// Objects are read in blocks. The first is small, because it may be all that is looked at; the last are large enough
// for what a request costs not to count. So many are read ahead that decoding does not wait for the network.
const (
	firstBlock = 256 << 10
	fullBlock  = 4 << 20
	readAhead  = 2
)

// objectReader reads an object from its beginning, ahead of its reader.
type objectReader struct {
	ctx    context.Context // bounds the reads of this one object
	cancel context.CancelFunc
	object *object

	asked  int64 // where the next block begins
	size   int64 // of the next block
	queue  []*block
	spare  [][]byte // buffers to be used again
	taken  int      // blocks
	left   []byte   // of the current block
	buffer []byte   // of the current block, whole
	err    error
	busy   sync.WaitGroup
}

// block is a part of an object on its way.
type block struct {
	data []byte
	err  error
	done chan struct{} // closed once data or err is there
}

func (o *object) read(ctx context.Context) *objectReader {
	ctx, cancel := context.WithCancel(ctx)
	return &objectReader{ctx: ctx, cancel: cancel, object: o, size: firstBlock}
}

// ask begins to read the next block, if there is one.
func (r *objectReader) ask() {
	n := min(r.size, r.object.entry.Size-r.asked)
	if n <= 0 {
		return
	}
	b := &block{done: make(chan struct{})}
	if last := len(r.spare) - 1; last >= 0 && int64(cap(r.spare[last])) >= n {
		b.data, r.spare = r.spare[last][:n], r.spare[:last]
	} else {
		b.data = make([]byte, n)
	}
	at := r.asked
	r.asked += n
	r.size = min(4*r.size, fullBlock)
	r.queue = append(r.queue, b)
	r.busy.Go(func() {
		defer close(b.done)
		b.err = bug.Guard(func() error { return r.object.store.ReadAt(r.ctx, r.object.entry.Name, b.data, at) })
	})
}

// Read gives what comes next.
func (r *objectReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// next takes the next block; io.EOF after the last.
func (r *objectReader) next() error {
	if cap(r.buffer) == fullBlock {
		r.spare = append(r.spare, r.buffer)
	}
	r.buffer = nil
	if len(r.queue) == 0 {
		r.ask()
	}
	if len(r.queue) == 0 {
		return cmp.Or(r.unchanged(), io.EOF)
	}
	b := r.queue[0]
	r.queue = r.queue[1:]
	if r.taken++; r.taken > 1 {
		for len(r.queue) < readAhead && r.asked < r.object.entry.Size {
			r.ask()
		}
	}
	select {
	case <-b.done:
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	if b.err != nil {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		return objectTrouble(b.err)
	}
	r.buffer, r.left = b.data, b.data
	return nil
}

// unchanged says of an object that was replaced while it was read that its parts may not belong together.
func (r *objectReader) unchanged() error {
	if r.object.version == "" {
		return nil
	}
	now, err := r.object.store.(versioned).Version(r.ctx, r.object.entry.Name)
	if err != nil {
		return objectTrouble(err)
	}
	if now != r.object.version {
		return errors.New("it was replaced while it was read")
	}
	return nil
}

// Close ends what is being read.
func (r *objectReader) Close() error {
	r.cancel()
	r.busy.Wait()
	r.queue, r.spare, r.left, r.buffer = nil, nil, nil, nil
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	return nil
}
