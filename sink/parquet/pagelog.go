package parquet

import (
	"io"
	"sync"
)

// Spill is a file of the writer's own, in which pages wait. Nobody else knows it, and what it holds is gone when it is closed.
type Spill interface {
	io.WriterAt
	io.ReaderAt
	io.Closer
}

// SpillAhead is how much of a row group is in memory before it begins to spill: small outputs need no file. It is
// less where many files are open at once.
const SpillAhead = 4 << 20

const (
	// slabBytes is what a pageLog grows by: small beside a row group, and many pages long.
	slabBytes  = 1 << 20
	slabsAhead = SpillAhead / slabBytes
	// copyBytes is what is read back at a time.
	copyBytes = 128 << 10
)

// slabPool lends slabs to the page logs of all files that are open at once. It is safe for concurrent use.
type slabPool struct {
	mu      sync.Mutex
	spill   func() (Spill, error) // nil: there is none, or it failed
	free    [][]byte
	waiting int // slabs of row groups, in memory
	logs    int // row groups that have any
}

// take lends a slab to a log.
func (p *slabPool) take(l *pageLog) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.waits {
		p.waiting++
		if len(l.slabs) == 0 {
			p.logs++
		}
	}
	if n := len(p.free); n > 0 {
		slab := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return slab
	}
	return make([]byte, slabBytes)
}

// give takes back all slabs of a log. What one huge row group or record left behind is not kept.
func (p *slabPool) give(l *pageLog) {
	if len(l.slabs) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.waits {
		p.waiting -= len(l.slabs) - l.spilled
		p.logs--
	}
	most := MaxWaitingBytes / slabBytes * 9 / 8 // a record of 16 MiB takes some four
	if p.spill != nil {
		most /= 2
	}
	for _, slab := range l.slabs[l.spilled:] {
		if len(p.free) < most {
			p.free = append(p.free, slab)
		}
	}
}

// share is what a row group may have in memory: everything while the others leave it that, else as much as each of them.
func (p *slabPool) share() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.logs < 2 || p.waiting < MaxWaitingBytes/slabBytes {
		return MaxWaitingBytes
	}
	return MaxWaitingBytes / int64(p.logs)
}

// ahead is how many slabs a row group has in memory before it begins to spill: fewer where many share what may wait.
func (p *slabPool) ahead() int { return int(min(slabsAhead, max(1, p.share()/slabBytes))) }

// spills tells whether there may be files.
func (p *slabPool) spills() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spill != nil
}

// file makes a file for a log; nil if there can be none.
func (p *slabPool) file() Spill {
	p.mu.Lock()
	spill := p.spill
	p.mu.Unlock()
	if spill == nil {
		return nil
	}
	f, err := spill()
	if err != nil {
		p.spillNoMore()
		return nil
	}
	return f
}

// spillNoMore has everything wait in memory from now on, as far as the bound for that allows it: an output needs no
// place for temporary files, it only has smaller row groups without one.
func (p *slabPool) spillNoMore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spill = nil
}

// pageLog keeps encoded pages in the order in which they come and without gaps. Those of a record are in memory until it
// is appended. Those of a row group wait until it is complete, of all but the last few MiB in a file if there may be one.
type pageLog struct {
	pool    *slabPool
	waits   bool     // it is a row group's
	slabs   [][]byte // the first ones are nil, and in the file at the same place
	spilled int      // how many
	size    int64
	file    Spill
	full    bool // the file takes no more
	buffer  []byte
}

// keep adds a page, which the log's owner reads back by its place and size.
func (l *pageLog) keep(p *page) {
	p.at, p.headerBytes, p.bytes = l.size, len(p.header), len(p.header)+len(p.body)
	l.add(p.header)
	l.add(p.body)
	p.header, p.body = nil, nil
}

func (l *pageLog) add(b []byte) {
	for len(b) > 0 {
		if l.size == int64(len(l.slabs))*slabBytes {
			l.slabs = append(l.slabs, l.next())
		}
		n := copy(l.slabs[l.size/slabBytes][l.size%slabBytes:], b)
		b, l.size = b[n:], l.size+int64(n)
	}
}

// next gives the next slab, which is the oldest one in memory where that can be spilled.
func (l *pageLog) next() []byte {
	if !l.waits || len(l.slabs)-l.spilled < l.pool.ahead() {
		return l.pool.take(l)
	}
	if l.file == nil {
		l.file = l.pool.file()
	}
	if l.file == nil || l.full {
		return l.pool.take(l)
	}
	slab := l.slabs[l.spilled]
	if _, err := l.file.WriteAt(slab, int64(l.spilled)*slabBytes); err != nil {
		l.full = true
		l.pool.spillNoMore()
		return l.pool.take(l)
	}
	l.slabs[l.spilled] = nil
	l.spilled++
	return slab
}

// held is how many bytes of it are in memory.
func (l *pageLog) held() int64 { return l.size - int64(l.spilled)*slabBytes }

// crowded tells that it has its part of the memory, and cannot spill.
func (l *pageLog) crowded() bool {
	spills := l.file != nil && !l.full || l.file == nil && l.pool.spills()
	return !spills && l.held() >= l.pool.share()
}

// pieces hands out n bytes from a position on. Only reading a file back can fail.
func (l *pageLog) pieces(at int64, n int, each func([]byte)) error {
	for n > 0 {
		slab, from := int(at/slabBytes), int(at%slabBytes)
		var b []byte
		if slab < l.spilled {
			b = resize(&l.buffer, copyBytes)[:min(n, copyBytes, slabBytes-from)]
			if _, err := l.file.ReadAt(b, at); err != nil {
				return err
			}
		} else {
			b = l.slabs[slab][from:]
			b = b[:min(n, len(b))]
		}
		each(b)
		at, n = at+int64(len(b)), n-len(b)
	}
	return nil
}

// reset empties the log, and drops its file.
func (l *pageLog) reset() {
	if l.file != nil {
		_ = l.file.Close() // what was in it is written, or given up
		l.file = nil
	}
	l.pool.give(l)
	clear(l.slabs)
	l.slabs, l.spilled, l.size, l.full = l.slabs[:0], 0, 0, false
}
