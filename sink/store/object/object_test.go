package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore_KeepsThePromises(t *testing.T) {
	for name, inOrder := range map[string]bool{"parts at once": false, "parts in order": true} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				b := storetest.NewBucket()
				b.Page, b.InOrder = 7, inOrder
				return storetest.Subject{
					Open:       func(t *testing.T) store.Store { return object.New(t.Context(), b, "/a/prefix/", object.Config{}) },
					LoseAnswer: func() { b.After = first(1, storetest.Unreachable, "PutObject", "CompleteMultipartUpload") },
					PageSize:   b.Page,
				}
			})
		})
	}
}

// first makes the first n requests of these operations fail.
func first(n int, answer func(op, key string) error, ops ...string) func(context.Context, string, string) error {
	var mu sync.Mutex
	return func(_ context.Context, op, key string) error {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 || !slices.Contains(ops, op) {
			return nil
		}
		n--
		return answer(op, key)
	}
}

// subject is a store with a hold that is ready to be written with.
type subject struct {
	*testing.T
	ctx    context.Context
	bucket *storetest.Bucket
	store  store.Store
	hold   store.Hold
	log    bytes.Buffer
}

const (
	prefix = "lake/"
	part   = 4 << 10 // of what is not about memory or time
)

func open(ctx context.Context, t *testing.T, b *storetest.Bucket) *subject {
	t.Helper()
	s := &subject{T: t, ctx: ctx, bucket: b}
	s.store = object.New(ctx, b, prefix, object.Config{Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
	h, err := s.store.Hold(ctx, store.StateDir+"/run1")
	if err != nil {
		t.Fatal(err)
	}
	s.hold = h
	return s
}

// inBubble runs a test on a clock of its own. The store is closed in the end, and nothing of it may still run.
func inBubble(t *testing.T, test func(s *subject)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := open(ctx, t, storetest.NewBucket())
		object.Shrink(s.store, part)
		test(s)
		if err := errors.Join(s.hold.Close(), s.store.Close()); err != nil {
			t.Error(err)
		}
	})
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * i >> 7)
	}
	return p
}

// upload writes size bytes.
func (s *subject) upload(name string, size int) (store.Upload, error) {
	s.Helper()
	u, err := s.hold.Create(s.ctx, name, store.Public)
	if err != nil {
		s.Fatal(err)
	}
	_, err = io.Copy(struct{ io.Writer }{u}, bytes.NewReader(pattern(size)))
	return u, err
}

func (s *subject) commit(name string, size int) error {
	u, err := s.upload(name, size)
	if err == nil {
		err = u.Commit(s.ctx)
	}
	if err != nil {
		u.Discard()
	}
	return err
}

// want holds the bucket against what it should have: sizes by name, of what upload writes.
func (s *subject) want(sizes map[string]int) {
	s.Helper()
	files := s.bucket.Files()
	for name, size := range sizes {
		if !bytes.Equal(files[prefix+name], pattern(size)) {
			s.Errorf("%s has %d bytes that are not the %d written", name, len(files[prefix+name]), size)
		}
	}
	if len(files) != len(sizes) {
		s.Errorf("there is %q", slices.Sorted(maps.Keys(files)))
	}
	if open := s.bucket.Open(); len(open) > 0 {
		s.Errorf("uploads were left: %q", open)
	}
}

// Sizes around the limits of a part, with an upload for what is more than one.
func TestUpload_AllSizes(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 3 << 20, object.PartSize - 1, object.PartSize, object.PartSize + 1, 3 * object.PartSize, 5*object.PartSize + 7} {
		inBubble(t, func(s *subject) {
			object.Shrink(s.store, object.PartSize)
			if err := s.commit("file", size); err != nil {
				t.Fatal(err)
			}
			s.want(map[string]int{"file": size})
			parts := (size + object.PartSize - 1) / object.PartSize
			want := map[string]int{"PutObject": 1}
			if parts > 1 {
				want = map[string]int{"CreateMultipartUpload": 1, "UploadPart": parts, "CompleteMultipartUpload": 1}
			}
			if !maps.Equal(s.bucket.Requests, want) {
				t.Errorf("%d bytes took %v", size, s.bucket.Requests)
			}
		})
	}
}

