package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"

	"tw2parquet/sink/store"
)

// Process is a Memory as one process sees it, which may die, be held up, or lose an answer, at any request. Its store may be
// used by several goroutines; its fields are set before, and read after.
type Process struct {
	memory *Memory

	At   int        // the request that goes wrong, counted from 0; below 0: none
	Kind RemoteKind // how
	// Gate is called before each request, which waits until it returns; nil: no request waits.
	Gate func()

	Count int    // requests so far
	Op    string // the request that went wrong, "" if none did
	Dead  bool
}

// RemoteKind is how a request of a Process goes wrong.
type RemoteKind int

// The kinds. Those after DieAfter are of requests that give a name to something: of others the next of those goes wrong.
const (
	DieBefore  RemoteKind = iota // the process ends before the request
	DieAfter                     // the process ends after it, without the answer
	DieLate                      // the process ends, and its request arrives later, when Memory.Land is called
	LoseAnswer                   // the request is done, and the answer is lost
	LoseBoth                     // neither request nor answer arrive
	Delay                        // no answer comes, and the request arrives later, when Memory.Land is called
)

func (k RemoteKind) String() string {
	return [...]string{"death before", "death after", "death, late arrival", "lost answer", "lost request", "late arrival"}[k]
}

// NewProcess is another process with the same store.
func (m *Memory) NewProcess() *Process { return &Process{memory: m, At: -1} }

// request does one request. name is of a request that gives a name to something, else "".
func (p *Process) request(ctx context.Context, op, name string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := p.memory
	if p.Gate != nil && !p.dead() {
		p.Gate()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.Dead {
		return ErrDead
	}
	n := p.Count
	p.Count++
	m.requests[op]++
	if n != p.At {
		err := do()
		if err == nil && name != "" && m.lost > 0 {
			m.lost--
			return p.unclear(op, name)
		}
		return err
	}
	if name == "" && p.Kind > DieAfter {
		p.At++
		return do()
	}
	p.Op = fmt.Sprintf("request %d: %s %s", n, op, name)
	p.Dead = p.Kind <= DieLate
	switch p.Kind {
	case DieAfter, LoseAnswer:
		if err := do(); err != nil && !p.Dead {
			return err
		}
	case DieLate, Delay:
		m.onTheWay = append(m.onTheWay, func() { _ = do() }) // nobody hears the answer
	}
	if p.Dead {
		return ErrDead
	}
	return p.unclear(op, name)
}

// Stop ends the process, whatever it is doing.
func (p *Process) Stop() {
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	p.Dead = true
}

func (p *Process) dead() bool {
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	return p.Dead
}

func (p *Process) unclear(op, name string) error {
	return &store.Error{Op: op, Path: p.Path(name), Err: store.ErrUnclear}
}

// Path is what a person would look for.
func (p *Process) Path(name string) string { return "memory://" + name }

// Close does nothing.
func (p *Process) Close() error { return nil }

// List reads page after page, each by itself: what is committed meanwhile may be in a later one.
func (p *Process) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for after, more := "", true; more; {
			var page []store.Entry
			err := p.request(ctx, "list", "", func() error {
				page, more = p.memory.page(prefix, after)
				return nil
			})
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.Name
			}
		}
	}
}

// ReadAt copies from the object.
func (p *Process) ReadAt(ctx context.Context, name string, b []byte, off int64) error {
	return p.request(ctx, "read", "", func() error {
		data, ok := p.memory.objects[name]
		switch {
		case !ok:
			return &store.Error{Op: "read", Path: p.Path(name), Err: fs.ErrNotExist}
		case off > int64(len(data)) || copy(b, data[off:]) < len(b):
			return io.ErrUnexpectedEOF
		}
		return nil
	})
}

// Hold is never exclusive: put-if-absent is the fence. It costs no request.
func (p *Process) Hold(ctx context.Context, dir string) (store.Hold, error) {
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	p.memory.count++
	return &memoryHold{p, dir, p.memory.count}, ctx.Err()
}

type memoryHold struct {
	*Process
	dir string
	id  int
}

func (*memoryHold) Exclusive() bool                          { return false }
func (*memoryHold) Prepare(context.Context, ...string) error { return nil }

// Clear aborts what dead processes left.
func (h *memoryHold) Clear(ctx context.Context, _ ...string) (removed int, err error) {
	var ids []int
	err = h.request(ctx, "uploads", "", func() error {
		ids = h.memory.unfinished(h.dir, h.id)
		return nil
	})
	for _, id := range ids {
		if err == nil {
			err = h.abort(ctx, id)
			removed++
		}
	}
	return removed, err
}

func (h *memoryHold) abort(ctx context.Context, id int) error {
	return h.request(ctx, "abort", "", func() error {
		delete(h.memory.uploads, id)
		return nil
	})
}

