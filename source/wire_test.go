package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAgainstTheEmulator has the gzip that is usual, truncated, of a wrong sum, and none at all.
func TestStream_OddGzip(t *testing.T) {
	pack := func(parts ...[]byte) []byte {
		var b bytes.Buffer
		for _, part := range parts {
			z := gzip.NewWriter(&b)
			_, _ = z.Write(part)
			_ = z.Close()
		}
		return b.Bytes()
	}
	for name, spoil := range map[string]func(body []byte) []byte{
		"concatenated": func(body []byte) []byte { return pack(body[:100], body[100:]) },
		"bomb": func([]byte) []byte {
			return pack([]byte(`{"chunk_type":"CT_RESULT","chunk_result":{"x":"`), bytes.Repeat([]byte("x"), 20<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, 20, 3)
			q.spoil = func(read int, body []byte) (int, []byte) {
				if read == 1 {
					return 200, spoil(body)
				}
				return 200, pack(body)
			}
			q.script = func(r *http.Request, w http.ResponseWriter) bool {
				if strings.HasSuffix(r.URL.Path, "/results") {
					w.Header().Set("Content-Encoding", "gzip")
				}
				return false
			}
			c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: NewToken(testToken), Transport: memory{q}, Clock: q.clock, MaxDocumentBytes: 2 << 20})
			if err != nil {
				t.Fatal(err)
			}
			rows, _, err := drain(t, c, q.config())
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			checkRows(t, rows, 0, 20)
		})
	}
}

// stalling answers with a body that goes silent for a while.
type stalling struct {
	queue  *queue
	before string
	pause  time.Duration
	n      int
}

func (s *stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := memory{s.queue}.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/results") {
		return resp, err
	}
	if s.n++; s.n > 1 {
		return resp, nil
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(s.before), readerFunc(func([]byte) (int, error) {
		select {
		case <-time.After(s.pause):
			return 0, io.EOF
		case <-r.Context().Done():
			return 0, context.Cause(r.Context())
		}
	}), rest), rest}
	return resp, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStream_SilenceIsACutAndSlownessIsNot(t *testing.T) {
	for pause, cuts := range map[time.Duration]int64{80 * time.Second: 0, 100 * time.Second: 1, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, 20, 3)
			c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: NewToken(testToken),
				Transport: &stalling{queue: q, before: "\n", pause: pause}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			s := c.Stream(q.config())
			defer func() { _ = s.Close() }()
			var b Batch
			n := 0
			err = s.Next(t.Context(), &b)
			for ; err == nil; err = s.Next(t.Context(), &b) {
				n += len(b.Chunks)
			}
			if st := s.Stats(); !errors.Is(err, io.EOF) || n != 20 || st.Cuts != cuts || time.Since(began) > 3*time.Minute {
				t.Errorf("pause %s: %v, %d rows, %d cuts after %s", pause, err, n, st.Cuts, time.Since(began))
			}
		})
	}
}
