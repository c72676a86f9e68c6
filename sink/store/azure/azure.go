// Package azure is an output in a container of Azure Blob Storage.
//
// It is a driver of package object, on the SDK's client: block blobs, of which blocks are staged where nobody sees
// them, and committed as a list if nothing has the name. A small program of 6 MB becomes one of 13 MB with it, of
// which 2 MB are credentials: managed identities, workload identities, the command line tools and more, all
// of which would have to be written again. The SDK's uploads of streams are not used; they retry where we have to look.
package azure

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/minio/crc64nvme"

	"tw2parquet/sink/store/object"
)

// bucket is a driver; see object.Bucket. Azure calls it a container.
type bucket struct {
	client  *container.Client
	http    *http.Client
	name    string
	expires time.Time // of the shared access signature; zero if there is none, or it does not say
	secrets *object.Secrets
}

// The requests in Azure's words.
const (
	opStage  = "Put Block"
	opCommit = "Put Block List"
	opGet    = "Get Blob"
	opList   = "List Blobs"
	opDelete = "Delete Blob"
)

func (b *bucket) URL(key string) string {
	return strings.TrimSuffix(Scheme+"://"+b.name+"/"+key, "/")
}

func (b *bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

// Put is an upload of one block. Put Blob would be one request, but is refused for a free name that has blocks which
// somebody else staged and never committed.
func (b *bucket) Put(ctx context.Context, key string, body []byte) error {
	m := b.begin(key)
	if err := m.Part(ctx, 1, body); err != nil {
		return err
	}
	err := m.Complete(ctx)
	if errors.Is(err, object.ErrNoUpload) {
		return object.ErrConflict // somebody had the name in between, and it is free again
	}
	return err
}

// Begin sends no request: a block belongs to a name, and to no upload.
func (b *bucket) Begin(_ context.Context, key string) (object.Multipart, error) {
	return b.begin(key), nil
}

func (b *bucket) begin(key string) *multipart {
	m := &multipart{bucket: b, key: key, client: b.client.NewBlockBlobClient(key)}
	rand.Read(m.attempt[:]) // never fails
	return m
}

// multipart is an upload; see object.Multipart.
type multipart struct {
	*bucket
	key    string
	client *blockblob.Client
	// attempt begins the names of its blocks, since others may be staging some for the same name.
	attempt [16]byte
	mu      sync.Mutex
	parts   int
}

func (m *multipart) ID() string   { return "" }
func (m *multipart) Serial() bool { return false }
func (m *multipart) Sum([]byte)   {}

// block is the name of a block. All names of a blob's blocks have to be of one length.
func (m *multipart) block(n int) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(m.attempt[:], uint32(n)))
}

func (m *multipart) Part(ctx context.Context, n int, body []byte) error {
	lent := &object.Lent{}
	defer lent.TakeBack()
	_, err := m.client.StageBlock(ctx, m.block(n), lent.Reader(body), &blockblob.StageBlockOptions{
		// What Azure calls CRC64 has this polynomial.
		TransactionalValidation: blob.TransferValidationTypeCRC64(crc64nvme.Checksum(body)),
	})
	if err != nil {
		return m.failure(ctx, opStage, m.key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts = max(m.parts, n)
	return nil
}

func (m *multipart) Complete(ctx context.Context) error {
	var blocks []string
	m.mu.Lock()
	for n := range m.parts {
		blocks = append(blocks, m.block(n+1))
	}
	m.mu.Unlock()
	_, err := m.client.CommitBlockList(ctx, blocks, &blockblob.CommitBlockListOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
	})
	err = m.failure(ctx, opCommit, m.key, err)
	if errors.Is(err, object.ErrNoUpload) { // whoever commits a name takes the blocks that others staged away
		switch lerr := m.Get(ctx, m.key, make([]byte, 1), 0); {
		case lerr == nil, errors.Is(lerr, io.ErrUnexpectedEOF):
			return fs.ErrExist
		case !errors.Is(lerr, fs.ErrNotExist):
			return lerr
		}
	}
	return err
}

// Abort has nothing to do: nobody sees blocks, nobody pays for them, and they are gone after a week.
func (m *multipart) Abort(context.Context) error { return nil }

// Get is one ranged request.
func (b *bucket) Get(ctx context.Context, key string, p []byte, off int64) error {
	out, err := b.client.NewBlobClient(key).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: off, Count: int64(len(p))},
	})
	if err != nil {
		return b.failure(ctx, opGet, key, err)
	}
	defer out.Body.Close()
	var first, last int64
	if out.ContentRange == nil {
		out.ContentRange = to.Ptr("")
	}
	if _, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/", &first, &last); err != nil || first != off {
		return b.failure(ctx, opGet, key, errors.New("the answer has other bytes than were asked for"))
	}
	if last-first+1 < int64(len(p)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := io.ReadFull(out.Body, p); err != nil {
		return b.failure(ctx, opGet, key, err)
	}
	return nil
}

// folder is what accounts with a hierarchical namespace note of a directory, which is listed as an empty blob.
const folder = "hdi_isfolder"

// List is one page.
func (b *bucket) List(ctx context.Context, prefix, token string) (page []object.Object, next string, err error) {
	options := &container.ListBlobsFlatOptions{Prefix: &prefix, MaxResults: to.Ptr[int32](1000), Include: container.ListBlobsInclude{Metadata: true}}
	if token != "" {
		options.Marker = &token
	}
	out, err := b.client.NewListBlobsFlatPager(options).NextPage(ctx)
	if err != nil {
		return nil, "", b.failure(ctx, opList, prefix, err)
	}
	for _, o := range out.Segment.BlobItems {
		if o.Name == nil || o.Properties == nil || o.Properties.ContentLength == nil || o.Properties.ETag == nil {
			return nil, "", b.failure(ctx, opList, prefix, errors.New("the listing has a blob without name or size"))
		}
		if is := o.Metadata[folder]; is != nil && *is == "true" {
			continue
		}
		page = append(page, object.Object{Key: *o.Name, Size: *o.Properties.ContentLength, ID: string(*o.Properties.ETag)})
	}
	if out.NextMarker != nil {
		next = *out.NextMarker
	}
	return page, next, nil
}

// Delete has a condition if the blob was listed.
func (b *bucket) Delete(ctx context.Context, key, id string) error {
	options := &blob.DeleteOptions{}
	if id != "" {
		options.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(id))}}
	}
	_, err := b.client.NewBlobClient(key).Delete(ctx, options)
	if err = b.failure(ctx, opDelete, key, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Unfinished describes nothing: see multipart.Abort.
func (b *bucket) Unfinished(context.Context, string, string) ([]object.Unfinished, string, time.Time, error) {
	return nil, "", time.Now(), nil
}

// Abort is never called.
func (b *bucket) Abort(context.Context, object.Unfinished) error { return nil }
