package main

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"

	"tw2parquet/sink/parquet"
)

// defaultMemory is the soft memory limit of commands that move no data, and the least of those that do.
const defaultMemory = 1 << 30

// gcPercent is how much garbage may pile up, in percent of what is in use. Nearly all memory of a flow
// is buffers that live as long as it does and that a collection need not look into, so it may be low:
// 200,000 results take 208 MiB with Go's own 100 (12 collections), 190 with 50 (22), 183 with 20 (40) and 181 with 10 (51), and
// 177 as it is here (25), with CPU that does not differ by more than runs of one kind scatter; by the collector's own account
// 10 costs 1 to 2 %. A long run's peak lies above a short one's by little else than
// what this allows. A low memory limit instead, with collections only near it, was as good, but
// one that an unusual document lifts the heap above makes the collector run all the time: percentages move
// along.
const gcPercent = 10

// leastGarbage may pile up in any case. Many small windows one after the other have little in use and leave a few MiB each:
// a percentage alone would have the collector run six times for every one of them.
const leastGarbage = 8 << 20

var collecting sync.Once

// watchCollector adjusts the percentage after each collection, when it is known what is in use.
func watchCollector() {
	next := new([32]byte) // garbage at once, so that the next collection finds it
	runtime.AddCleanup(next, func(struct{}) {
		tuneCollector()
		watchCollector()
	}, struct{}{})
}

func tuneCollector() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(collectorPercent(live[0].Value.Uint64()))
}

// collectorPercent is GOGC while so many bytes are in use.
func collectorPercent(live uint64) int {
	return max(gcPercent, int(leastGarbage*100/max(live, 1<<20)))
}

// limitMemory tells the runtime what a command that writes in so many windows at a time may take, with
// the buffers of what it reads from and writes to object stores. A
// limit that was asked for holds, whatever it costs.
func (w *writing) limitMemory(a *app, windows int, out place, inputs ...*input) {
	if os.Getenv("GOGC") == "" {
		tuneCollector()
		collecting.Do(watchCollector)
	}
	unspilled := spilling()
	if unspilled != nil {
		a.log.Debug("row groups wait in memory until they are complete", "error", unspilled)
	}
	usual, most := w.memory(windows, unspilled == nil)
	more := remoteMemory(windows, out, inputs...)
	usual, most = usual+more, most+more
	limit := int64(a.globals.MemoryLimit)
	if limit == 0 {
		debug.SetMemoryLimit(max(defaultMemory, most+most/4))
		return
	}
	if limit < usual {
		a.log.Warn("the memory limit is below what row groups of this size need; this costs time", "limit", limit, "needed", usual)
	}
}

// memory estimates what is in use at once, where row groups can wait on a disk (spill) or not, with documents of a few KiB and with the largest there may
// be. Measured after collections, in MiB, where it says 128, 224, 512 and 992, and 48 more where row groups wait in memory (the
// documents then have 60 of the 64 allowed):
//
//	2 workers, 4 KiB documents: 126, 140      8 workers: 234, 259
//	2 workers, 60 MiB documents: 499, 533     8 workers: 504, 525
//
// Windows share all that, see pipeline.Pool and parquet.Encoder. Of eight windows with 15,000 documents each, one at a time
// takes 216 MiB and four at a time 292, with row groups in memory; they took 517 with memory of their own.
func (w *writing) memory(windows int, spill bool) (usual, most int64) {
	workers := int64(cmp.Or(w.Workers, runtime.GOMAXPROCS(0)))
	// Two records as columns, with room that growing left behind, and their pages; two batches and
	// odds and ends; of each worker the codec's tables and history, and a page; of a row group what does not wait on a disk.
	record, waiting := int64(w.records().Bytes), min(int64(w.RowGroupSize), parquet.MaxWaitingBytes)
	if spill {
		waiting = min(waiting, parquet.SpillAhead)
	}
	usual = 4*record + 28<<20 + workers<<24 + waiting
	if more := int64(windows - 1); more > 0 {
		usual += more*16<<20 + waiting // a batch, and what columns have too much; see parquet.MaxWaitingBytes
	}
	// A large document makes buffers of all of these that large: of each window a batch and columns.
	return usual, usual + (2*int64(windows)+2+workers)*int64(w.MaxDocumentSize)
}

// What an object store's uploads and reads hold. Package object has the three parts that may be on their way and the one
// that is being filled.
const uploadBuffers = 4 * 8 << 20

// remoteMemory is what is in use beside that: the parts of each window's upload where the output is in a bucket, and the
// blocks of one recording at a time.
func remoteMemory(windows int, out place, inputs ...*input) (more int64) {
	if out.remote() {
		more = int64(windows) * uploadBuffers
	}
	for _, in := range inputs {
		if in.object != nil {
			return more + (readAhead+2)*fullBlock // with the one that is read, and a spare one
		}
	}
	return more
}
