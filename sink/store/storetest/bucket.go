package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// Bucket is an object store in memory for what is built on object.Bucket. Tests break it between a request
// and what it does, and between that and the answer.
type Bucket struct {
	mu      sync.Mutex
	objects map[string]object.Object
	bodies  map[string][]byte
	uploads map[string]*bucketUpload
	count   int

	// Before is asked about each request before it is executed; an error is its answer. It may block.
	Before func(ctx context.Context, op, key string) error
	// After is asked about each request that was executed without an error; an error is its answer.
	After func(ctx context.Context, op, key string) error
	// Page is how many names one page of a listing has; 0: 1,000.
	Page int
	// Careless are the operations, "PutObject" and "CompleteMultipartUpload", that ignore their condition.
	Careless map[string]bool
	// InOrder makes uploads that take their parts one after another.
	InOrder bool
	// Requests counts them by operation.
	Requests map[string]int
}

type bucketUpload struct {
	bucket *Bucket
	object.Unfinished
	parts map[int][]byte
	sum   bytes.Buffer // what Sum was told
}

// NewBucket is an empty one.
func NewBucket() *Bucket {
	return &Bucket{
		objects: map[string]object.Object{}, bodies: map[string][]byte{}, uploads: map[string]*bucketUpload{},
		Requests: map[string]int{},
	}
}

// Unreachable is the error of a request that had no answer.
func Unreachable(op, key string) error {
	return &store.RemoteError{Op: op, URL: "memory://" + key, Class: store.Unavailable, Err: errors.New("connection reset by peer")}
}

// SlowDown is the answer of a store that has too much to do.
func SlowDown(op, key string) error {
	return &store.RemoteError{Op: op, URL: "memory://" + key, Class: store.Unavailable, Status: http.StatusServiceUnavailable, Reason: "SlowDown"}
}

// do executes one request.
func (b *Bucket) do(ctx context.Context, op, key string, request func() error) error {
	b.mu.Lock()
	b.Requests[op]++
	b.mu.Unlock()
	if b.Before != nil {
		if err := b.Before(ctx, op, key); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return &store.RemoteError{Op: op, URL: b.URL(key), Class: store.Unavailable, Err: context.Cause(ctx)}
	}
	b.mu.Lock()
	err := request()
	b.mu.Unlock()
	if err == nil && b.After != nil {
		return b.After(ctx, op, key)
	}
	return err
}

// Sent is how many requests were sent.
func (b *Bucket) Sent() (all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.Requests {
		all += n
	}
	return all
}

// Files are all objects with their bytes.
func (b *Bucket) Files() map[string][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.bodies)
}

// Open are the keys of the uploads that are not finished.
func (b *Bucket) Open() (keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.uploads {
		keys = append(keys, u.Key)
	}
	slices.Sort(keys)
	return keys
}

// URL is not one that anybody could open.
func (b *Bucket) URL(key string) string { return "memory://" + key }

// Close does nothing.
func (b *Bucket) Close() error { return nil }

// create is the conditional step. Its caller has the lock.
func (b *Bucket) create(op, key string, body []byte) error {
	if _, ok := b.objects[key]; ok && !b.Careless[op] {
		return fs.ErrExist
	}
	b.count++
	b.objects[key] = object.Object{Key: key, Size: int64(len(body)), ID: strconv.Itoa(b.count)}
	b.bodies[key] = body
	return nil
}

// Put is PutObject.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	return b.do(ctx, "PutObject", key, func() error { return b.create("PutObject", key, bytes.Clone(body)) })
}

// Begin is CreateMultipartUpload.
func (b *Bucket) Begin(ctx context.Context, key string) (m object.Multipart, err error) {
	err = b.do(ctx, "CreateMultipartUpload", key, func() error {
		b.count++
		u := &bucketUpload{bucket: b, parts: map[int][]byte{}}
		u.Unfinished = object.Unfinished{Key: key, ID: strconv.Itoa(b.count), Begun: time.Now()}
		b.uploads[u.Unfinished.ID] = u
		m = u
		return nil
	})
	return m, err
}

func (u *bucketUpload) ID() string      { return u.Unfinished.ID }
func (u *bucketUpload) Serial() bool    { return u.bucket.InOrder }
func (u *bucketUpload) Sum(body []byte) { u.sum.Write(body) }

