package pipeline_test

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// results is a recording of n bytes at least, made of the same few documents.
type results struct {
	documents []string
	n         int
	given     int // documents
	rest      string
}

func (r *results) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n <= 0 {
			return 0, io.EOF
		}
		r.rest = r.documents[r.given%len(r.documents)]
		r.given++
		r.n -= len(r.rest)
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// raced tells whether the race detector is in.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// TestFlow_GiBInBoundedHeap moves a GiB of results through a flow whose records are 4 MiB. What is
// live must be a few of those, from early on to the end.
func TestFlow_GiBInBoundedHeap(t *testing.T) {
	const records, workers = 4 << 20, 2
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // many collections, and so many looks at what is live
	in := &results{n: 1 << 30}
	if testing.Short() {
		in.n >>= 2
	}
	if raced() {
		in.n >>= 3 // the detector makes it fifteen times as slow
	}
	all := int64(in.n)
	for i := range 50 {
		in.documents = append(in.documents, fmt.Sprintf(
			`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/%d","lang":"en","engagement":%d,"tags":["a","b"],"content":"%s"}}}}`+"\n",
			i, i*i, strings.Repeat(fmt.Sprintf("Text %d. ", i), 10000)))
	}
	disk, err := store.OpenLocal(store.LocalConfig{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	out, err := sink.Open(t.Context(), sink.Config{
		Store: disk, Run: "gib", Schema: schema.Arrow(), SchemaVersion: schema.Version, MaxFileBytes: 1 << 20,
		Compression: parquet.Compression{Codec: parquet.Snappy},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtime.GC()
	metrics.Read(live)
	before := live[0].Value.Uint64()
	// What was live in each half, without the start. All that is allocated while a collection runs counts as live,
	// and on a busy machine one runs for long: so what nine of ten looks saw at most.
	var halves [2][]uint64
	group := pipeline.Records{Bytes: records, Rows: 131072}
	flow := &pipeline.Flow{
		Batches: source.NewRecording(in, 0, group.Batches()), Sink: out, Pool: pipeline.NewPool(workers), Records: group,
		OnAppend: func(c pipeline.Counts) {
			if c.Bytes < all/16 {
				return
			}
			metrics.Read(live)
			half := min(int(2*c.Bytes/all), 1)
			halves[half] = append(halves[half], live[0].Value.Uint64()-before)
		},
	}
	o, err := flow.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.Rows != int64(in.given) || o.Bytes+o.Rows < all || len(out.Files()) < 5 {
		t.Errorf("outcome %+v of %d results, %d files", o, in.given, len(out.Files()))
	}
	var most [2]uint64
	for i, looks := range halves {
		if len(looks) == 0 {
			t.Fatalf("nobody looked at what is live in half %d", i+1)
		}
		slices.Sort(looks)
		most[i] = looks[len(looks)*9/10]
	}
	// The command's estimate.
	if limit := uint64(4*records + workers<<24 + 28<<20); max(most[0], most[1]) > limit {
		t.Errorf("%d MiB were live, then %d, of at most %d", most[0]>>20, most[1]>>20, limit>>20)
	}
	if !raced() && most[1] > most[0]+most[0]/10 {
		t.Errorf("%d KiB were live, then %d: memory grows with the stream", most[0]>>10, most[1]>>10)
	}
}
