// Package pipeline moves what a source reads into what a sink writes.
//
// One window of an export (export.go) begins fresh, resumes, or is complete: acquire the task, let the
// mover move, reconcile the counts, leave the manifest. Reading damaged files again (refetch.go) and
// converting a recording (convert.go) use the same mover (mover.go), which flows, rewinds, seals and
// finishes, and knows nothing of buying. Whoever watches is told events (event.go). The flow
// (pipeline.go, stages.go) is
//
//	reader ──► batches ──► workers: decode into an encoder, then page tasks ──► appended in stream order
//	   ▲                                                                              │
//	   └──────────────── batches come back after decoding, encoders ◄─────────────────┘
//	                     after appending
//
// Who owns which memory: flows that run at once share workers, batches and encoders (pool.go). One of each exists
// per flow, and one more, whatever the streams' length. A batch (raw bytes) belongs to a reader while it is filled,
// to one worker while it is decoded, and then goes back; it is small, and several make a record. An encoder (column
// buffers of a whole record) belongs to one worker at a time while batches are decoded into it; the record it
// yields is then only read, by all workers, until its last page task has ended; after its record
// is appended the encoder is emptied and goes back. So the memory in flight is bounded by the size
// of two records, which are smaller the more flows run, not by the number of documents, and a slow disk holds back the
// network. A flow whose source is silent keeps one of each, and the others go on.
// What the sink keeps of a row group that is not complete, compressed, comes on top (sink/parquet).
//
// Invariants:
//   - Row groups are appended in the order of the stream, by whichever worker finished the next one.
//   - The sink is told of a mark (an offset that covers everything appended so far) only after
//     everything before it was appended. Nothing else may end a file.
//   - Every result is a row or a reject: conservation is checked, and a difference is an error.
//   - The first error cancels everything; no goroutine outlives Run.
package pipeline