func (u *bucketUpload) Part(ctx context.Context, n int, body []byte) error {
	return u.bucket.do(ctx, "UploadPart", u.Key, func() error {
		if u.bucket.uploads[u.Unfinished.ID] == nil {
			return object.ErrNoUpload
		}
		u.parts[n] = bytes.Clone(body)
		return nil
	})
}

func (u *bucketUpload) Complete(ctx context.Context) error {
	b := u.bucket
	return b.do(ctx, "CompleteMultipartUpload", u.Key, func() error {
		if b.uploads[u.Unfinished.ID] == nil {
			return object.ErrNoUpload
		}
		var body []byte
		for n := range len(u.parts) {
			part, ok := u.parts[n+1]
			if !ok || n+1 < len(u.parts) && len(part) != len(u.parts[1]) {
				return &store.RemoteError{Op: "CompleteMultipartUpload", URL: b.URL(u.Key), Status: http.StatusBadRequest, Reason: "InvalidPart"}
			}
			body = append(body, part...)
		}
		if !bytes.Equal(body, u.sum.Bytes()) {
			return &store.RemoteError{Op: "CompleteMultipartUpload", URL: b.URL(u.Key), Status: http.StatusBadRequest, Reason: "BadDigest"}
		}
		err := b.create("CompleteMultipartUpload", u.Key, body)
		if err == nil {
			delete(b.uploads, u.Unfinished.ID)
		}
		return err
	})
}

func (u *bucketUpload) Abort(ctx context.Context) error {
	return u.bucket.Abort(ctx, u.Unfinished)
}

// Abort is AbortMultipartUpload.
func (b *Bucket) Abort(ctx context.Context, u object.Unfinished) error {
	return b.do(ctx, "AbortMultipartUpload", u.Key, func() error {
		delete(b.uploads, u.ID)
		return nil
	})
}

// Unfinished is ListMultipartUploads.
func (b *Bucket) Unfinished(ctx context.Context, prefix, token string) (page []object.Unfinished, next string, now time.Time, err error) {
	err = b.do(ctx, "ListMultipartUploads", prefix, func() error {
		for id, u := range b.uploads {
			if strings.HasPrefix(u.Key, prefix) && id > token {
				page = append(page, u.Unfinished)
			}
		}
		slices.SortFunc(page, func(x, y object.Unfinished) int { return strings.Compare(x.ID, y.ID) })
		if size := b.page(); len(page) > size {
			page, next = page[:size], page[size-1].ID
		}
		return nil
	})
	return page, next, time.Now(), err
}

func (b *Bucket) page() int {
	if b.Page == 0 {
		return 1000
	}
	return b.Page
}

// Get is GetObject.
func (b *Bucket) Get(ctx context.Context, key string, p []byte, off int64) error {
	return b.do(ctx, "GetObject", key, func() error {
		body, ok := b.bodies[key]
		switch {
		case !ok:
			return fs.ErrNotExist
		case off > int64(len(body)) || copy(p, body[off:]) < len(p):
			return io.ErrUnexpectedEOF
		}
		return nil
	})
}

// List is ListObjectsV2. Its token is the last key of the page before.
func (b *Bucket) List(ctx context.Context, prefix, token string) (page []object.Object, next string, err error) {
	err = b.do(ctx, "ListObjectsV2", prefix, func() error {
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			if !strings.HasPrefix(key, prefix) || key <= token {
				continue
			}
			if len(page) == b.page() {
				next = page[len(page)-1].Key
				return nil
			}
			page = append(page, b.objects[key])
		}
		return nil
	})
	return page, next, err
}

// Delete is DeleteObject.
func (b *Bucket) Delete(ctx context.Context, key, id string) error {
	return b.do(ctx, "DeleteObject", key, func() error {
		o, ok := b.objects[key]
		if ok && id != "" && o.ID != id {
			return object.ErrChanged
		}
		delete(b.objects, key)
		delete(b.bodies, key)
		return nil
	})
}

// Replace writes an object as somebody would who asks for no condition.
func (b *Bucket) Replace(key, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
	if err := b.create("PutObject", key, []byte(text)); err != nil {
		panic(fmt.Sprint("the key was free: ", err))
	}
}
