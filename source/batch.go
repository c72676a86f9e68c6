package source

// Chunk is one result in a batch: Raw[Start:End] of the batch it belongs to.
type Chunk struct {
	Start, End int
	// Position is the byte position of the chunk in the read (or recording) it came from, after
	// decompression.
	Position int64
	// Reject is empty for a CT_RESULT object, which the encoder may still find unreadable. Otherwise
	// it says why framing gave the bytes up; of a too large one only the first MiB is kept.
	Reject string
}

// Batch holds results in stream order, in one reusable buffer. It belongs to whoever passed it to
// Next; nothing of it is kept by the stream after Next returned.
type Batch struct {
	// Raw holds the chunks and, between them, bytes that are of no interest.
	Raw    []byte
	Chunks []Chunk
	// First is the ordinal of Chunks[0] in the run, counted from 0, rejects included.
	First int64
	// Offset, unless empty, covers every result up to and including the last one of this batch:
	// reading that starts there brings what follows. It may come with no chunks at all, when the
	// batch before it had no offset.
	Offset string
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Raw, b.Chunks, b.First, b.Offset = b.Raw[:0], b.Chunks[:0], 0, ""
}

// end is the end of the last chunk: what comes after it in Raw is not part of the batch.
func (b *Batch) end() int {
	if len(b.Chunks) == 0 {
		return 0
	}
	return b.Chunks[len(b.Chunks)-1].End
}

// truncate keeps the first n chunks.
func (b *Batch) truncate(n int) {
	b.Chunks = b.Chunks[:n]
	b.Raw = b.Raw[:b.end()]
}

// BatchLimits says when a batch is full. A batch is cut at the control chunk that brings it closest to TargetBytes or
// TargetRows, if what comes before the next one is as much; past MaxBytes or MaxRows it is cut anyway, without an offset.
type BatchLimits struct {
	TargetBytes int // 0 = 32 MiB
	TargetRows  int // 0 = MaxRows
	MaxBytes    int // 0 = twice TargetBytes
	MaxRows     int // 0 = 131072
}

func (l BatchLimits) orDefault() BatchLimits {
	if l.TargetBytes <= 0 {
		l.TargetBytes = 32 << 20
	}
	if l.MaxBytes < l.TargetBytes {
		l.MaxBytes = 2 * l.TargetBytes
	}
	if l.MaxRows <= 0 {
		l.MaxRows = 131072
	}
	if l.TargetRows <= 0 || l.TargetRows > l.MaxRows {
		l.TargetRows = l.MaxRows
	}
	return l
}

// wanted reports whether a batch of n bytes and rows is large enough to be cut at a control chunk, and
// capped whether it must be cut without one.
func (l BatchLimits) wanted(n, rows int) bool { return n >= l.TargetBytes || rows >= l.TargetRows }

// closest is wanted of what would be there half way to the next control chunk, if it comes after as many rows as the
// latest did.
func (l BatchLimits) closest(n, rows, part int) bool {
	part = min(part, rows)
	return rows > 0 && l.wanted(n+n*part/rows/2, rows+part/2)
}

func (l BatchLimits) capped(n, rows int) bool { return n >= l.MaxBytes || rows >= l.MaxRows }
