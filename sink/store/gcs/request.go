package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

const (
	contentType = "application/octet-stream"
	userAgent   = "tw2parquet"
	// maxBody is more than a page of a listing has: a name is at most 1,024 bytes, and six times that in JSON.
	maxBody = 16 << 20
)

// request is one request, and what an error about it needs.
type request struct {
	op, key     string
	method, url string
	header      map[string]string
	body        [][]byte // sent one after another
	// session requests have an address that is a secret, and no other credentials.
	session bool
	// into takes the bytes of a partial content, which have to begin at off.
	into []byte
	off  int64
}

// answer is what the store said.
type answer struct {
	request
	bucket *bucket
	status int
	header http.Header
	body   []byte // empty if the bytes went into into
}

// send sends a request once. An error is one that had no answer.
func (b *bucket) send(ctx context.Context, r request) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, http.NoBody)
	if err != nil {
		return nil, b.unanswered(ctx, r, err)
	}
	if n := size(r.body); n > 0 {
		lent := &object.Lent{}
		defer lent.TakeBack()
		// Only requests of which no byte was sent are sent again below us, for which this is needed.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(reader(lent, r.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = n
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", userAgent)
	if b.tokens != nil && !r.session {
		token, err := b.tokens.Token()
		if err != nil {
			return nil, b.uncredited(r, err)
		}
		b.secrets.Add(token.AccessToken)
		token.SetAuthHeader(req)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, b.unanswered(ctx, r, err)
	}
	defer resp.Body.Close()
	a := &answer{request: r, bucket: b, status: resp.StatusCode, header: resp.Header}
	if a.status == http.StatusPartialContent {
		return a, a.read(ctx, resp.Body)
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody)); err != nil {
		return nil, b.unanswered(ctx, r, err)
	}
	if a.status == http.StatusRequestedRangeNotSatisfiable {
		return nil, io.ErrUnexpectedEOF
	}
	return a, nil
}

// read reads a partial content, if it is the one that was asked for.
func (a *answer) read(ctx context.Context, body io.Reader) error {
	var first, last int64
	if _, err := fmt.Sscanf(a.header.Get("Content-Range"), "bytes %d-%d/", &first, &last); err != nil || first != a.off {
		return a.failed(errors.New("the answer has other bytes than were asked for"))
	}
	if last-first+1 < int64(len(a.into)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := io.ReadFull(body, a.into); err != nil {
		return a.bucket.unanswered(ctx, a.request, err)
	}
	return nil
}

func size(parts [][]byte) (n int64) {
	for _, p := range parts {
		n += int64(len(p))
	}
	return n
}

func reader(lent *object.Lent, parts [][]byte) io.Reader {
	var all []io.Reader
	for _, p := range parts {
		all = append(all, lent.Reader(p))
	}
	return io.MultiReader(all...)
}

// unanswered is the error of a request that may have been executed. The address is left out, and the cause's type
// too, because a connection that breaks says ErrUnexpectedEOF.
func (b *bucket) unanswered(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &store.RemoteError{Op: r.op, URL: b.URL(r.key), Class: store.Unavailable, Err: errors.New(b.secrets.Scrub(err.Error()))}
}
