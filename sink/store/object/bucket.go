// Package object makes an output of a bucket. It is the one implementation of store.Store for object stores: a
// driver has to know how its store does nine things, and nothing of uploads, retries, memory or probes.
//
// An upload is sent while it is written, in parts that nobody sees, and becomes visible in one conditional
// request. There is nothing that keeps a second process out: a name that is taken does.
package object

import (
	"context"
	"errors"
	"time"
)

// PartSize is what one part of an upload has. All parts but the last have exactly this size, which is a
// multiple of what any store asks for (Google Cloud Storage: 256 KiB). What is shorter is put in one request.
const PartSize = 8 << 20

// Bucket is what a driver does. Each method is one request, or few where a store needs more, and is
// called by several goroutines at once. Nothing is retried below this interface: a driver turns the retries of its
// library off, because a retry that its caller does not see turns a lost answer into "taken". A body is the
// caller's again as soon as the method returns, whatever it returns.
//
// Keys are whole: the prefix of the output is part of them. Errors are one of these, alone or wrapped:
//
//	fs.ErrExist           the key is taken
//	fs.ErrNotExist        there is no such object
//	io.ErrUnexpectedEOF   the object ends before the bytes that were asked for
//	ErrConflict           somebody else is writing this key right now; ask again
//	ErrNoUpload           the upload was aborted, or has been completed before
//	ErrChanged            Delete: the object is not the one that was meant
//	*store.RemoteError    anything else, classified, and without a secret; Status is 0 where no answer came.
//	                      Its Err is none of the above, which a broken connection could seem to be
//
// The caller bounds each request with ctx, whose context.Cause says why it ended, and treats an error as an answer that was lost unless it is one of
// the first six or has a Status below 500. A driver therefore returns the first six only if the store said so.
type Bucket interface {
	// URL is what a person would look for under a key, "s3://bucket/key". It holds no secret.
	URL(key string) string
	// Put creates an object, if the key is free.
	Put(ctx context.Context, key string, body []byte) error
	// Begin begins an upload of parts.
	Begin(ctx context.Context, key string) (Multipart, error)
	// Get fills p from the byte position off. p is never empty.
	Get(ctx context.Context, key string, p []byte, off int64) error
	// List describes one page of the objects whose key begins with prefix, sorted by key. The first page has the
	// token "", and the last one the next token "".
	List(ctx context.Context, prefix, token string) (page []Object, next string, err error)
	// Delete deletes an object. With an id it does so only if the object is still the one that List described,
	// where the store can: ErrChanged if it is not. An object that is gone is fine.
	Delete(ctx context.Context, key, id string) error
	// Unfinished describes one page of the uploads whose key begins with prefix, and tells what the
	// store's clock says. A store that forgets uploads by itself describes none, and sends no request.
	Unfinished(ctx context.Context, prefix, token string) (page []Unfinished, next string, now time.Time, err error)
	// Abort ends an upload that Unfinished described. One that is gone is fine.
	Abort(ctx context.Context, u Unfinished) error
	// Close frees connections.
	Close() error
}

// Multipart is an upload of parts. Nobody sees it before Complete, and its errors are those of Bucket.
type Multipart interface {
	// ID is that of Unfinished; "" where a store has no such thing.
	ID() string
	// Serial tells that the parts have to be sent one after another, in order. Otherwise Part is called by several
	// goroutines at once.
	Serial() bool
	// Sum is told the bytes of all parts in their order, each before its Part, by one goroutine, for stores that
	// check the whole object in the end.
	Sum(body []byte)
	// Part sends part number n, counted from 1. It may be called again for the same part with the same bytes.
	Part(ctx context.Context, n int, body []byte) error
	// Complete makes the object of all parts, if the key is free. It may be called again after an answer
	// that was lost, and then ErrNoUpload or fs.ErrExist may be due to the first call.
	Complete(ctx context.Context) error
	// Abort gives the upload up. One that is gone is fine.
	Abort(ctx context.Context) error
}

// Object is one object of a listing.
type Object struct {
	Key  string
	Size int64
	ID   string // changes whenever the object is written: an ETag, a generation
}

// Unfinished is an upload that was neither completed nor aborted.
type Unfinished struct {
	Key   string
	ID    string
	Begun time.Time // by the store's clock
}

// ErrConflict says that somebody else was writing the same key.
var ErrConflict = errors.New("the object is being changed by somebody else")

// ErrChanged says that an object is not the one that was seen.
var ErrChanged = errors.New("the object was changed by somebody else")

// ErrNoUpload says that there is no such upload any more.
var ErrNoUpload = errors.New("the upload is gone")
