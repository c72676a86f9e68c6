package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// bucket is a driver; see object.Bucket.
type bucket struct {
	client   *s3.Client
	name     string
	settings *settings
	secrets  *object.Secrets
	renew    func()
}

// ifAbsent is the condition of everything that is written.
var ifAbsent = aws.String("*")

func (b *bucket) URL(key string) string { return strings.TrimSuffix(Scheme+"://"+b.name+"/"+key, "/") }

func (b *bucket) Close() error { return nil }

// checksum is as a header has it; nil where it was switched off.
func (b *bucket) checksum(sum uint64) *string {
	if b.settings.unchecked {
		return nil
	}
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum)))
}

// keyID is that of the encryption.
func (b *bucket) keyID() *string {
	if b.settings.key == "" {
		return nil
	}
	return &b.settings.key
}

func (b *bucket) Put(ctx context.Context, key string, body []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))), IfNoneMatch: ifAbsent,
		ChecksumCRC64NVME: b.checksum(crc64nvme.Checksum(body)), ServerSideEncryption: b.settings.encryption, SSEKMSKeyId: b.keyID(), StorageClass: b.settings.class,
	})
	return b.failure(ctx, "PutObject", key, err)
}

func (b *bucket) Get(ctx context.Context, key string, p []byte, off int64) error {
	const op = "GetObject"
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)),
	})
	if err != nil {
		return b.failure(ctx, op, key, err)
	}
	defer out.Body.Close()
	if off > 0 && out.ContentRange == nil {
		return b.failure(ctx, op, key, errors.New("the store sent the whole object instead of a part"))
	}
	if out.ContentLength != nil && *out.ContentLength < int64(len(p)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := io.ReadFull(out.Body, p); err != nil {
		return b.failure(ctx, op, key, &broken{err})
	}
	return nil
}

// List asks for encoded keys, because XML cannot hold all that a key may.
func (b *bucket) List(ctx context.Context, prefix, token string) (page []object.Object, next string, err error) {
	const op = "ListObjectsV2"
	in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	if token != "" {
		in.ContinuationToken = &token
	}
	out, err := b.client.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, "", b.failure(ctx, op, prefix, err)
	}
	for _, o := range out.Contents {
		key, err := decode(aws.ToString(o.Key), out.EncodingType)
		if err != nil {
			return nil, "", b.failure(ctx, op, prefix, err)
		}
		page = append(page, object.Object{Key: key, Size: aws.ToInt64(o.Size), ID: aws.ToString(o.ETag)})
	}
	if aws.ToBool(out.IsTruncated) {
		next = aws.ToString(out.NextContinuationToken)
	}
	return page, next, nil
}

// decode is for stores that do as they were asked; others leave keys as they are, and say nothing.
func decode(key string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return key, nil
	}
	return url.QueryUnescape(key)
}

// Delete has a condition where the store knows such; those that say they do not are asked without.
func (b *bucket) Delete(ctx context.Context, key, id string) error {
	const op = "DeleteObject"
	in := &s3.DeleteObjectInput{Bucket: &b.name, Key: &key}
	if id != "" {
		in.IfMatch = &id
	}
	_, err := b.client.DeleteObject(ctx, in)
	err = b.failure(ctx, op, key, err)
	var remote *store.RemoteError
	if id != "" && errors.As(err, &remote) && remote.Status == http.StatusNotImplemented {
		in.IfMatch = nil
		_, err = b.client.DeleteObject(ctx, in)
		err = b.failure(ctx, op, key, err)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrExist): // the condition was not met
		return object.ErrChanged
	}
	return err
}

// separator is between the two halves of a token of Unfinished. No key holds it, since XML cannot.
const separator = "\x00"

func (b *bucket) Unfinished(ctx context.Context, prefix, token string) (page []object.Unfinished, next string, now time.Time, err error) {
	in := &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &prefix}
	if key, id, ok := strings.Cut(token, separator); ok {
		in.KeyMarker, in.UploadIdMarker = &key, &id
	}
	out, err := b.client.ListMultipartUploads(ctx, in)
	if err != nil {
		return nil, "", now, b.failure(ctx, "ListMultipartUploads", prefix, err)
	}
	for _, u := range out.Uploads {
		page = append(page, object.Unfinished{Key: aws.ToString(u.Key), ID: aws.ToString(u.UploadId), Begun: aws.ToTime(u.Initiated)})
	}
	if aws.ToBool(out.IsTruncated) && aws.ToString(out.NextKeyMarker)+separator+aws.ToString(out.NextUploadIdMarker) != token {
		next = aws.ToString(out.NextKeyMarker) + separator + aws.ToString(out.NextUploadIdMarker)
	}
	now, _ = awsmiddleware.GetServerTime(out.ResultMetadata) // without it everything is too young
	return page, next, now, nil
}

func (b *bucket) Abort(ctx context.Context, u object.Unfinished) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &u.Key, UploadId: &u.ID})
	if err = b.failure(ctx, "AbortMultipartUpload", u.Key, err); errors.Is(err, object.ErrNoUpload) {
		return nil
	}
	return err
}

// multipart is an upload; see object.Multipart.
type multipart struct {
	*bucket
	key, id string
	sum     uint64 // of the parts so far
	size    int64
	mu      sync.Mutex
	sums    []uint64 // of each part
	parts   map[int]types.CompletedPart
}

func (b *bucket) Begin(ctx context.Context, key string) (object.Multipart, error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &b.name, Key: &key,
		ServerSideEncryption: b.settings.encryption, SSEKMSKeyId: b.keyID(), StorageClass: b.settings.class,
	}
	if !b.settings.unchecked {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	out, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return nil, b.failure(ctx, "CreateMultipartUpload", key, err)
	}
	return &multipart{bucket: b, key: key, id: aws.ToString(out.UploadId), parts: map[int]types.CompletedPart{}}, nil
}

func (m *multipart) ID() string   { return m.id }
func (m *multipart) Serial() bool { return false }

func (m *multipart) Sum(body []byte) {
	m.size += int64(len(body))
	var sum uint64
	if !m.settings.unchecked {
		sum = crc64nvme.Checksum(body)
	}
	m.sum = joined(m.sum, sum, len(body))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sums = append(m.sums, sum)
}

// sumOf is the checksum of a part that Sum was told.
func (m *multipart) sumOf(n int) *string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checksum(m.sums[n-1])
}

func (m *multipart) Part(ctx context.Context, n int, body []byte) error {
	number, sum := int32(n), m.sumOf(n)
	out, err := m.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &m.name, Key: &m.key, UploadId: &m.id, PartNumber: &number,
		Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))), ChecksumCRC64NVME: sum,
	})
	if err != nil {
		return m.failure(ctx, "UploadPart", m.key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts[n] = types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC64NVME: sum}
	return nil
}

// Complete has the checksum of all that was meant, so that no part can be lost, or come twice.
func (m *multipart) Complete(ctx context.Context) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &m.name, Key: &m.key, UploadId: &m.id, IfNoneMatch: ifAbsent, MpuObjectSize: &m.size, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	if sum := m.checksum(m.sum); sum != nil {
		in.ChecksumCRC64NVME, in.ChecksumType = sum, types.ChecksumTypeFullObject
	}
	m.mu.Lock()
	for n := range len(m.parts) {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, m.parts[n+1])
	}
	m.mu.Unlock()
	_, err := m.client.CompleteMultipartUpload(ctx, in)
	return m.failure(ctx, "CompleteMultipartUpload", m.key, err)
}

func (m *multipart) Abort(ctx context.Context) error {
	return m.bucket.Abort(ctx, object.Unfinished{Key: m.key, ID: m.id})
}
