package iceberg

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/sink/table"
)

// restLake is an output whose table is in a REST catalog.
func restLake(t *testing.T) (*lake, *fakeREST) {
	l := outputs["disk"](t)
	f := newFakeREST(t, l.cfg.Root+"/"+Dir+"/docs/talkwalker")
	l.cfg.Catalog = "rest:" + f.url
	return l, f
}

func TestREST_AddsEachRunOnce(t *testing.T) {
	l, f := restLake(t)
	l.write(1, 2)
	l.write(2, 1)
	l.expect("first", nil, table.Added, table.Added)
	l.expect("again", nil, table.Known, table.Known)
	l.expectOnce("first")
	if f.commits != 1 {
		t.Errorf("%d commits", f.commits)
	}
}

// Whatever a catalog answers to a commit, or whether it answers at all, before or after it took place.
func TestREST_OnceWhateverIsAnswered(t *testing.T) {
	for _, status := range []int{http.StatusConflict, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		http.StatusTooManyRequests, http.StatusForbidden, -1} {
		for _, when := range []string{"before", "after"} {
			t.Run(http.StatusText(status)+" "+when, func(t *testing.T) {
				for _, path := range []string{"/v1/namespaces/docs/tables/talkwalker", "/v1/namespaces/docs/tables", "/v1/namespaces"} {
					if path != "/v1/namespaces/docs/tables/talkwalker" && (testing.Short() || status != http.StatusConflict && status != http.StatusInternalServerError && status > 0) {
						continue
					}
					l, f := restLake(t)
					l.write(1, 1)
					l.write(2, 1)
					faults := 0
					f.fault = func(r *http.Request, done bool) int {
						if faults == 0 && r.URL.Path == path && done == (when == "after") {
							faults++
							return status
						}
						return 0
					}
					_, err := l.register(nil)
					if faults != 1 {
						t.Fatalf("%s: %d faults", path, faults)
					}
					var refused *table.Error
					if err != nil && (!errors.As(err, &refused) || refused.Reason != table.Catalog || refused.Again != (status != http.StatusForbidden)) {
						t.Errorf("%s: %+v", path, err)
					}
					if committed := f.commits > 0; committed != (err == nil) {
						t.Errorf("%s: %d commits, and %v", path, f.commits, err)
					}
					if _, err := l.register(nil); err != nil {
						t.Errorf("%s: %v", path, err)
					}
					l.expectOnce(path)
					if f.commits != 1 {
						t.Errorf("%s: %d commits", path, f.commits)
					}
				}
			})
		}
	}
}

// A commit that takes place long after its answer was given up does not add anything twice.
func TestREST_ALateCommit(t *testing.T) {
	l, f := restLake(t)
	l.write(1, 1)
	late := make(chan func(), 1)
	f.fault = func(r *http.Request, done bool) int {
		if done || !strings.HasSuffix(r.URL.Path, "/talkwalker") {
			return 0
		}
		f.fault = func(*http.Request, bool) int { return 0 }
		body := r.Body
		var text strings.Builder
		buffer := make([]byte, 1<<20)
		for {
			n, err := body.Read(buffer)
			text.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		late <- func() {
			again, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.url+r.URL.Path, strings.NewReader(text.String()))
			l.must(err)
			answer, err := http.DefaultClient.Do(again)
			l.must(err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusConflict {
				t.Errorf("the late commit got %d", answer.StatusCode)
			}
		}
		return http.StatusGatewayTimeout
	}
	if _, err := l.register(nil); err == nil {
		t.Error("nobody heard of the failure")
	}
	l.expect("again", nil, table.Added)
	(<-late)()
	l.expectOnce("after the late commit")
	http.DefaultClient.CloseIdleConnections()
}

// A catalog that never answers does not hold anybody for ever, and one that refuses says so without the secret.
func TestREST_SilenceAndSecrets(t *testing.T) {
	l, f := restLake(t)
	l.write(1, 1)
	silent, end := make(chan struct{}), make(chan struct{})
	f.fault = func(r *http.Request, _ bool) int {
		f.fault = func(*http.Request, bool) int { return 0 }
		close(silent)
		<-end
		return -1
	}
	_, err := l.register(func(c *Config) { c.Timeout = 50 * time.Millisecond })
	<-silent
	close(end)
	var refused *table.Error
	if !errors.As(err, &refused) || !refused.Again {
		t.Errorf("%v", err)
	}
	f.mu.Lock()
	f.token = "Secr3t-of-the-catalog"
	f.mu.Unlock()
	for _, properties := range []map[string]string{nil, {"token": "another"}} {
		_, err = l.register(func(c *Config) { c.Properties = properties })
		if !errors.As(err, &refused) || refused.Again || !strings.Contains(refused.Hint, "credentials") || strings.Contains(err.Error(), f.token) {
			t.Errorf("%v", err)
		}
	}
	l.expect("with the token", func(c *Config) { c.Properties = map[string]string{"token": f.token} }, table.Added)
	for _, r := range l.listed().Run(runID(1)).Records() {
		if text, err := l.listed().Run(runID(1)).Record(t.Context(), r, 1<<20); err == nil && strings.Contains(string(text), f.token) {
			t.Errorf("%s holds the token", r)
		}
	}
}

// A catalog may want metadata outside of the output.
func TestREST_MetadataElsewhere(t *testing.T) {
	l, f := restLake(t)
	warehouse := t.TempDir()
	f.at = "file://" + warehouse + "/docs/talkwalker"
	l.cfg.Open = func(_ context.Context, location string) (store.Store, error) {
		l.must(os.MkdirAll(strings.TrimPrefix(location, "file://"), 0o700))
		return store.OpenLocal(store.LocalConfig{Root: strings.TrimPrefix(location, "file://")})
	}
	l.write(1, 1)
	l.expect("elsewhere", nil, table.Added)
	l.expectOnce("elsewhere")
}
