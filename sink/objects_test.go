package sink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

// On a store without directories, locks or clear answers a run comes out the same: every result once, whichever
// answers are lost, and a second start finds it complete.
func TestRun_OnObjects(t *testing.T) {
	j := tortureJob()
	for lost := range 12 {
		t.Run(fmt.Sprintf("%d answers lost", lost), func(t *testing.T) {
			m := storetest.NewMemory()
			m.Page = 3
			m.LoseAnswers(lost)
			for range 2 {
				o, err := j.openOn(m)
				if err != nil {
					t.Fatal(err)
				}
				if err := j.runOn(o, nil); err != nil {
					t.Fatal(err)
				}
				j.checkComplete(t, m)
			}
		})
	}
}

// Where nobody can be kept out, a twin that comes second can buy nothing and publish nothing: the names are taken.
func TestRun_TwinsOnObjects(t *testing.T) {
	j := tortureJob()
	m := storetest.NewMemory()
	first, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(first, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(second, nil); !errors.Is(err, ErrLocked) && !errors.Is(err, ErrForeign) {
		t.Errorf("the second one: %v", err)
	}
	j.checkComplete(t, m)
}

// The same on what all object stores share, with the answers of every kind of request lost, and requests refused for a
// while. Nothing is left that nobody sees.
func TestRun_OnBuckets(t *testing.T) {
	j := tortureJob()
	for _, op := range []string{"", "PutObject", "GetObject", "ListObjectsV2", "ListMultipartUploads", "DeleteObject"} {
		synctest.Test(t, func(t *testing.T) {
			b := storetest.NewBucket()
			b.Page = 3
			turn := 0
			b.After = func(_ context.Context, asked, key string) error {
				if turn++; asked == op && turn%2 == 0 {
					return storetest.Unreachable(asked, key)
				}
				return nil
			}
			b.Before = func(_ context.Context, asked, key string) error {
				if asked == op && turn%3 == 0 {
					turn++
					return storetest.SlowDown(asked, key)
				}
				return nil
			}
			for range 2 {
				s := object.New(t.Context(), b, "", object.Config{})
				o, err := j.openOn(s)
				if err != nil {
					t.Fatal(op, err)
				}
				if err := j.runOn(o, nil); err != nil {
					t.Fatal(op, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				j.checkComplete(t, b)
			}
			if open := b.Open(); len(open) > 0 {
				t.Errorf("%s: uploads were left: %q", op, open)
			}
		})
	}
}

// What a start costs, in requests: on an empty prefix, with the probe, and on a run that is complete.
func TestOpen_RequestsOnBuckets(t *testing.T) {
	j := tortureJob()
	b := storetest.NewBucket()
	s := object.New(t.Context(), b, "", object.Config{})
	for i := range 2500 {
		b.Replace(fmt.Sprintf("%s/part-other-%05d.parquet", testPartition, i), "of another run")
	}
	for _, most := range []int{12, 12} {
		before := b.Sent()
		o, err := j.openOn(s)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Sent() - before; n > most {
			t.Errorf("%d requests, want at most %d: %v", n, most, b.Requests)
		}
		if err := j.runOn(o, nil); err != nil {
			t.Fatal(err)
		}
	}
}
