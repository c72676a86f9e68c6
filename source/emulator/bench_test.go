package emulator

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The stream through the handler, without a network: what one core renders.
func BenchmarkResults(b *testing.B) {
	s, err := New(Config{DocumentsPerDay: 2000, ControlEvery: 500, NoRateLimits: true})
	if err != nil {
		b.Fatal(err)
	}
	h := s.Handler()
	call := func(method, path, body string, w http.ResponseWriter) {
		r := httptest.NewRequest(method, path+"access_token="+s.Token(), bytes.NewReader([]byte(body)))
		h.ServeHTTP(w, r)
	}
	call("PUT", "/api/v3/stream/c/bench?", "{}", httptest.NewRecorder())
	call("POST", "/api/v3/stream/p/"+s.Projects()[0]+"/export?",
		fmt.Sprintf(`{"start":%d,"stop":%d,"target":"bench"}`, day(0), day(10)), httptest.NewRecorder())
	w := &sinkhole{header: http.Header{}}
	call("GET", "/api/v3/stream/c/bench/results?end_behaviour=stop&", "", w)
	b.SetBytes(w.n)
	b.ReportAllocs()
	for b.Loop() {
		call("GET", "/api/v3/stream/c/bench/results?end_behaviour=stop&", "", w)
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// The same over a loopback connection, reader included.
func BenchmarkResultsHTTP(b *testing.B) {
	s, err := New(Config{DocumentsPerDay: 2000, ControlEvery: 500, NoRateLimits: true})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	s.AddResults("bench")
	refs, total := (&selection{corpus: s.corpus, universe: s.corpus.global()}).pick(day(0), day(10), 1<<20)
	src := &source{renderer: newRenderer(&selection{corpus: s.corpus, universe: s.corpus.global()}), refs: refs, total: total}
	s.mu.Lock()
	s.collectors["bench"].push(span{source: src, n: total, at: s.now()})
	s.mu.Unlock()
	read := func() int64 {
		res, err := srv.Client().Get(srv.URL + "/api/v3/stream/c/bench/results?end_behaviour=stop&access_token=" + s.Token())
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	b.SetBytes(read())
	for b.Loop() {
		read()
	}
}

// sinkhole is a response that nobody reads.
type sinkhole struct {
	header http.Header
	n      int64
}

func (w *sinkhole) Header() http.Header { return w.header }
func (w *sinkhole) WriteHeader(int)     {}
func (w *sinkhole) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}
