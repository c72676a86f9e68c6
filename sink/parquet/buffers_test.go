package parquet

import "testing"

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
