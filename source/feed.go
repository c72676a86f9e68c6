package source

import (
	"io"
)

const (
	readSize  = 256 << 10 // asked for at once; also about what is copied when a batch is cut
	firstSize = 1 << 20   // of a batch's buffer
)

// feed reads an input into batches and frames it there: what is read is not copied again, except the
// bytes after a cut, which move to the next batch. It knows nothing of what the chunks mean.
type feed struct {
	framer framer
	limits BatchLimits
	read   func(p []byte) (int, error)
	err    error  // from read; io.EOF for a clean end
	bytes  int64  // read so far
	tail   []byte // read, but not part of the last batch
}

func newFeed(read func([]byte) (int, error), limits BatchLimits, maxDocument int) *feed {
	return &feed{framer: framer{max: maxDocument}, limits: limits, read: read}
}

// attach moves the bytes after the last cut into b, behind its last chunk.
func (d *feed) attach(b *Batch) {
	at := b.end()
	b.Raw = append(b.Raw[:at], d.tail...)
	d.framer.drop(-at)
	d.tail = d.tail[:0]
}

// detach takes everything after b's last chunk out of it.
func (d *feed) detach(b *Batch) {
	from := d.framer.pos
	if d.framer.isOpen() {
		from = d.framer.start
	}
	d.tail = append(d.tail[:0], b.Raw[from:]...)
	d.framer.drop(from)
	b.Raw = b.Raw[:b.end()]
}

// next returns the next frame, reading as needed. After the input's end, err is what read said, io.EOF
// for a clean end, and no frame comes with it.
func (d *feed) next(b *Batch) (frame, error) {
	for {
		fr, ok := d.framer.next(b.Raw, d.err != nil)
		if ok {
			return fr, nil
		}
		if d.err != nil {
			return frame{}, d.err
		}
		d.more(b)
	}
}

// more makes room in b and reads once.
func (d *feed) more(b *Batch) {
	f := &d.framer
	b.Raw = f.shrink(b.Raw)
	// Between the last chunk and what is still open lies what nobody wants: control chunks, blank
	// lines, unknown chunks. It must not pile up while a stream idles.
	kept, open := b.end(), f.pos
	if f.isOpen() {
		open = f.start
	}
	if gap := open - kept; gap > 0 && gap >= len(b.Raw)-open {
		b.Raw = append(b.Raw[:kept], b.Raw[open:]...)
		f.drop(gap)
	}
	d.grow(b)
	n, err := d.read(b.Raw[len(b.Raw):min(cap(b.Raw), len(b.Raw)+readSize)])
	b.Raw = b.Raw[:len(b.Raw)+n]
	d.bytes += int64(n)
	d.err = err
}

// grow makes room for a read. The buffer doubles up to what a full batch needs with one control chunk's
// delay, and only then beyond, since two of them live as long as the run.
func (d *feed) grow(b *Batch) {
	if cap(b.Raw)-len(b.Raw) >= readSize {
		return
	}
	size := max(2*cap(b.Raw), firstSize)
	if usual := d.limits.TargetBytes + 4*readSize; size > usual && len(b.Raw)+readSize <= usual {
		size = usual
	}
	raw := make([]byte, len(b.Raw), max(size, len(b.Raw)+readSize))
	copy(raw, b.Raw)
	b.Raw = raw
}

// add appends a frame to b as a chunk.
func (b *Batch) add(fr frame, reject string) {
	b.Chunks = append(b.Chunks, Chunk{Start: fr.start, End: fr.end, Position: fr.position, Reject: reject})
}

// cleanEnd reports whether an input ended where it should. A wrapped io.EOF is somebody's error, no end.
func cleanEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // only the bare value is an end
}
