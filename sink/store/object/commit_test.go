package object_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

// A commit whose answer was lost may have been the one that took the name. Only a record can be compared.
func TestCommit_AnswersThatAreLost(t *testing.T) {
	for name, tt := range map[string]struct {
		ops          []string
		size, taken  int // taken: bytes of somebody else's object; -1: none
		record, file error
	}{
		"put":              {[]string{"PutObject"}, 10, -1, nil, store.ErrUnclear},
		"put, taken":       {[]string{"PutObject"}, 10, 3, fs.ErrExist, fs.ErrExist},
		"complete":         {[]string{"CompleteMultipartUpload"}, part + 1, -1, nil, store.ErrUnclear},
		"complete, taken":  {[]string{"CompleteMultipartUpload"}, part + 1, 3, fs.ErrExist, fs.ErrExist},
		"parts":            {[]string{"UploadPart"}, 2 * part, -1, nil, nil},
		"begin":            {[]string{"CreateMultipartUpload"}, 2 * part, -1, nil, nil},
		"nothing is lost":  {nil, 10, -1, nil, nil},
		"nothing, but big": {nil, 2 * part, -1, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *subject) {
				if tt.taken >= 0 {
					s.bucket.Replace(prefix+"file", string(pattern(tt.taken)))
					s.bucket.Replace(prefix+"record", string(pattern(tt.taken)))
				}
				s.bucket.After = first(1, storetest.Unreachable, tt.ops...)
				if err := s.commit("file", tt.size); !errors.Is(err, tt.file) || tt.file == nil && err != nil {
					t.Errorf("a file: %v, want %v", err, tt.file)
				}
				s.bucket.After = first(1, storetest.SlowDown, tt.ops...)
				if err := s.hold.Put(s.ctx, "record", pattern(tt.size), store.Private); !errors.Is(err, tt.record) || tt.record == nil && err != nil {
					t.Errorf("a record: %v, want %v", err, tt.record)
				}
				size := max(tt.taken, 0)
				if tt.taken < 0 {
					size = tt.size
				}
				if name == "begin" {
					// Nobody knows the id of one whose answer was lost.
					if err := s.bucket.Abort(s.ctx, object.Unfinished{ID: "1"}); err != nil {
						t.Error(err)
					}
				}
				s.want(map[string]int{"file": size, "record": size})
			})
		})
	}
}

// A record that differs was written by somebody else, even if the own answer was lost before it was executed.
func TestPut_TwinWinsWhileTheAnswerIsLost(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = func(_ context.Context, op, key string) error {
			if s.bucket.Requests["PutObject"] > 1 || op != "PutObject" {
				return nil
			}
			s.bucket.Replace(key, "another one's")
			return storetest.Unreachable(op, key)
		}
		if err := s.hold.Put(s.ctx, "record", []byte("ours, which differs"), store.Private); !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
		if got := string(s.bucket.Files()[prefix+"record"]); got != "another one's" {
			t.Error(got)
		}
	})
}

// Somebody who races for the same name is waited for, and then the name is taken.
func TestCommit_Conflicts(t *testing.T) {
	for _, size := range []int{1, 2 * part} {
		inBubble(t, func(s *subject) {
			s.bucket.Before = first(2, func(string, string) error { return object.ErrConflict }, "PutObject", "CompleteMultipartUpload")
			if err := s.commit("file", size); err != nil {
				t.Error(err)
			}
			s.bucket.Before = first(2, func(string, string) error { return object.ErrConflict }, "PutObject", "CompleteMultipartUpload")
			if err := s.commit("file", size); !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			s.want(map[string]int{"file": size})
		})
	}
}

// S3 forgets the upload after such a race. Then the caller looks who won.
func TestCommit_UploadIsGoneAfterAConflict(t *testing.T) {
	inBubble(t, func(s *subject) {
		s.bucket.Before = func(ctx context.Context, op, key string) error {
			if op != "CompleteMultipartUpload" || s.bucket.Requests[op] > 1 {
				return nil
			}
			for _, id := range []string{"1", "2"} {
				if err := s.bucket.Abort(ctx, object.Unfinished{ID: id}); err != nil {
					t.Error(err)
				}
			}
			return object.ErrConflict
		}
		if err := s.commit("file", 2*part); !errors.Is(err, store.ErrUnclear) {
			t.Error(err)
		}
		s.want(map[string]int{})
	})
}
