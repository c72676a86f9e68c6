package parquet

import (
	"bytes"
	"testing"
)

func TestSizeClass(t *testing.T) {
	for n := 1; n < largestBuffer; n += 1 + n/7 {
		c := sizeClass(n)
		if c < n || c > max(smallestBuffer, n+n/4+1) || sizeClass(c) != c {
			t.Fatalf("%d bytes get %d, which get %d", n, c, sizeClass(c))
		}
	}
}

func TestBufferPool_ReusesAndIsBounded(t *testing.T) {
	var p bufferPool
	page := bytes.Repeat([]byte{7}, 100_000)
	first := p.clone(page)
	p.release(first)
	if second := p.clone(page[:99_000]); &second[0] != &first[0] || !bytes.Equal(second, page[:99_000]) {
		t.Error("a free buffer of the size was not used")
	}
	for range 100 {
		p.release(make([]byte, 0, sizeClass(4<<20)))
	}
	if p.held > freeBufferBytes {
		t.Errorf("%d bytes are kept", p.held)
	}
	p.release(make([]byte, 10))                 // too small
	p.release(make([]byte, 0, 3<<20+1))         // no size of ours
	p.release(make([]byte, 0, largestBuffer*2)) // too large
	if p.held > freeBufferBytes {
		t.Errorf("%d bytes are kept", p.held)
	}
}

// Turn after turn takes about as much, in other sizes: what is kept must not add up.
func TestBufferPool_KeepsNoMoreThanWasLentAtOnce(t *testing.T) {
	var p bufferPool
	page, most := make([]byte, 2<<20), 0
	for turn := range 200 {
		var loans [][]byte
		lent := 0
		for i := range 4 {
			b := p.clone(page[:1<<20+(turn*37+i*11)%64<<14])
			loans, lent = append(loans, b), lent+cap(b)
			most = max(most, lent)
			free := 0
			for class, list := range p.free {
				free += class * len(list)
			}
			if free != p.held || free+lent > most {
				t.Fatalf("turn %d: %d bytes are lent, %d free (counted as %d), %d were lent at once", turn, lent, free, p.held, most)
			}
		}
		for _, b := range loans {
			p.release(b)
		}
	}
}

func TestArena_LoansDoNotOverlap(t *testing.T) {
	var a arena[uint8]
	for range 3 {
		var loans [][]uint8
		for i := range 50 {
			b := a.take(i * 3)
			for k := range b {
				b[k] = uint8(i)
			}
			loans = append(loans, b)
		}
		for i, b := range loans {
			for _, x := range b {
				if x != uint8(i) {
					t.Fatalf("loan %d was written over", i)
				}
			}
		}
		a.reset(1 << 20)
	}
	if n := testing.AllocsPerRun(10, func() { a.take(100); a.reset(1 << 20) }); n != 0 {
		t.Errorf("%v allocations for what fits", n)
	}
}
