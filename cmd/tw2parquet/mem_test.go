package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// These tests have object stores of their own: mem://bucket/prefix is a prefix of a storetest.Memory.

// bucket is one of them.
type bucket struct {
	*storetest.Memory
	name    string
	opens   atomic.Int64
	windows atomic.Int64 // that it was opened for
	fetched string       // a credential that opening it fetches
	reads   atomic.Int64
	lists   atomic.Int64

	query   atomic.Pointer[string]                // of the last URL that opened it
	refuse  func(op, name string) error           // what an operation fails with, or nil
	loose   atomic.Bool                           // it ignores conditional writes
	version func(name string, data []byte) string // of an object; nil: the hash of its bytes
}

var (
	bucketsMu sync.Mutex
	known     = map[string]*bucket{}
)

func init() {
	stores["mem"] = func(_ context.Context, u *url.URL, how opening) (store.Store, error) {
		bucketsMu.Lock()
		b := known[u.Host]
		bucketsMu.Unlock()
		if b == nil {
			return nil, refusal{"store_missing", "there is no bucket " + u.Host, "create it", false, fs.ErrNotExist}
		}
		if u.Query().Has("nonsense") {
			return nil, errors.New("there is no parameter nonsense")
		}
		b.opens.Add(1)
		b.windows.Store(int64(how.windows))
		if b.fetched != "" {
			how.secret(b.fetched)
		}
		b.query.Store(&u.RawQuery)
		prefix := strings.TrimPrefix(u.Path, "/")
		if prefix != "" {
			prefix += "/"
		}
		return within{b, prefix, how.log}, nil
	}
}

// newBucket makes an empty one.
func newBucket(t testing.TB) *bucket {
	t.Helper()
	sum := sha256.Sum256([]byte(t.Name()))
	bucketsMu.Lock()
	defer bucketsMu.Unlock()
	name := fmt.Sprintf("b%x-%d", sum[:4], len(known))
	b := &bucket{Memory: storetest.NewMemory(), name: name}
	known[name] = b
	return b
}

// url is that of a key in the bucket.
func (b *bucket) url(key string) string { return "mem://" + b.name + "/" + key }

// put stores an object.
func (b *bucket) put(t *testing.T, name string, data []byte) {
	t.Helper()
	h, err := b.Hold(t.Context(), "")
	if err == nil {
		err = errors.Join(h.Remove(t.Context(), name), h.Put(t.Context(), name, data, store.Public))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bucket) refused(op, name string) error {
	if b.refuse == nil {
		return nil
	}
	return b.refuse(op, name)
}

// refusal is how the drivers of object stores say what is wrong.
type refusal struct {
	code, message, advice string
	again                 bool
	err                   error
}

func (e refusal) Error() string   { return e.message + " (" + e.advice + ")" }
func (e refusal) Code() string    { return e.code }
func (e refusal) Advice() string  { return e.advice }
func (e refusal) Retryable() bool { return e.again }
func (e refusal) Unwrap() error   { return e.err }

// within is what lies below a prefix of a bucket.
type within struct {
	*bucket
	prefix string
	log    *slog.Logger
}

// refused is the bucket's refusal, which is also logged, as SDKs do.
func (w within) refused(op, name string) error {
	err := w.bucket.refused(op, name)
	if err != nil {
		slog.Debug("refused by default", "url", "https://b/"+name+"?X-Amz-Signature=f00dcafe00112233445566778899aabbccddeeff")
		w.log.Debug("refused", "op", op, "error", err, "url", "https://b/"+name+"?X-Amz-Signature=f00dcafe00112233445566778899aabbccddeeff")
	}
	return err
}

func (w within) Path(name string) string { return w.url(w.prefix + name) }
func (w within) Close() error            { return nil }

func (w within) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		w.lists.Add(1)
		if err := w.refused("list", w.prefix+prefix); err != nil {
			yield(store.Entry{}, err)
			return
		}
		for e, err := range w.Memory.List(ctx, w.prefix+prefix) {
			e.Name = strings.TrimPrefix(e.Name, w.prefix)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (w within) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	w.reads.Add(1)
	if err := w.refused("read", w.prefix+name); err != nil {
		return err
	}
	return w.Memory.ReadAt(ctx, w.prefix+name, p, off)
}

// Version is the hash of an object.
func (w within) Version(_ context.Context, name string) (string, error) {
	if err := w.refused("head", w.prefix+name); err != nil {
		return "", err
	}
	data := w.Files()[w.prefix+name]
	if w.version != nil {
		return w.version(name, data), nil
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func (w within) Hold(ctx context.Context, dir string) (store.Hold, error) {
	if err := w.refused("hold", w.prefix+dir); err != nil {
		return nil, err
	}
	h, err := w.Memory.Hold(ctx, path.Join(w.prefix, dir))
	return heldWithin{h, w}, err
}

type heldWithin struct {
	store.Hold
	w within
}

func (h heldWithin) Probe(ctx context.Context, dir string, there *store.Record) error {
	if err := h.w.refused("probe", h.w.prefix+dir); err != nil {
		return err
	}
	if h.w.loose.Load() {
		return &store.Error{Op: "probe", Path: h.w.Path(dir), Err: store.ErrWithoutConditions}
	}
	if there != nil {
		there = &store.Record{Name: h.w.prefix + there.Name, Data: there.Data}
	}
	return h.Hold.Probe(ctx, path.Join(h.w.prefix, dir), there)
}

func (h heldWithin) Clear(ctx context.Context, prefixes ...string) (int, error) {
	if err := h.w.refused("uploads", h.w.prefix); err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnswept, err)
	}
	return h.Hold.Clear(ctx, prefixes...)
}

func (h heldWithin) Create(ctx context.Context, name string, access store.Access) (store.Upload, error) {
	if err := h.w.refused("create", h.w.prefix+name); err != nil {
		return nil, err
	}
	return h.Hold.Create(ctx, h.w.prefix+name, access)
}

func (h heldWithin) Put(ctx context.Context, name string, data []byte, access store.Access) error {
	if err := h.w.refused("put", h.w.prefix+name); err != nil {
		return err
	}
	return h.Hold.Put(ctx, h.w.prefix+name, data, access)
}

func (h heldWithin) Remove(ctx context.Context, name string) error {
	if err := h.w.refused("remove", h.w.prefix+name); err != nil {
		return err
	}
	return h.Hold.Remove(ctx, h.w.prefix+name)
}
