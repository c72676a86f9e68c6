package parquet

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// randomType is a type nested at most depth deep.
func randomType(r *rand.Rand, depth int) arrow.DataType {
	leaf := []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64,
		arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, timestampUTC,
	}
	if depth == 0 {
		return leaf[r.IntN(len(leaf))]
	}
	switch r.IntN(6) {
	case 0, 1:
		fields := make([]arrow.Field, 1+r.IntN(3))
		for i := range fields {
			fields[i] = arrow.Field{Name: fmt.Sprint("f", i), Type: randomType(r, depth-1), Nullable: r.IntN(3) > 0}
		}
		return arrow.StructOf(fields...)
	case 2, 3:
		if r.IntN(3) == 0 {
			return arrow.ListOfNonNullable(randomType(r, depth-1))
		}
		return arrow.ListOf(randomType(r, depth-1))
	case 4:
		return arrow.MapOf(arrow.BinaryTypes.String, randomType(r, depth-1))
	}
	return leaf[r.IntN(len(leaf))]
}

// FuzzEncode: random records of random schemas, in pages of random size, are read back as they were
// by arrow-go, and with the levels of the row by row model by parquet-go.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), uint16(10), uint16(100), uint8(3), uint8(2))
	f.Add(uint64(2), uint16(300), uint16(1), uint8(0), uint8(4))
	f.Add(uint64(3), uint16(999), uint16(60_000), uint8(1), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, rows, page uint16, nulls, depth uint8) {
		r := rand.New(rand.NewPCG(seed, 9))
		var fields []arrow.Field
		for i := range 1 + r.IntN(4) {
			fields = append(fields, arrow.Field{Name: fmt.Sprint("c", i), Type: randomType(r, int(depth%5)), Nullable: r.IntN(3) > 0})
		}
		schema := arrow.NewSchema(fields, nil)
		null := func(int) bool { return nulls > 0 && r.IntN(int(nulls)) == 0 }
		e := NewEncoder(schema, Compression{Codec: Codec(seed % 3)}, Encodings(seed/3%2))
		for _, l := range e.tree.leaves {
			l.class.pageBytes = 1 + int(page)
		}
		first := makeRecord(schema, seed, int(rows%1000), 20, null)
		second := makeRecord(schema, seed+1, int(rows%50), 20, null).NewSlice(int64(rows%50)/3, int64(rows%50))
		checkFile(t, encodeTo(t, e, nil, first, second), first, second)
		checkFile(t, encodeGroups(t, e, together, nil, first, second, first), first, second, first)
	})
}

func TestExpandBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	src := make([]byte, 40)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	for offset := range 20 {
		for n := range 200 {
			for _, base := range []uint8{0, 1, 7, 249} {
				dst := make([]uint8, n)
				expandBits(dst, src, offset, base)
				for i, got := range dst {
					if want := base + src[(offset+i)/8]>>((offset+i)%8)&1; got != want {
						t.Fatalf("bit %d from %d, base %d: %d, want %d", i, offset, base, got, want)
					}
				}
			}
		}
	}
}
