package lakes

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/fsouza/fake-gcs-server/fakestorage"

	"tw2parquet/bench/lakes/servers"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/azure"
	"tw2parquet/sink/store/gcs"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// before starts a proxy that loses the first answer to a commit when it is told to.
func before(t *testing.T, endpoint string, commits func(r *http.Request) bool) (proxy *servers.Proxy, lose func()) {
	proxy = must[*servers.Proxy](t)(servers.NewProxy(endpoint))
	t.Cleanup(proxy.Close)
	return proxy, func() {
		var once sync.Once
		proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if commits(r) {
				once.Do(func() { servers.Lose(w, r, forward) })
			}
			forward.ServeHTTP(w, r)
		})
	}
}

func gcsBucket(t *testing.T) (*servers.GCS, string) {
	server, name := must[*servers.GCS](t)(fakeGCS()), fmt.Sprintf("bucket-%d", buckets.Add(1))
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	return server, name
}

func openGCS(t *testing.T, endpoint, bucket string) store.Store {
	t.Setenv("STORAGE_EMULATOR_HOST", endpoint)
	return must[store.Store](t)(gcs.Open(t.Context(), &url.URL{Scheme: gcs.Scheme, Host: bucket, Path: "/some/prefix"}, object.Config{}))
}

func TestConformance_FakeGCS(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		server, name := gcsBucket(t)
		proxy, lose := before(t, server.Endpoint, func(r *http.Request) bool { return r.URL.Query().Get("uploadType") == "multipart" })
		return storetest.Subject{
			Open:       func(t *testing.T) store.Store { return openGCS(t, proxy.URL, name) },
			LoseAnswer: lose,
			PageSize:   1000,
		}
	})
}

func azureContainer(t *testing.T) (*servers.Azure, string) {
	server, name := must[*servers.Azure](t)(azurite()), fmt.Sprintf("container-%d", buckets.Add(1))
	if _, err := must[*container.Client](t)(server.Container(name)).Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return server, name
}

func openAzure(t *testing.T, s *servers.Azure, endpoint, name string) store.Store {
	t.Setenv("AZURE_STORAGE_KEY", s.Key)
	return must[store.Store](t)(azure.Open(t.Context(), s.URL(endpoint, name, "some/prefix"), object.Config{}))
}

func TestConformance_Azurite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		server, name := azureContainer(t)
		proxy, lose := before(t, server.Endpoint, func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" })
		return storetest.Subject{
			Open:       func(t *testing.T) store.Store { return openAzure(t, server, proxy.URL, name) },
			LoseAnswer: lose,
			PageSize:   1000,
		}
	})
}

// hold takes one that is ready to write.
func hold(t *testing.T, s store.Store) store.Hold {
	t.Cleanup(func() { _ = s.Close() })
	return must[store.Hold](t)(s.Hold(t.Context(), "run"))
}

// A probe is few requests, at every store.
func TestProbe_RequestsOfClouds(t *testing.T) {
	g, bucket := gcsBucket(t)
	a, inside := azureContainer(t)
	for name, c := range map[string]struct {
		endpoint string
		open     func(endpoint string) store.Store
		want     int
	}{
		"gcs":   {g.Endpoint, func(endpoint string) store.Store { return openGCS(t, endpoint, bucket) }, 6},
		"azure": {a.Endpoint, func(endpoint string) store.Store { return openAzure(t, a, endpoint, inside) }, 7},
	} {
		t.Run(name, func(t *testing.T) {
			proxy, _ := before(t, c.endpoint, nil)
			if err := hold(t, c.open(proxy.URL)).Probe(t.Context(), "dir", nil); err != nil {
				t.Fatal(err)
			}
			if sent := proxy.Requests(); len(sent) != c.want {
				t.Errorf("%d requests: %q", len(sent), sent)
			}
		})
	}
}

// Blocks that a process staged and never committed are in nobody's way. Their names are as long as all of ours.
func TestAzure_LeftoverBlocks(t *testing.T) {
	server, name := azureContainer(t)
	blob := must[*container.Client](t)(server.Container(name)).NewBlockBlobClient("some/prefix/name")
	if _, err := blob.StageBlock(t.Context(), base64.StdEncoding.EncodeToString(make([]byte, 20)), streaming.NopCloser(bytes.NewReader([]byte("left over"))), nil); err != nil {
		t.Fatal(err)
	}
	s := openAzure(t, server, server.Endpoint, name)
	if err := hold(t, s).Put(t.Context(), "name", []byte("text"), store.Public); err != nil {
		t.Fatal(err)
	}
	if got, err := store.ReadRecord(t.Context(), s, "name", 10); string(got) != "text" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What real servers answer is of the right class, and no error shows a credential.
func TestErrors_OfClouds(t *testing.T) {
	g, _ := gcsBucket(t)
	a, inside := azureContainer(t)
	signed := func(may sas.ContainerPermissions, expires time.Time) func(t *testing.T) store.Store {
		return func(t *testing.T) store.Store {
			t.Setenv("AZURE_STORAGE_SAS_TOKEN", must[string](t)(a.Signature(inside, may, expires)))
			return must[store.Store](t)(azure.Open(t.Context(), a.URL(a.Endpoint, inside, ""), object.Config{}))
		}
	}
	all := sas.ContainerPermissions{Read: true, Create: true, Write: true, Delete: true, List: true}
	for name, c := range map[string]struct {
		open  func(t *testing.T) store.Store
		class store.Class
	}{
		"gcs, missing":   {func(t *testing.T) store.Store { return openGCS(t, g.Endpoint, "missing") }, store.Missing},
		"azure, missing": {func(t *testing.T) store.Store { return openAzure(t, a, a.Endpoint, "missing") }, store.Missing},
		"azure, another key": {func(t *testing.T) store.Store {
			other := *a
			other.Key = "c29tZWJvZHkgZWxzZSdzIGtleQ=="
			return openAzure(t, &other, a.Endpoint, inside)
		}, store.Denied},
		"azure, signature":         {signed(all, time.Now().Add(time.Hour)), ""},
		"azure, may write":         {signed(sas.ContainerPermissions{Write: true}, time.Now().Add(time.Hour)), ""},
		"azure, may only read":     {signed(sas.ContainerPermissions{Read: true, List: true}, time.Now().Add(time.Hour)), store.Denied},
		"azure, expired signature": {signed(all, time.Now().Add(-time.Hour)), store.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			err := hold(t, c.open(t)).Put(t.Context(), "name-"+strings.ReplaceAll(name, " ", "-"), []byte("text"), store.Public)
			var remote *store.RemoteError
			if errors.As(err, &remote); (err == nil) != (c.class == "") || err != nil && (remote == nil || remote.Class != c.class || remote.Advice == "") {
				t.Errorf("%v is %+v; want %q", err, remote, c.class)
			}
			if text := fmt.Sprint(err); strings.Contains(text, a.Key) || strings.Contains(text, "sig=") || strings.Contains(text, "SharedKey") {
				t.Errorf("a secret in %s", text)
			}
		})
	}
}
