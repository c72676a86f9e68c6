// Package gcs is an output on Google Cloud Storage.
//
// It speaks the JSON API by hand: seven kinds of requests, of which none is signed. A small program of 6 MB
// becomes one of 7 MB with this package, and of 34 MB with the client library, which brings gRPC and telemetry
// along. The library would not save us the hard part either: its Writer publishes what it has when it is
// closed, retries where we have to look, and has no step that only completes. What is hard about credentials is
// left to golang.org/x/oauth2.
package gcs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"tw2parquet/sink/store/object"
)

// bucket is a driver of package object.
type bucket struct {
	name     string
	endpoint string // "https://storage.googleapis.com"
	client   *http.Client
	tokens   oauth2.TokenSource // nil: requests are anonymous
	secrets  *object.Secrets
}

// The requests in Google's words.
const (
	opInsert = "objects.insert"
	opGet    = "objects.get"
	opList   = "objects.list"
	opDelete = "objects.delete"
)

// absent is the condition that no object has the name.
const absent = "ifGenerationMatch=0"

func (b *bucket) URL(key string) string {
	return strings.TrimSuffix(Scheme+"://"+b.name+"/"+key, "/")
}

func (b *bucket) Close() error {
	b.client.CloseIdleConnections()
	return nil
}

func (b *bucket) objects() string {
	return b.endpoint + "/storage/v1/b/" + url.PathEscape(b.name) + "/o"
}

func (b *bucket) object(key string) string { return b.objects() + "/" + url.PathEscape(key) }

func (b *bucket) upload(kind, key string) string {
	return b.endpoint + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?uploadType=" + kind + "&" + absent + "&name=" + url.QueryEscape(key)
}

// castagnoli is the checksum that the store compares with its own.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// Put is a multipart upload, because only that takes a checksum along. The store searches the bytes for the
// boundary, which is random therefore.
func (b *bucket) Put(ctx context.Context, key string, body []byte) error {
	boundary := rand.Text()
	head := fmt.Sprintf("--%s\r\nContent-Type: application/json\r\n\r\n{\"crc32c\":%q}\r\n--%[1]s\r\nContent-Type: %[3]s\r\n\r\n",
		boundary, checksum(crc32.Checksum(body, castagnoli)), contentType)
	a, err := b.send(ctx, request{
		op: opInsert, key: key, method: http.MethodPost, url: b.upload("multipart", key),
		header: map[string]string{"Content-Type": "multipart/related; boundary=" + boundary},
		body:   [][]byte{[]byte(head), body, []byte("\r\n--" + boundary + "--\r\n")},
	})
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated:
		return nil
	case http.StatusPreconditionFailed:
		return fs.ErrExist
	case http.StatusConflict:
		return object.ErrConflict
	}
	return a.refused()
}

// Get is one ranged request.
func (b *bucket) Get(ctx context.Context, key string, p []byte, off int64) error {
	a, err := b.send(ctx, request{
		op: opGet, key: key, method: http.MethodGet, url: b.object(key) + "?alt=media",
		header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)},
		into:   p, off: off,
	})
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusPartialContent:
		return nil
	case http.StatusNotFound:
		return fs.ErrNotExist
	}
	return a.refused()
}

// listing is a page of objects.
type listing struct {
	Items []struct {
		Name       string
		Size       int64 `json:",string"`
		Generation string
	}
	NextPageToken string
}

// List is one page.
func (b *bucket) List(ctx context.Context, prefix, token string) (page []object.Object, next string, err error) {
	query := url.Values{"prefix": {prefix}, "maxResults": {"1000"}, "fields": {"nextPageToken,items(name,size,generation)"}}
	if token != "" {
		query.Set("pageToken", token)
	}
	a, err := b.send(ctx, request{op: opList, key: prefix, method: http.MethodGet, url: b.objects() + "?" + query.Encode()})
	if err != nil {
		return nil, "", err
	}
	if a.status != http.StatusOK {
		return nil, "", a.refused()
	}
	var l listing
	if err := json.Unmarshal(a.body, &l); err != nil {
		return nil, "", a.failed(fmt.Errorf("the listing cannot be read: %w", err))
	}
	for _, o := range l.Items {
		page = append(page, object.Object{Key: o.Name, Size: o.Size, ID: o.Generation})
	}
	return page, l.NextPageToken, nil
}

// Delete names the generation that was listed.
func (b *bucket) Delete(ctx context.Context, key, id string) error {
	u := b.object(key)
	if id != "" {
		u += "?ifGenerationMatch=" + url.QueryEscape(id)
	}
	a, err := b.send(ctx, request{op: opDelete, key: key, method: http.MethodDelete, url: u})
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK, http.StatusNoContent, http.StatusNotFound:
		return nil
	case http.StatusPreconditionFailed:
		return object.ErrChanged
	}
	return a.refused()
}

// Unfinished describes nothing: the store forgets sessions after a week.
func (b *bucket) Unfinished(context.Context, string, string) ([]object.Unfinished, string, time.Time, error) {
	return nil, "", time.Now(), nil
}

// Abort has nothing to do, since Unfinished describes nothing.
func (b *bucket) Abort(context.Context, object.Unfinished) error { return nil }

// Begin begins a resumable session. The condition belongs to it; the store may look at it now, and looks at it
// when the session ends.
func (b *bucket) Begin(ctx context.Context, key string) (object.Multipart, error) {
	a, err := b.send(ctx, request{
		op: opInsert, key: key, method: http.MethodPost, url: b.upload("resumable", key),
		header: map[string]string{"X-Upload-Content-Type": contentType},
	})
	if err != nil {
		return nil, err
	}
	s := &session{bucket: b, key: key, sum: crc32.New(castagnoli)}
	switch a.status {
	case http.StatusOK, http.StatusCreated:
		s.url = a.header.Get("Location")
		if s.url == "" {
			return nil, a.failed(errors.New("the answer has no address to send parts to"))
		}
		return s, nil
	case http.StatusPreconditionFailed:
		s.taken = true
		return s, nil
	case http.StatusConflict:
		return nil, object.ErrConflict
	}
	return nil, a.refused()
}

// contentRange is what a part says of itself. A total that is not known yet is negative.
func contentRange(off, n, total int64) string {
	all := "*"
	if total >= 0 {
		all = strconv.FormatInt(total, 10)
	}
	if n == 0 {
		return "bytes */" + all
	}
	return fmt.Sprintf("bytes %d-%d/%s", off, off+n-1, all)
}

var (
	_ object.Bucket    = (*bucket)(nil)
	_ object.Multipart = (*session)(nil)
)
