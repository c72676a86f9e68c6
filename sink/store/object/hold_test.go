package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

// Clear aborts what another process left below the names of the run, once it is a day old, and nothing else.
func TestClear_OnlyTheOldOnesOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storetest.NewBucket()
		b.Page = 2
		begin := func(names ...string) {
			for _, name := range names {
				if _, err := b.Begin(t.Context(), prefix+name); err != nil {
					t.Fatal(err)
				}
			}
		}
		kept := []string{"_tw2parquet/run10/rejects", "_tw2parquet/run2/x", "day/part-run10-1", "day/part-run2-1", "other"}
		begin(kept...)
		begin("_tw2parquet/run1/rejects", "day/part-run1-1", "day/part-run1-1", "day/part-run1-2")
		s := open(t.Context(), t, b)
		object.Shrink(s.store, part)
		mine, err := s.upload("day/part-run1-3", 2*part) // a long one of this very process
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(24*time.Hour - time.Second)
		begin("day/part-run1-9") // a twin's
		for range 2 {
			if n, err := s.hold.Clear(s.ctx, "day/part-run1-"); n != 0 || err != nil {
				t.Errorf("too early: %d, %v", n, err)
			}
			<-time.After(time.Second / 2)
		}
		for _, want := range []int{4, 0} {
			if n, err := s.hold.Clear(s.ctx, "day/part-run1-"); n != want || err != nil {
				t.Errorf("cleared %d, want %d: %v", n, want, err)
			}
		}
		if err := mine.Commit(s.ctx); err != nil {
			t.Error(err)
		}
		var want []string
		for _, name := range append(kept, "day/part-run1-9") {
			want = append(want, prefix+name)
		}
		slices.Sort(want)
		if got := b.Open(); !slices.Equal(got, want) {
			t.Errorf("left %q, want %q", got, want)
		}
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Who may not look for uploads can still write.
func TestClear_NotAllowed(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = first(1, func(op, key string) error {
			return &store.RemoteError{Op: op, URL: key, Class: store.Denied, Status: http.StatusForbidden}
		}, "ListMultipartUploads")
		if n, err := s.hold.Clear(s.ctx); n != 0 || !errors.Is(err, store.ErrUnswept) {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// Each way of replacing an object is found, and nothing stays. A record that the probe is made on keeps its bytes, on a
// careless store as well.
func TestProbe_RefusesCarelessStores(t *testing.T) {
	record := &store.Record{Name: "_tw2parquet/run1/request.json", Data: []byte("what is asked for")}
	for _, there := range []*store.Record{nil, record} {
		for _, careless := range []string{"", "PutObject", "CompleteMultipartUpload"} {
			for _, lost := range []int{0, 1, 2} {
				inBubble(t, func(s *subject) {
					left, sent := map[string][]byte{}, 7
					if there != nil {
						s.bucket.Replace(prefix+there.Name, string(there.Data))
						left[prefix+there.Name], sent = there.Data, 6
					}
					s.bucket.Careless = map[string]bool{careless: true}
					s.bucket.After = first(lost, storetest.Unreachable, "PutObject", "CompleteMultipartUpload", "DeleteObject")
					err := s.hold.Probe(s.ctx, "day", there)
					var remote *store.RemoteError
					if careless == "" && err != nil || careless != "" && (!errors.Is(err, store.ErrWithoutConditions) || !errors.As(err, &remote) || remote.Code() != "store_without_conditions") {
						t.Errorf("%q, %d answers lost: %v", careless, lost, err)
					}
					if n := s.bucket.Sent(); careless == "" && lost == 0 && n != sent {
						t.Errorf("%d requests, want %d: %v", n, sent, s.bucket.Requests)
					}
					if got := s.bucket.Files(); !maps.EqualFunc(got, left, bytes.Equal) {
						t.Errorf("there is %q, want %q", got, left)
					}
				})
			}
		}
	}
}

// A twin that removes its own probe early does not make a store look careless, and a dead one's is removed.
func TestProbe_Twins(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Replace(prefix+"day/.tw2parquet-run1", "of a dead process")
		s.bucket.Before = func(ctx context.Context, op, key string) error {
			if op == "PutObject" && s.bucket.Requests[op] == 2 {
				return s.bucket.Delete(ctx, key, "")
			}
			return nil
		}
		if err := s.hold.Probe(s.ctx, "day", nil); err != nil {
			t.Error(err)
		}
		s.want(map[string]int{})
	})
}

