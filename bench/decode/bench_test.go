package decode_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"tw2parquet/bench"
)

// benchResults makes a corpus of some megabytes, larger than the caches.
const benchResults = 4000

// BenchmarkDecode reads result chunks in memory, each with a call of its own as they come from the stream.
// The table in the package comment says what each rival leaves out for its figure. A rival whose library
// does not do the work itself here is not measured.
func BenchmarkDecode(b *testing.B) {
	for _, kind := range bench.Kinds() {
		chunks, err := bench.Corpus{Seed: 1, Kind: kind, Results: benchResults}.Chunks()
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range rivals() {
			if r.refused != "" {
				b.Logf("%s is not measured: %s", r.name, r.refused)
				continue
			}
			b.Run(fmt.Sprintf("kind=%s/decoder=%s", kind, r.name), func(b *testing.B) { decodeAll(b, chunks, r) })
		}
	}
}

func decodeAll(b *testing.B, chunks [][]byte, r rival) {
	d := r.open()
	size := 0
	once := func() {
		for i, chunk := range chunks {
			if err := d.decode(chunk); err != nil {
				b.Fatalf("chunk %d: %v", i, err)
			}
		}
	}
	for _, chunk := range chunks {
		size += len(chunk)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for range (r.warm + len(chunks) - 1) / len(chunks) {
		once() // buffers grow to the size of a record first
	}
	runtime.GC() // nobody pays for the garbage of the one before
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	spent := cpuTime(b)
	for b.Loop() {
		once()
	}
	spent = cpuTime(b) - spent
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N*size)/1e6/spent.Seconds(), "MB/cpu-s") // on a loaded machine MB/s says little
	documents := float64(b.N * len(chunks))
	b.ReportMetric(documents/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/documents, "allocs/doc")
}

// cpuTime is what the process has used of its processors, collecting garbage included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
