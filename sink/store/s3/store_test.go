package s3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

// The driver and the SDK's client keep what every store promises, on a server that a real one is compared with
// (bench/lakes).
func TestStore_KeepsThePromises(t *testing.T) {
	environment(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		play := storetest.NewS3("bucket")
		server := httptest.NewServer(play)
		t.Cleanup(server.Close)
		return storetest.Subject{
			Open: func(t *testing.T) store.Store {
				s, err := Open(t.Context(), &url.URL{Scheme: Scheme, Host: "bucket", Path: "/some/prefix", RawQuery: "endpoint=" + url.QueryEscape(server.URL)}, object.Config{})
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
			LoseAnswer: func() {
				var once sync.Once
				play.After = func(r *http.Request) (lose bool) {
					if r.Header.Get("If-None-Match") != "" {
						once.Do(func() { lose = true })
					}
					return lose
				}
			},
			PageSize: 1000,
		}
	})
}
