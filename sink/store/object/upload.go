package object

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink/store"
)

// upload is an object on its way. Its first part is kept until there is a second one: what fits into one part
// is put in one request.
type upload struct {
	store *objects
	key   string
	// ctx bounds the parts, which are sent between calls. It ends with Discard.
	ctx    context.Context
	cancel context.CancelCauseFunc

	multi   Multipart // nil before the first part is sent
	buf     []byte    // what is not sent yet
	parts   int       // how many were handed over
	sealed  bool
	ended   error         // why nothing can be done any more
	own     chan struct{} // one for each of its parts on its way
	sending sync.WaitGroup

	mu     sync.Mutex
	failed error // of the first part that could not be sent
}

// maxParts is S3's limit. Others allow more.
const maxParts = 10_000

// abortTime is how long a Discard may take, since it also happens at the very end of a process.
const abortTime = 10 * time.Second

var (
	errDiscarded = errors.New("the upload was given up")
	errSealed    = errors.New("the upload is sealed")
	errCommitted = errors.New("the upload was committed")
)

func newUpload(ctx context.Context, s *objects, key string) *upload {
	u := &upload{store: s, key: key}
	u.ctx, u.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return u
}

func (u *upload) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if err := u.usable(); err != nil {
			return n, err
		}
		if u.sealed {
			return n, errSealed
		}
		if len(u.buf) == u.store.parts.part {
			if err := u.send(); err != nil {
				return n, err
			}
		}
		if len(u.buf) == cap(u.buf) {
			u.buf = u.store.parts.grow(u.buf, u.multi != nil)
		}
		some := min(len(p), cap(u.buf)-len(u.buf))
		u.buf = append(u.buf, p[:some]...)
		p, n = p[some:], n+some
	}
	return n, nil
}

// usable is the reason why nothing can be done, or nil.
func (u *upload) usable() error {
	if u.ended != nil {
		return u.ended
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failed
}

// fail keeps the first failure. The upload is lost with it.
func (u *upload) fail(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = err
	}
	return u.failed
}

// begin is the first request of an upload of parts.
func (u *upload) begin() error {
	_, err := u.store.try(u.ctx, 0, func(ctx context.Context) (err error) {
		u.multi, err = u.store.bucket.Begin(ctx, u.key)
		return err
	})
	if err != nil {
		u.multi = nil
		return u.fail(u.store.named("begin", u.key, err))
	}
	u.store.alive(u.multi.ID(), true)
	u.own = make(chan struct{}, inFlight)
	if u.multi.Serial() {
		u.own = make(chan struct{}, 1)
	}
	return nil
}

// send hands the buffer over, as the next part. It waits while as many as may be are on their way.
func (u *upload) send() error {
	if u.multi == nil {
		if err := u.begin(); err != nil {
			return err
		}
	}
	if u.parts == maxParts {
		return u.fail(&store.Error{Op: "write", Path: u.store.bucket.URL(u.key),
			Err: fmt.Errorf("a file has at most %d parts of %d MiB", maxParts, u.store.parts.part>>20), Hint: "choose a smaller --file-size"})
	}
	u.multi.Sum(u.buf)
	select {
	case u.own <- struct{}{}:
	case <-u.ctx.Done():
		return u.fail(context.Cause(u.ctx))
	}
	if err := u.store.parts.enter(u.ctx); err != nil {
		<-u.own
		return u.fail(err)
	}
	if err := u.usable(); err != nil { // one of those that were waited for failed
		<-u.own
		u.store.parts.leave()
		return err
	}
	u.parts++
	n, body := u.parts, u.buf
	u.buf = nil
	u.sending.Go(func() {
		err := bug.Guard(func() error {
			_, err := u.store.try(u.ctx, len(body), func(ctx context.Context) error { return u.multi.Part(ctx, n, body) })
			return u.store.named(fmt.Sprintf("send part %d of", n), u.key, err)
		})
		if err != nil {
			u.cancel(u.fail(err)) // the others are in vain
		}
		u.store.parts.give(body)
		u.store.parts.leave()
		<-u.own
	})
	return nil
}

// Seal waits until all parts have arrived. What fits into one request has nowhere to wait unseen, and is sent
// with its name.
func (u *upload) Seal(ctx context.Context) error {
	if err := u.usable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.multi != nil && !u.sealed && len(u.buf) > 0 {
		if err := u.send(); err != nil {
			return err
		}
	}
	u.sealed = true
	arrived := make(chan struct{})
	go func() {
		u.sending.Wait()
		close(arrived)
	}()
	select {
	case <-arrived:
		return u.usable()
	case <-ctx.Done():
		return ctx.Err() // the parts go on until Discard
	}
}

// Commit is one conditional request.
func (u *upload) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := u.Seal(ctx); err != nil {
		return err
	}
	unclear, err := false, error(nil)
	if u.multi == nil {
		unclear, err = u.store.put(ctx, u.key, u.buf)
	} else {
		unclear, err = u.complete(ctx)
	}
	switch {
	case err == nil:
		u.ended = errCommitted
		u.release()
	case unclear:
		u.ended = err // a second one might succeed where the first one did, and nobody could tell
	}
	return err
}

// complete makes the object of its parts. A conflict is a race for the name. S3 then wants the upload again
// from its beginning, which is gone, and others just finish the race: the caller looks who won.
func (u *upload) complete(ctx context.Context) (unclear bool, err error) {
	raced := false
	unclear, err = u.store.try(ctx, 0, func(ctx context.Context) error {
		err := u.multi.Complete(ctx)
		raced = raced || errors.Is(err, ErrConflict)
		return err
	})
	unclear = unclear || raced && (errors.Is(err, ErrConflict) || errors.Is(err, ErrNoUpload))
	return unclear, u.store.outcome(u.key, unclear, err)
}

// release forgets the buffer and the upload.
func (u *upload) release() {
	u.store.parts.give(u.buf)
	u.buf = nil
	if u.multi != nil {
		u.store.alive(u.multi.ID(), false)
	}
	u.cancel(errCommitted)
}

// Discard first ends what is on its way, so that no part arrives after the upload was aborted: S3 would keep it.
func (u *upload) Discard() {
	if errors.Is(u.ended, errCommitted) || errors.Is(u.ended, errDiscarded) {
		return
	}
	u.ended = errDiscarded
	u.cancel(errDiscarded)
	u.sending.Wait()
	if u.multi != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTime)
		defer cancel()
		if _, err := u.store.try(ctx, 0, u.multi.Abort); err != nil {
			u.store.log.Warn("an upload could not be aborted; a start of the same run removes it a day later", "object", u.store.bucket.URL(u.key), "error", err)
		}
	}
	u.release()
}
