package lakes

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tw2parquet/bench/lakes/servers"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/s3"
	"tw2parquet/sink/store/storetest"
)

var (
	shared                          = servers.NewShared()
	versity, moto, fakeGCS, azurite = shared.Versity, shared.Moto, shared.FakeGCS, shared.Azurite
)

func TestMain(m *testing.M) {
	for _, setting := range servers.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var buckets atomic.Int64

// bucket makes an empty one on a server.
func bucket(t *testing.T, start func() (*servers.S3, error)) (*servers.S3, string) {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("bucket-%d", buckets.Add(1))
	if err := s.CreateBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return s, name
}

func openS3(t *testing.T, endpoint, bucket string, cfg object.Config) store.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), servers.URL(endpoint, bucket, "some/prefix"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conformS3 holds a server to what every store promises.
func conformS3(t *testing.T, start func() (*servers.S3, error)) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		server, name := bucket(t, start)
		proxy, err := servers.NewProxy(server.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		return storetest.Subject{
			Open: func(t *testing.T) store.Store { return openS3(t, proxy.URL, name, object.Config{}) },
			LoseAnswer: func() {
				var once sync.Once
				proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
					lose := false
					if r.Header.Get("If-None-Match") != "" {
						once.Do(func() { lose = true })
					}
					if lose {
						servers.Lose(w, r, forward)
					}
					forward.ServeHTTP(w, r)
				})
			},
			PageSize: 1000,
		}
	})
}

func TestConformance_Versity(t *testing.T) { conformS3(t, versity) }

func TestConformance_Moto(t *testing.T) { conformS3(t, moto) }
