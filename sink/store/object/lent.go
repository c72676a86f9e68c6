package object

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// Lent are bytes that a library reads from, until they are taken back. HTTP clients go on reading a body for a while after
// they have returned, when the answer came early or the request was cancelled.
type Lent struct {
	mu   sync.Mutex
	back bool
}

var errTakenBack = errors.New("the request is over")

// Reader reads some of the bytes. Its Close does nothing.
func (l *Lent) Reader(p []byte) io.ReadSeekCloser { return &lentReader{bytes.NewReader(p), l} }

// TakeBack waits for reads that are going on, and lets no more happen.
func (l *Lent) TakeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = true
}

// lentReader has nothing of a bytes.Reader but reading and seeking: its WriteTo would hand out the bytes.
type lentReader struct {
	from *bytes.Reader
	lent *Lent
}

func (r *lentReader) Read(p []byte) (int, error) {
	r.lent.mu.Lock()
	defer r.lent.mu.Unlock()
	if r.lent.back {
		return 0, errTakenBack
	}
	return r.from.Read(p)
}

func (r *lentReader) Seek(offset int64, whence int) (int64, error) {
	return r.from.Seek(offset, whence)
}

func (r *lentReader) Close() error { return nil }