// Probe takes seven requests, as it does on a real store: a put, one that must be refused, an upload in parts whose
// commit must be refused, and a tidy end. On a record that is there it takes six.
func (h *memoryHold) Probe(ctx context.Context, dir string, there *store.Record) error {
	own := path.Join(dir, fmt.Sprintf(".tw2parquet-probe-%d", h.id))
	name := own
	var data []byte
	if there != nil {
		name, data = there.Name, there.Data
	}
	for there == nil {
		err := h.Put(ctx, name, []byte("probe"), store.Private)
		if err == nil || errors.Is(err, fs.ErrExist) {
			break // by an attempt whose answer was lost
		}
		if !errors.Is(err, store.ErrUnclear) {
			return err
		}
	}
	u := &memoryUpload{hold: h, name: name}
	steps := []func() error{
		func() error { return h.Put(ctx, name, data, store.Private) },
		func() error {
			if err := u.part(ctx, true); err != nil {
				return err
			}
			return u.Commit(ctx)
		},
	}
	defer u.Discard()
	for _, step := range steps {
		if err := step(); err == nil {
			return &store.Error{Op: "probe", Path: h.Path(name), Err: errors.New("an object was replaced")}
		} else if !errors.Is(err, fs.ErrExist) && !errors.Is(err, store.ErrUnclear) {
			return err
		}
	}
	return h.Remove(ctx, own)
}

func (h *memoryHold) Create(ctx context.Context, name string, _ store.Access) (store.Upload, error) {
	return &memoryUpload{hold: h, name: name}, ctx.Err()
}

func (h *memoryHold) Put(ctx context.Context, name string, data []byte, _ store.Access) error {
	data = bytes.Clone(data)
	return h.request(ctx, "put", name, func() error { return h.memory.put(name, data) })
}

func (h *memoryHold) Remove(ctx context.Context, name string) error {
	return h.request(ctx, "remove", "", func() error {
		delete(h.memory.objects, name)
		return nil
	})
}

// memoryUpload sends its bytes in parts, which nobody sees until they are committed.
type memoryUpload struct {
	hold   *memoryHold
	name   string
	data   bytes.Buffer
	sent   int // bytes in parts
	id     int // of the upload; 0: it has not begun
	sealed bool
	ended  bool
}

var errEnded = errors.New("the upload has ended")

func (u *memoryUpload) Write(p []byte) (int, error) {
	if u.ended || u.sealed {
		return 0, errEnded
	}
	n, _ := u.data.Write(p)
	return n, u.part(context.Background(), false)
}

// part sends the parts that are full, or all there is.
func (u *memoryUpload) part(ctx context.Context, all bool) error {
	m := u.hold.memory
	size := m.Part
	if size == 0 {
		size = 8 << 20
	}
	for u.data.Len()-u.sent >= size || all {
		if u.id == 0 {
			err := u.hold.request(ctx, "create", "", func() error {
				m.count++
				u.id = m.count
				m.uploads[u.id] = &multipart{name: u.name, hold: u.hold.id, began: m.now()}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := u.hold.request(ctx, "part", "", func() error { return nil }); err != nil {
			return err
		}
		u.sent = min(u.sent+size, u.data.Len())
		all = all && u.sent < u.data.Len()
	}
	return nil
}

func (u *memoryUpload) Seal(ctx context.Context) error {
	if u.ended {
		return errEnded
	}
	u.sealed = true
	return ctx.Err()
}

// Commit may be called again after ErrUnclear.
func (u *memoryUpload) Commit(ctx context.Context) error {
	if err := u.Seal(ctx); err != nil {
		return err
	}
	m, id, data := u.hold.memory, u.id, u.data.Bytes()
	if id == 0 {
		err := u.hold.request(ctx, "put", u.name, func() error { return m.put(u.name, data) })
		u.ended = err == nil
		return err
	}
	if u.sent < len(data) {
		if err := u.part(ctx, true); err != nil {
			return err
		}
	}
	err := u.hold.request(ctx, "complete", u.name, func() error {
		if m.uploads[id] == nil && m.objects[u.name] == nil {
			return &store.Error{Op: "complete", Path: m.Path(u.name), Err: errors.New("no such upload")}
		}
		err := m.put(u.name, data)
		if err == nil {
			delete(m.uploads, id)
		}
		return err
	})
	u.ended = err == nil
	return err
}

// Discard is quick where nothing was sent. The context of whoever gives up may have ended.
func (u *memoryUpload) Discard() {
	if u.id != 0 && !u.ended {
		_ = u.hold.abort(context.Background(), u.id) // the next start finds it, once it is old
	}
	u.ended = true
}
