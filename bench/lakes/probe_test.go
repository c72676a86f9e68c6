package lakes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"tw2parquet/bench/lakes/servers"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// proxied is an output behind a proxy, with a hold.
func proxied(t *testing.T, start func() (*servers.S3, error)) (*servers.S3, *servers.Proxy, string, store.Store, store.Hold) {
	t.Helper()
	server, name := bucket(t, start)
	proxy, err := servers.NewProxy(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	s := openS3(t, proxy.URL, name, object.Config{})
	t.Cleanup(func() { s.Close() })
	h, err := s.Hold(t.Context(), store.StateDir+"/run1")
	if err != nil {
		t.Fatal(err)
	}
	return server, proxy, name, s, h
}

// left are the objects and the open uploads of a bucket, as the SDK sees them.
func left(t *testing.T, server *servers.S3, bucket string) (all []string) {
	t.Helper()
	objects, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects.Contents {
		all = append(all, aws.ToString(o.Key))
	}
	uploads, err := server.Client().ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		all = append(all, "upload of "+aws.ToString(u.Key))
	}
	return all
}

// A store that keeps its promises is probed in seven requests, or six on a record that is there, and a hold costs none.
// Clear costs two.
func TestProbe_FewRequests(t *testing.T) {
	for name, start := range map[string]func() (*servers.S3, error){"versitygw": versity, "moto": moto} {
		server, proxy, bucket, _, h := proxied(t, start)
		if sent := proxy.Requests(); len(sent) > 0 {
			t.Errorf("%s: a hold took %q", name, sent)
		}
		if err := h.Probe(t.Context(), "day", nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sent := proxy.Requests(); len(sent) != 7 {
			t.Errorf("%s: %d requests: %q", name, len(sent), sent)
		}
		if _, err := h.Clear(t.Context(), "day/part-run1-"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sent := proxy.Requests(); len(sent) != 2 {
			t.Errorf("%s: clearing took %q", name, sent)
		}
		if all := left(t, server, bucket); len(all) > 0 {
			t.Errorf("%s: left %q", name, all)
		}
		record := &store.Record{Name: "record", Data: []byte("text")}
		if err := h.Put(t.Context(), record.Name, record.Data, store.Public); err != nil {
			t.Fatal(err)
		}
		proxy.Requests()
		if err := h.Probe(t.Context(), "day", record); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sent := proxy.Requests(); len(sent) != 6 {
			t.Errorf("%s: %d requests: %q", name, len(sent), sent)
		}
		if all := left(t, server, bucket); len(all) != 1 {
			t.Errorf("%s: left %q", name, all)
		}
	}
}

// gofakes3 refuses to replace an object with a PUT, and replaces it with a completed upload.
func TestProbe_RefusesGofakes3(t *testing.T) {
	server, _, bucket, _, h := proxied(t, func() (*servers.S3, error) {
		s := servers.StartGofakes3()
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		return s, nil
	})
	err := h.Probe(t.Context(), "day", nil)
	var remote *store.RemoteError
	if !errors.Is(err, store.ErrWithoutConditions) || !errors.As(err, &remote) || remote.Code() != "store_without_conditions" || remote.Retryable() {
		t.Errorf("probed: %v", err)
	}
	if all := left(t, server, bucket); len(all) > 0 {
		t.Errorf("left %q", all)
	}
}

// Ten thousand objects of others cost ten requests to list, and none of them is read.
func TestList_TenThousandObjects(t *testing.T) {
	server, proxy, name, s, _ := proxied(t, versity)
	dir := filepath.Join(server.Dir, name, "some/prefix/data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 { // the server keeps objects as files
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	for e, err := range s.List(t.Context(), "data/") {
		if err != nil || e.Name != fmt.Sprintf("data/%05d", count) || e.Size != 1 {
			t.Fatal(e, err)
		}
		count++
	}
	if sent := proxy.Requests(); count != 10_000 || len(sent) != 10 {
		t.Errorf("%d objects in %d requests", count, len(sent))
	}
}

// The answer to a part, or to the completion of an upload, is lost; a part is refused, damaged and slow. What is
// there in the end is what was written, once.
func TestUpload_Faults(t *testing.T) {
	server, proxy, bucket, s, h := proxied(t, versity)
	body := make([]byte, 3*object.PartSize+12345)
	for i := range body {
		body[i] = byte(i >> 3 * i)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		q := r.URL.Query()
		mu.Lock()
		part := q.Get("partNumber")
		seen[part]++
		n := seen[part]
		mu.Unlock()
		switch {
		case part == "1" && n == 1:
			servers.Lose(w, r, forward)
		case part == "2" && n <= 2:
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		case part == "3" && n == 1: // damaged on its way
			sent, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			sent[len(sent)/2] ^= 1
			r.Body = io.NopCloser(bytes.NewReader(sent))
			forward.ServeHTTP(w, r)
		case part == "4" && n == 1:
			panic(http.ErrAbortHandler)
		default:
			forward.ServeHTTP(w, r)
		}
	})
	u, err := h.Create(t.Context(), "file", store.Public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := u.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]int{"1": 2, "2": 3, "3": 2, "4": 2} {
		if seen[part] != want {
			t.Errorf("part %s was sent %d times, want %d", part, seen[part], want)
		}
	}
	var once sync.Once
	proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		lose := false
		once.Do(func() { lose = true })
		if lose {
			servers.Lose(w, r, forward)
		}
		forward.ServeHTTP(w, r)
	})
	// S3 and versitygw say once more that it is done.
	if err := u.Commit(t.Context()); err != nil {
		t.Errorf("committed with an answer that was lost: %v", err)
	}
	u.Discard()
	proxy.Hook(nil)
	got, err := store.ReadRecord(t.Context(), s, "file", 1<<30)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes are there, %d were written: %v", len(got), len(body), err)
	}
	if all := left(t, server, bucket); !slices.Equal(all, []string{"some/prefix/file"}) {
		t.Errorf("left %q", all)
	}
}

// Somebody else's object in place of the one that was seen is not deleted.
func TestRemove_OnlyWhatWasSeen(t *testing.T) {
	server, _, bucket, s, h := proxied(t, versity)
	if err := h.Put(t.Context(), "part-run1-1", []byte("first"), store.Public); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(t.Context(), s, "part-run1-1"); err != nil {
		t.Fatal(err)
	}
	in := &awss3.PutObjectInput{Bucket: &bucket, Key: aws.String("some/prefix/part-run1-1"), Body: strings.NewReader("another one's")}
	if _, err := server.Client().PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), "part-run1-1"); !errors.Is(err, object.ErrChanged) {
		t.Error(err)
	}
	if _, err := store.Stat(t.Context(), s, "part-run1-1"); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), "part-run1-1"); err != nil {
		t.Error(err)
	}
}

// An upload of any size holds four parts, however slow its store is. The limit leaves room for what
// connections and the runtime need.
func TestUpload_Memory(t *testing.T) {
	server, name := bucket(t, versity)
	s := openS3(t, server.Endpoint, name, object.Config{})
	t.Cleanup(func() { s.Close() })
	h, err := s.Hold(t.Context(), store.StateDir+"/run1")
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	before, most := heap(), uint64(0)
	u, err := h.Create(t.Context(), "large", store.Public)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for i := range 200 {
		if _, err := u.Write(block); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			most = max(most, heap())
		}
	}
	if err := u.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("200 MiB in an upload: %.1f MiB of heap at most", float64(most-before)/(1<<20))
	if most-before > 48<<20 {
		t.Errorf("%d MiB are in use, 32 of them for parts", (most-before)>>20)
	}
}
