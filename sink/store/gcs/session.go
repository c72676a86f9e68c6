package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"net/http"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// grain is what the store takes a multiple of, before the end of an upload.
const grain = 256 << 10

// session is a resumable upload.
type session struct {
	bucket *bucket
	key    string
	// url is a credential: whoever knows it can write this one object, for a week.
	url string
	// taken: the store refused the session, because the name is taken. That is what Complete has to say; until then
	// parts are dropped.
	taken bool
	sum   hash.Hash32

	arrived int64  // so much the store has
	unsure  bool   // it may have more: an answer was lost
	end     int64  // of the parts so far
	tail    []byte // the last part's bytes beyond a multiple of grain, which only the last request may have
}

func (s *session) ID() string      { return "" }
func (s *session) Serial() bool    { return true }
func (s *session) Sum(body []byte) { s.sum.Write(body) }

// Part sends what a part has of whole grains, and keeps the rest for Complete. Only the last part has one.
func (s *session) Part(ctx context.Context, n int, body []byte) error {
	start := int64(n-1) * object.PartSize
	whole := len(body) / grain * grain
	if !s.taken {
		if err := s.push(ctx, start, body[:whole], -1); err != nil {
			return err
		}
	}
	s.tail = bytes.Clone(body[whole:])
	s.end = start + int64(len(body))
	return nil
}

// Complete sends the rest and says how long the object is. Asked again, the store says that it is there.
func (s *session) Complete(ctx context.Context) error {
	if s.taken {
		return fs.ErrExist
	}
	return s.push(ctx, s.end-int64(len(s.tail)), s.tail, s.end)
}

// push sends bytes that begin at start, until the store has them. total is negative before the end.
func (s *session) push(ctx context.Context, start int64, body []byte, total int64) error {
	goal := start + int64(len(body))
	for {
		var rest []byte // nothing, where the question is how much there is
		if !s.unsure {
			if s.arrived < start || s.arrived > goal {
				return (&answer{request: request{op: opInsert, key: s.key}, bucket: s.bucket}).failed(fmt.Errorf("the store has %d bytes of an upload that needs to have %d to %d", s.arrived, start, goal))
			}
			if s.arrived == goal && total < 0 {
				return nil
			}
			rest = body[s.arrived-start:]
		}
		before, asked := s.arrived, s.unsure
		a, err := s.send(ctx, rest, total)
		if err != nil {
			return err
		}
		switch a.status {
		case http.StatusOK, http.StatusCreated:
			if total < 0 {
				return a.failed(errors.New("the store ended an upload that has more parts"))
			}
			return nil
		case http.StatusPermanentRedirect: // more is to come
			if s.arrived <= before && !asked {
				return a.remote(store.Unavailable, errors.New("nothing arrived"))
			}
		case http.StatusPreconditionFailed:
			return fs.ErrExist
		case http.StatusConflict:
			return object.ErrConflict
		case http.StatusNotFound, http.StatusGone:
			return object.ErrNoUpload
		default:
			return a.refused()
		}
	}
}

// send is one request of the session. Until it is answered, nobody knows how much has arrived.
func (s *session) send(ctx context.Context, body []byte, total int64) (*answer, error) {
	header := map[string]string{"Content-Range": contentRange(s.arrived, int64(len(body)), total)}
	if total >= 0 {
		header["X-Goog-Hash"] = "crc32c=" + checksum(s.sum.Sum32())
	}
	s.unsure = true
	a, err := s.bucket.send(ctx, request{
		op: opInsert, key: s.key, method: http.MethodPut, url: s.url, session: true, header: header, body: [][]byte{body},
	})
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusPermanentRedirect {
		var first, last int64
		switch _, err := fmt.Sscanf(a.header.Get("Range"), "bytes=%d-%d", &first, &last); {
		case a.header.Get("Range") == "":
			s.arrived = 0
		case err != nil || first != 0 || last < 0:
			return nil, a.failed(errors.New("the answer does not say what has arrived"))
		default:
			s.arrived = last + 1
		}
		s.unsure = false
	}
	return a, nil
}

// Abort lets the store forget the session earlier than it would. It answers 499.
func (s *session) Abort(ctx context.Context) error {
	if s.taken {
		return nil
	}
	a, err := s.bucket.send(ctx, request{op: opDelete, key: s.key, method: http.MethodDelete, url: s.url, session: true})
	if err != nil {
		return err
	}
	if a.status >= http.StatusInternalServerError {
		return a.refused()
	}
	return nil
}
