package object

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"sync"
	"time"

	"tw2parquet/sink/store"
)

// hold is the right to write, which anybody can have.
type hold struct {
	*objects
	dir, own string
	once     sync.Once
}

func (h *hold) Exclusive() bool { return false }

func (h *hold) Close() error {
	h.once.Do(func() { h.release(h.own) })
	return nil
}

// Prepare has nothing to do: there are no directories.
func (h *hold) Prepare(ctx context.Context, _ ...string) error { return ctx.Err() }

// abandonedAfter is the age at which an upload of another process is taken for dead. A twin's may be hours
// old; one that was ended all the same begins again at the last file.
const abandonedAfter = 24 * time.Hour

// Clear ends uploads that dead processes left. They are seen by nobody, but cost money.
func (h *hold) Clear(ctx context.Context, prefixes ...string) (removed int, err error) {
	for _, prefix := range append([]string{h.dir + "/"}, prefixes...) {
		n, err := h.clear(ctx, h.key(prefix))
		removed += n
		var remote *store.RemoteError
		if errors.As(err, &remote) && (remote.Class == store.Denied || remote.Status == http.StatusNotImplemented) {
			return removed, fmt.Errorf("%w: %w", store.ErrUnswept, err)
		}
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (h *hold) clear(ctx context.Context, prefix string) (removed int, err error) {
	for token := ""; ; {
		var page []Unfinished
		var next string
		var now time.Time
		_, err := h.try(ctx, 0, func(ctx context.Context) (err error) {
			page, next, now, err = h.bucket.Unfinished(ctx, prefix, token)
			return err
		})
		if err != nil {
			return removed, err
		}
		for _, u := range page {
			if now.Sub(u.Begun) < abandonedAfter || h.isAlive(u.ID) {
				continue
			}
			if _, err := h.try(ctx, 0, func(ctx context.Context) error { return h.bucket.Abort(ctx, u) }); err != nil {
				return removed, err
			}
			removed++
		}
		if next == "" {
			return removed, nil
		}
		token = next
	}
}

// Put settles what it can: after an answer that was lost, an object with the very same bytes is success. Two
// processes that have to know which of them was first put something random into their records.
func (h *hold) Put(ctx context.Context, name string, data []byte, _ store.Access) error {
	unclear, err := h.put(ctx, h.key(name), data)
	if err == nil || !unclear {
		return err
	}
	there, rerr := store.ReadRecord(ctx, h, name, int64(len(data)))
	switch {
	case rerr == nil && bytes.Equal(there, data):
		return nil
	case rerr == nil || errors.Is(rerr, store.ErrUnfit):
		return h.named("put", h.key(name), fs.ErrExist)
	}
	return err
}

// put creates an object in one request. Its errors are those of Commit.
func (s *objects) put(ctx context.Context, key string, body []byte) (unclear bool, err error) {
	unclear, err = s.try(ctx, len(body), func(ctx context.Context) error { return s.bucket.Put(ctx, key, body) })
	return unclear, s.outcome(key, unclear, err)
}

// outcome is the error of a commit. After an answer that was lost, "taken" may be due to that very commit.
func (s *objects) outcome(key string, unclear bool, err error) error {
	switch {
	case err == nil || !unclear:
		return s.named("put", key, err)
	case errors.Is(err, fs.ErrExist), errors.Is(err, ErrNoUpload):
		return &store.Error{Op: "put", Path: s.bucket.URL(key), Err: store.ErrUnclear}
	}
	return fmt.Errorf("put %s: %w: %w", s.bucket.URL(key), store.ErrUnclear, err)
}

// Remove deletes what was seen. What somebody put in its place meanwhile stays.
func (h *hold) Remove(ctx context.Context, name string) error {
	key := h.key(name)
	h.mu.Lock()
	id := h.seen[key]
	h.mu.Unlock()
	_, err := h.try(ctx, 0, func(ctx context.Context) error { return h.bucket.Delete(ctx, key, id) })
	return h.named("remove", key, err)
}

func (h *hold) Create(ctx context.Context, name string, _ store.Access) (store.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return newUpload(ctx, h.objects, h.key(name)), nil
}

// Probe takes six requests on a record that is there, of which the last tells whether objects may be deleted. A store that
// does not refuse the record has replaced it by itself. Where that happens, or an answer is lost, which the same bytes
// cannot settle, an object of its own decides.
//
// That takes seven. Its name is that of the run, so that the next start removes what a process leaves that
// dies meanwhile. A twin that probes at the same time may remove it early, which looks as if the store did
// not refuse: a second look, at a name that nobody else has, decides.
func (h *hold) Probe(ctx context.Context, dir string, there *store.Record) error {
	var id [8]byte
	rand.Read(id[:]) // never fails
	p := probe{h, h.key(path.Join(dir, ".tw2parquet-"+h.own)), hex.EncodeToString(id[:])}
	var err error
	if there != nil {
		if err = p.ask(ctx, h.key(there.Name), there.Data, there.Data); err == nil {
			err = p.remove(ctx)
		}
	}
	if there == nil || errors.Is(err, store.ErrWithoutConditions) {
		err = p.run(ctx)
	}
	if errors.Is(err, store.ErrWithoutConditions) {
		p.key += "-" + p.id
		err = p.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("the output cannot be written: %w", err)
	}
	return nil
}

// probe is a name that is taken, and then asked for again.
type probe struct {
	*hold
	key, id string
}

// run takes a name of its own.
func (p *probe) run(ctx context.Context) (err error) {
	unclear, err := p.put(ctx, p.key, p.body(1))
	if err != nil && !unclear && !errors.Is(err, fs.ErrExist) {
		return err
	}
	defer func() { err = errors.Join(err, p.remove(context.WithoutCancel(ctx))) }()
	return p.ask(ctx, p.key, p.body(2), p.body(3))
}

// remove removes the probe's own object, if there is one.
func (p *probe) remove(ctx context.Context) error {
	_, err := p.try(ctx, 0, func(ctx context.Context) error { return p.bucket.Delete(ctx, p.key, "") })
	return p.named("remove", p.key, err)
}

// ask asks for a name that is taken in both ways in which files get theirs. There are stores that refuse the one and not
// the other.
func (p *probe) ask(ctx context.Context, key string, put, completed []byte) error {
	_, err := p.put(ctx, key, put)
	if err := p.refused(ctx, "PUT", key, put, err); err != nil {
		return err
	}
	u := newUpload(ctx, p.objects, key)
	defer u.Discard()
	if err := u.begin(); err != nil {
		return err
	}
	u.buf = completed
	return p.refused(ctx, "completed upload", key, completed, u.Commit(ctx))
}

func (p *probe) body(n int) []byte { return fmt.Appendf(nil, "%s %d", p.id, n) }

// refused judges the answer to what had to be refused. If that was lost, what is there tells.
func (p *probe) refused(ctx context.Context, what, key string, body []byte, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, store.ErrUnclear):
		there := make([]byte, len(body))
		_, rerr := p.try(ctx, len(body), func(ctx context.Context) error { return p.bucket.Get(ctx, key, there, 0) })
		if rerr != nil {
			return errors.Join(err, p.named("read", key, rerr))
		}
		if !bytes.Equal(there, body) {
			return nil
		}
	case err != nil:
		return err
	}
	return &store.RemoteError{Op: "probe", URL: p.bucket.URL(key), Class: store.WithoutConditions,
		Err:    fmt.Errorf("%w: a %s replaced an object that was there", store.ErrWithoutConditions, what),
		Advice: "two processes could overwrite each other's files; choose a store that honours If-None-Match"}
}

func (s *objects) isAlive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}
