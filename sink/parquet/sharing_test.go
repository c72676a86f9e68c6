package parquet

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// Files that are open at once share what may wait. One that grew while it was alone keeps that; the others then end
// their row groups when they have their part of it.
func TestSlabPool_FilesShareWhatWaits(t *testing.T) {
	pool := &slabPool{}
	logs := make([]*pageLog, 4)
	for i := range logs {
		logs[i] = &pageLog{pool: pool, waits: true}
	}
	page, most, ended := make([]byte, 3<<18), int64(0), make([]int, len(logs))
	fill := func(i int) {
		l := logs[i]
		if l.add(page); l.size >= pool.share() {
			if len(l.slabs) < MaxWaitingBytes/slabBytes/len(logs) {
				t.Errorf("a row group ends with %d bytes", l.size)
			}
			l.reset()
			ended[i]++
		}
		most = max(most, int64(pool.waiting)*slabBytes)
	}
	for logs[0].size < MaxWaitingBytes-2*int64(len(page)) {
		fill(0)
	}
	for range 200 {
		for i := 1; i < len(logs); i++ {
			fill(i) // the first one's source is silent
		}
	}
	if ended[0] > 0 || slices.Min(ended[1:]) == 0 {
		t.Errorf("row groups ended %v times", ended)
	}
	if most >= 2*MaxWaitingBytes {
		t.Errorf("%d MiB waited at once", most>>20)
	}
	for range 200 {
		for i := range logs {
			fill(i)
		}
	}
	for _, l := range logs {
		l.reset()
	}
	if pool.waiting != 0 || pool.logs != 0 || pool.share() != MaxWaitingBytes || len(pool.free) > MaxWaitingBytes/slabBytes*9/8 {
		t.Errorf("%d slabs lent to %d logs, %d free, after all", pool.waiting, pool.logs, len(pool.free))
	}
}

// What a file that is given up held is the next one's, also when it fails half way, and only once.
func TestWriter_DiscardGivesItsMemoryBack(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{hinted(required("s", arrow.BinaryTypes.String), "long"), required("open", arrow.BinaryTypes.String)}, nil)
	rec := makeRecord(schema, 1, 5000, 40, nil)
	e := NewEncoder(schema, Compression{}, Broad)
	for range 3 {
		f := NewWriter(io.Discard, e, together)
		if err := f.Append(encodeAll(t, e, rec)); err != nil {
			t.Fatal(err)
		}
		if e.slabs.waiting == 0 {
			t.Fatal("nothing waits")
		}
		f.Discard()
		f.Discard()
		if e.slabs.waiting != 0 || e.slabs.logs != 0 || len(e.rowGroups) != 1 {
			t.Fatalf("%d slabs are lent, %d row groups idle", e.slabs.waiting, len(e.rowGroups))
		}
		if err := f.Append(encodeAll(t, e, rec)); err == nil {
			t.Error("appended to a file that was given up")
		}
		if _, err := f.Finish(Metadata{}); err == nil {
			t.Error("finished a file that was given up")
		}
	}
	var b bytes.Buffer
	f := NewWriter(&b, e, together)
	for range 2 {
		if err := f.Append(encodeAll(t, e, rec)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Finish(Metadata{}); err != nil {
		t.Fatal(err)
	}
	if f.Discard(); f.Rows() != 10000 {
		t.Errorf("%d rows", f.Rows())
	}
	checkFile(t, b.Bytes(), rec, rec)
}
