package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/fsouza/fake-gcs-server/fakestorage"

	"tw2parquet/bench/lakes/servers"
)

// prefix is where outputs lie in their buckets.
const prefix = "some/lake"

// lake is an output in a bucket of its own, and what a test can do there behind the binary's back.
type lake struct {
	t       *testing.T
	out     string   // for --out
	env     []string // what the binary needs to get there
	objects func() map[string][]byte
	put     func(key string, content []byte)
	remove  func(key string)
	at      func(key string) string // the URL of an object

	proxy  *servers.Proxy // S3 alone, as the rest
	server *servers.S3
	bucket string
}

var buckets atomic.Int64

func newBucket() string { return fmt.Sprintf("bucket-%d", buckets.Add(1)) }

// onS3 is an output on versitygw, behind a proxy.
func onS3(t *testing.T) *lake {
	t.Helper()
	server, name := must[*servers.S3](t)(versity()), newBucket()
	if err := server.CreateBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	proxy := must[*servers.Proxy](t)(servers.NewProxy(server.Endpoint))
	t.Cleanup(proxy.Close)
	dir := filepath.Join(server.Dir, name)
	l := &lake{t: t, out: servers.URL(proxy.URL, name, prefix).String(), env: servers.Environ(), proxy: proxy, server: server, bucket: name}
	l.objects = func() map[string][]byte {
		all := map[string][]byte{}
		err := filepath.WalkDir(filepath.Join(dir, prefix), func(name string, d os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(name)
			all[filepath.ToSlash(must[string](t)(filepath.Rel(dir, name)))] = content
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	l.put = func(key string, content []byte) {
		_, err := server.Client().PutObject(context.WithoutCancel(t.Context()), &s3.PutObjectInput{Bucket: &name, Key: &key, Body: bytes.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
	}
	l.remove = func(key string) {
		if _, err := server.Client().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &name, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	l.at = func(key string) string {
		u := servers.URL(proxy.URL, name, "")
		return "s3://" + name + "/" + key + "?" + u.RawQuery
	}
	return l
}

func onGCS(t *testing.T) *lake {
	t.Helper()
	server, name := must[*servers.GCS](t)(fakeGCS()), newBucket()
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	l := &lake{t: t, out: "gs://" + name + "/" + prefix, env: []string{"STORAGE_EMULATOR_HOST=" + server.Endpoint}}
	l.objects = func() map[string][]byte {
		all := map[string][]byte{}
		list, _, err := server.ListObjectsWithOptions(name, fakestorage.ListOptions{Prefix: prefix}) //nolint:staticcheck // the paged one says nothing more of a few objects
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			all[o.Name] = must[fakestorage.Object](t)(server.GetObject(name, o.Name)).Content
		}
		return all
	}
	l.put = func(key string, content []byte) {
		server.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: name, Name: key}, Content: content})
	}
	l.remove = func(key string) {
		if err := server.Backend().DeleteObject(name, key); err != nil {
			t.Fatal(err)
		}
	}
	l.at = func(key string) string { return "gs://" + name + "/" + key }
	return l
}

func onAzure(t *testing.T) *lake {
	t.Helper()
	server, name := must[*servers.Azure](t)(azurite()), newBucket()
	client := must[*container.Client](t)(server.Container(name))
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l := &lake{t: t, out: server.URL(server.Endpoint, name, prefix).String(), env: []string{"AZURE_STORAGE_KEY=" + server.Key}}
	l.objects = func() map[string][]byte {
		all := map[string][]byte{}
		for pages := client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: aws.String(prefix)}); pages.More(); {
			page := must[container.ListBlobsFlatResponse](t)(pages.NextPage(t.Context()))
			for _, b := range page.Segment.BlobItems {
				answer := must[blob.DownloadStreamResponse](t)(client.NewBlobClient(*b.Name).DownloadStream(t.Context(), nil))
				all[*b.Name] = must[[]byte](t)(io.ReadAll(answer.Body))
				_ = answer.Body.Close()
			}
		}
		return all
	}
	l.put = func(key string, content []byte) {
		must[blockblob.UploadBufferResponse](t)(client.NewBlockBlobClient(key).UploadBuffer(t.Context(), content, nil))
	}
	l.remove = func(key string) {
		if _, err := client.NewBlobClient(key).Delete(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	l.at = func(key string) string {
		return "azblob://" + name + "/" + key + "?" + server.URL(server.Endpoint, name, "").RawQuery
	}
	return l
}

// uploads are the multipart uploads that are open, by their keys.
func (l *lake) uploads() (keys []string) {
	l.t.Helper()
	list := must[*s3.ListMultipartUploadsOutput](l.t)(l.server.Client().ListMultipartUploads(context.WithoutCancel(l.t.Context()), &s3.ListMultipartUploadsInput{Bucket: &l.bucket}))
	for _, u := range list.Uploads {
		keys = append(keys, aws.ToString(u.Key)+" "+aws.ToString(u.UploadId))
	}
	return keys
}

// row is what the oracle compares of each.
type row struct {
	ordinal int64
	url     string
}

// rows are those of a Parquet file, as Arrow's reader sees them.
func rows(t *testing.T, content []byte) (all []row) {
	t.Helper()
	f := must[*file.Reader](t)(file.NewParquetReader(bytes.NewReader(content)))
	defer func() { _ = f.Close() }()
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		n := group.NumRows()
		ordinals := column[int64](t, f, group, "_ordinal")
		urls := column[string](t, f, group, "url")
		if int64(len(ordinals)) != n || int64(len(urls)) != n {
			t.Fatalf("a row group of %d rows has %d ordinals and %d addresses", n, len(ordinals), len(urls))
		}
		for i := range ordinals {
			all = append(all, row{ordinals[i], urls[i]})
		}
	}
	return all
}

// column are the values of one, with the zero value for those that are not there.
func column[T int64 | string](t *testing.T, f *file.Reader, group *file.RowGroupReader, name string) (values []T) {
	t.Helper()
	i := f.MetaData().Schema.ColumnIndexByName(name)
	reader := must[file.ColumnChunkReader](t)(group.Column(i))
	n := group.NumRows()
	levels := make([]int16, n)
	optional := reader.Descriptor().MaxDefinitionLevel() > 0
	var got []T
	switch r := reader.(type) {
	case *file.Int64ColumnChunkReader:
		got = any(read(t, n, levels, r.ReadBatch, func(v int64) int64 { return v })).([]T)
	case *file.ByteArrayColumnChunkReader:
		got = any(read(t, n, levels, r.ReadBatch, byteArray)).([]T)
	default:
		t.Fatalf("column %s is a %T", name, reader)
	}
	for _, level := range levels {
		if optional && level == 0 {
			values = append(values, *new(T))
			continue
		}
		values, got = append(values, got[0]), got[1:]
	}
	return values
}

func (l *lake) parquet() (files []string) {
	for key := range l.objects() {
		if strings.HasSuffix(key, ".parquet") {
			files = append(files, key)
		}
	}
	slices.Sort(files)
	return files
}

// expectWhole holds what is true of an output that an export completed: every result once, in order, paid once,
// and nothing beside the files that belong there.
func (a *account) expectWhole(l *lake, e ended) {
	a.t.Helper()
	ledger := a.Ledger()
	if len(ledger.Tasks) != len(e.result.Windows) || ledger.ExportPosts() != len(ledger.Tasks) {
		a.t.Errorf("%d posts made %d tasks for %d windows", ledger.ExportPosts(), len(ledger.Tasks), len(e.result.Windows))
	}
	if ledger.Credits() != e.result.Credits {
		a.t.Errorf("the result says %d credits, the account was charged %d", e.result.Credits, ledger.Credits())
	}
	a.expectRows(l, e)
}

// expectRows is expectWhole without the bill.
func (a *account) expectRows(l *lake, e ended) {
	a.t.Helper()
	objects := l.objects()
	known := map[string]bool{}
	for _, w := range e.result.Windows {
		want := a.delivered(w.Run)
		var got []row
		for _, name := range w.Files {
			key := path.Join(prefix, name)
			if objects[key] == nil {
				a.t.Fatalf("%s is not there: %s", key, e)
			}
			known[key] = true
			got = append(got, rows(a.t, objects[key])...)
		}
		if len(got) != len(want) || int64(len(got)) != w.Rows {
			a.t.Errorf("window %s has %d rows and says %d, the collector got %d", w.Start, len(got), w.Rows, len(want))
			continue
		}
		for i, r := range got {
			if r.ordinal != int64(i) || r.url != want[i] {
				a.t.Errorf("window %s, row %d is %v, want %s", w.Start, i, r, want[i])
				break
			}
		}
	}
	for key := range objects {
		if !known[key] && !record.MatchString(key) {
			a.t.Errorf("left behind: %s", key)
		}
	}
}

// record are the names of what belongs to a run besides its files, and of the log of what was claimed.
var record = regexp.MustCompile(`/_tw2parquet/[^/]+/([0-9]{10}|request|task|failed|dropped|manifest(-[0-9]+)?|intent-[^/]+|collector-[0-9]+|outcome-[^/]+)\.json$`)

// expectBeginning holds what is published in the middle of something: the beginning of what was bought, each row once.
func (a *account) expectBeginning(l *lake) {
	a.t.Helper()
	if tasks := a.Ledger().Tasks; len(tasks) > 1 {
		a.t.Fatalf("%d tasks were bought", len(tasks))
	}
	objects := l.objects()
	var got []row
	for _, key := range l.parquet() {
		got = append(got, rows(a.t, objects[key])...)
	}
	for i, r := range got {
		if r.ordinal != int64(i) {
			a.t.Fatalf("row %d of what is published has number %d", i, r.ordinal)
		}
	}
}