// Nine and a half minutes of 503 are waited out, and eleven are not, on every kind of request, be it the first. All has
// its limit.
func TestTry_WaitsOutStorms(t *testing.T) {
	for storm, ends := range map[time.Duration]bool{9*time.Minute + 30*time.Second: true, 11 * time.Minute: false} {
		for name, answer := range map[string]func(ctx context.Context, op, key string) error{
			"SlowDown": func(_ context.Context, op, key string) error { return storetest.SlowDown(op, key) },
			"silence": func(ctx context.Context, op, key string) error {
				<-ctx.Done()
				return storetest.Unreachable(op, key)
			},
		} {
			t.Run(fmt.Sprint("first listing ", name, " ", storm), func(t *testing.T) {
				inBubble(t, func(s *subject) {
					begun := time.Now()
					s.bucket.Before = func(ctx context.Context, op, key string) error {
						if time.Since(begun) < storm {
							return answer(ctx, op, key)
						}
						return nil
					}
					var err error
					for _, lerr := range s.store.List(s.ctx, "") {
						err = errors.Join(err, lerr)
					}
					if took := time.Since(begun); (err == nil) != ends || took < 9*time.Minute || took > 11*time.Minute {
						t.Errorf("after %s: %v", took, err)
					}
				})
			})
		}
	}
	for _, op := range []string{"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject", "ListObjectsV2", "DeleteObject", "ListMultipartUploads"} {
		for storm, ends := range map[time.Duration]bool{9*time.Minute + 30*time.Second: true, 11 * time.Minute: false} {
			t.Run(fmt.Sprint(op, " ", storm), func(t *testing.T) {
				inBubble(t, func(s *subject) {
					if err := s.hold.Put(s.ctx, "there", []byte("text"), store.Public); err != nil {
						t.Fatal(err)
					}
					begun := time.Now()
					s.bucket.Before = func(_ context.Context, asked, key string) error {
						if asked == op && time.Since(begun) < storm {
							return storetest.SlowDown(op, key)
						}
						return nil
					}
					err := errors.Join(s.commit("small", 1), s.commit("large", 4*part), s.store.ReadAt(s.ctx, "there", make([]byte, 4), 0))
					for _, lerr := range s.store.List(s.ctx, "") {
						err = errors.Join(err, lerr)
					}
					_, cerr := s.hold.Clear(s.ctx)
					err = errors.Join(err, cerr, s.hold.Remove(s.ctx, "there"))
					if took := time.Since(begun); (err == nil) != ends || took > 11*time.Minute {
						t.Errorf("after %s: %v", took, err)
					}
					var remote *store.RemoteError
					if !ends && (!errors.As(err, &remote) || !remote.Retryable() || remote.Code() != "store_unavailable" || !strings.Contains(err.Error(), "gave up after")) {
						t.Errorf("after the storm: %v", err)
					}
					if open := s.bucket.Open(); len(open) > 0 {
						t.Errorf("left: %q", open)
					}
				})
			})
		}
	}
}

// A wrong address, where nobody takes a connection, is told after a minute, and not after ten.
func TestTry_StoreThatNeverAnswered(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = func(_ context.Context, op, key string) error { return storetest.Unreachable(op, key) }
		begun := time.Now()
		if _, err := store.Stat(s.ctx, s.store, "x"); err == nil || time.Since(begun) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// What is refused is not asked for again.
func TestTry_RefusalsAreFinal(t *testing.T) {
	for class, tries := range map[store.Class]int{
		store.Denied: 1, store.Missing: 1, store.Quota: 1, store.WrongRegion: 1, store.Failed: 1, store.Expired: 3, store.Skew: 3,
	} {
		inBubble(t, func(s *subject) {
			s.bucket.Before = func(_ context.Context, op, key string) error {
				return &store.RemoteError{Op: op, URL: key, Class: class, Status: http.StatusForbidden}
			}
			err := s.hold.Put(s.ctx, "x", nil, store.Private)
			var remote *store.RemoteError
			if !errors.As(err, &remote) || remote.Class != class || errors.Is(err, store.ErrUnclear) || s.bucket.Sent() != tries {
				t.Errorf("%s: %v after %d requests", class, err, s.bucket.Sent())
			}
		})
	}
}

// A request that never ends is ended after a minute and the time its bytes take, and sent again.
func TestTry_RequestsThatNeverEnd(t *testing.T) {
	inBubble(t, func(s *subject) {
		object.Shrink(s.store, object.PartSize)
		stuck := first(1, func(string, string) error { return errors.New("stuck") }, "UploadPart")
		s.bucket.Before = func(ctx context.Context, op, key string) error {
			if stuck(ctx, op, key) == nil {
				return nil
			}
			<-ctx.Done()
			return &store.RemoteError{Op: op, URL: key, Class: store.Unavailable, Err: context.Cause(ctx)}
		}
		begun := time.Now()
		if err := s.commit("large", 2*object.PartSize); err != nil {
			t.Fatal(err)
		}
		s.want(map[string]int{"large": 2 * object.PartSize})
		if took := time.Since(begun).Round(time.Second); took < 143*time.Second || took > 145*time.Second { // 60 s + 8 MiB at 100 KB/s
			t.Errorf("took %s", took)
		}
	})
}

// Parts that take their time are sent three at a time, and writing goes on meanwhile.
func TestUpload_SlowPartsOverlap(t *testing.T) {
	inBubble(t, func(s *subject) {
		var mu sync.Mutex
		now, most := 0, 0
		s.bucket.Before = func(_ context.Context, op, _ string) error {
			if op != "UploadPart" {
				return nil
			}
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-time.After(40 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		}
		begun := time.Now()
		if err := s.commit("large", 9*part); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); most != 3 || took != 120*time.Second {
			t.Errorf("%d at a time, in %s", most, took)
		}
		s.want(map[string]int{"large": 9 * part})
	})
}

// A part that fails for good fails the upload, early, and nothing is left.
func TestUpload_PartThatFails(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = first(1, func(op, key string) error {
			return &store.RemoteError{Op: op, URL: key, Class: store.Quota, Status: http.StatusForbidden, Reason: "QuotaExceeded"}
		}, "UploadPart")
		var remote *store.RemoteError
		if err := s.commit("large", 8*part); !errors.As(err, &remote) || remote.Class != store.Quota {
			t.Error(err)
		}
		s.want(map[string]int{})
	})
}