// Whatever fails in a probe is told, and nothing stays but the record that it is made on.
func TestProbe_FailsAtEachRequest(t *testing.T) {
	for _, there := range []*store.Record{nil, {Name: "_tw2parquet/run1/request.json", Data: []byte("what is asked for")}} {
		for failing := 1; ; failing++ {
			done := false
			inBubble(t, func(s *subject) {
				if there != nil {
					s.bucket.Replace(prefix+there.Name, string(there.Data))
				}
				n := 0
				s.bucket.Before = func(_ context.Context, op, key string) error {
					if n++; n == failing {
						return &store.RemoteError{Op: op, URL: key, Class: store.Denied, Status: http.StatusForbidden}
					}
					return nil
				}
				err := s.hold.Probe(s.ctx, "day", there)
				if done = n < failing; done && err != nil {
					t.Error(err)
				}
				var remote *store.RemoteError
				if !done && !errors.As(err, &remote) && s.log.Len() == 0 {
					t.Errorf("request %d failed, and nobody heard of it", failing)
				}
				files := s.bucket.Files()
				if there != nil && string(files[prefix+there.Name]) != string(there.Data) {
					t.Errorf("request %d failed, and the record is %q", failing, files[prefix+there.Name])
				}
				delete(files, prefix+"_tw2parquet/run1/request.json")
				if len(files) > 0 && (!errors.As(err, &remote) || remote.Op != "DeleteObject") {
					t.Errorf("request %d failed, and left %v", failing, files)
				}
			})
			if done {
				break
			}
		}
	}
}

// What is deleted is what was listed. Others' objects are not remembered.
func TestRemove_OnlyWhatWasSeen(t *testing.T) {
	inBubble(t, func(s *subject) {
		for _, name := range []string{"day/part-run1-1", "day/part-run1-2"} {
			s.bucket.Replace(prefix+name, "seen")
		}
		for _, err := range s.store.List(s.ctx, "") {
			if err != nil {
				t.Fatal(err)
			}
		}
		s.bucket.Replace(prefix+"day/part-run1-1", "replaced")
		if err := s.hold.Remove(s.ctx, "day/part-run1-1"); !errors.Is(err, object.ErrChanged) {
			t.Error(err)
		}
		if err := s.hold.Remove(s.ctx, "day/part-run1-2"); err != nil {
			t.Error(err)
		}
		if got := s.bucket.Files(); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
}

// A listing takes a request for each thousand objects, and stops when its caller does.
func TestList_RequestsArePages(t *testing.T) {
	inBubble(t, func(s *subject) {
		for i := range 10_000 {
			s.bucket.Replace(fmt.Sprintf("%sdata/%05d", prefix, i), "x")
		}
		s.bucket.Replace(prefix+"data/", "") // as a console makes a folder
		count := 0
		for e, err := range s.store.List(s.ctx, "data/0") {
			if err != nil || e.Name != fmt.Sprintf("data/%05d", count) || e.Size != 1 || !e.Regular {
				t.Fatal(e, err)
			}
			count++
		}
		if n := s.bucket.Sent(); count != 10_000 || n != 10 {
			t.Errorf("%d names in %d requests", count, n)
		}
		if _, err := store.Stat(s.ctx, s.store, "data/00000"); err != nil {
			t.Error(err)
		}
		if n := s.bucket.Sent(); n != 11 {
			t.Errorf("%d requests", n)
		}
	})
}