// A bug while a part is sent, on a goroutine of its own, ends the upload.
func TestUpload_PartThatPanics(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = first(1, func(string, string) error { panic("a bug") }, "UploadPart")
		var caught *bug.Error
		if err := s.commit("large", 8*part); !errors.As(err, &caught) {
			t.Error(err)
		}
		s.want(map[string]int{})
	})
}

// Discard cancels what flies, waits for it, and aborts on a context of its own.
func TestDiscard_WhilePartsFly(t *testing.T) {
	inBubble(t, func(s *subject) {
		flying := false
		s.bucket.Before = func(ctx context.Context, op, key string) error {
			if op == "AbortMultipartUpload" && flying {
				t.Error("aborted while a part was on its way")
			}
			if op != "UploadPart" {
				return ctx.Err()
			}
			flying = true
			<-ctx.Done()
			flying = false
			return storetest.Unreachable(op, key)
		}
		ctx, cancel := context.WithCancel(s.ctx)
		s.ctx = ctx
		u, err := s.upload("large", part+1)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		begun := time.Now()
		u.Discard()
		u.Discard()
		if took := time.Since(begun); took > 0 {
			t.Errorf("took %s", took)
		}
		if err := u.Commit(t.Context()); err == nil {
			t.Error("committed")
		}
		s.want(map[string]int{})
	})
}

// A store that has gone away holds a Discard up for ten seconds.
func TestDiscard_StoreIsGone(t *testing.T) {
	inBubble(t, func(s *subject) {
		u, err := s.upload("large", part+1)
		if err != nil {
			t.Fatal(err)
		}
		s.bucket.Before = func(_ context.Context, op, key string) error { return storetest.Unreachable(op, key) }
		begun := time.Now()
		u.Discard()
		if took := time.Since(begun); took > 10*time.Second || !strings.Contains(s.log.String(), "could not be aborted") {
			t.Errorf("took %s: %s", took, s.log.String())
		}
	})
}

// When the process is told to end, what can be done in ten seconds is done, and an outage is not waited out.
func TestNew_EndOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		process, end := context.WithCancel(t.Context())
		s := open(process, t, storetest.NewBucket())
		s.ctx = t.Context() // appending goes on for a while after a signal
		if err := s.commit("first", 1); err != nil {
			t.Fatal(err)
		}
		end()
		if err := s.commit("second", 2*part); err != nil {
			t.Error(err)
		}
		s.want(map[string]int{"first": 1, "second": 2 * part})
		s.bucket.Before = func(_ context.Context, op, key string) error { return storetest.SlowDown(op, key) }
		begun := time.Now()
		if err := s.commit("third", 1); !errors.Is(err, context.Canceled) || time.Since(begun) > 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The bytes that are on their way are bounded for all uploads together, and none waits for another's buffer.
func TestUpload_ManyAtOnce(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = func(_ context.Context, op, _ string) error {
			if op == "UploadPart" {
				<-time.After(time.Second)
			}
			return nil
		}
		var all sync.WaitGroup
		sizes := map[string]int{}
		for i := range 8 {
			name, size := fmt.Sprint("file", i), (i+1)*part
			sizes[name] = size
			all.Go(func() {
				if err := s.commit(name, size); err != nil {
					t.Error(name, err)
				}
			})
		}
		all.Wait()
		s.want(sizes)
	})
}
