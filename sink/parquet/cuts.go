package parquet

import (
	"math/bits"
	"sort"
)

// pageCut is a place between two pages: slots, rows and values before it.
type pageCut struct{ slot, row, value int }

// cutSlots divides a chunk into pages of about equal size, none far above the class's limit, and none
// beginning inside a row: the page index counts rows (Parquet format, PageIndex.md).
func cutSlots(c *column, def []uint8, all uint8, v *values) []pageCut {
	whole := pageCut{slot: c.levels.n, row: c.rows, value: v.n}
	size := v.size(c.leaf.physical)
	pages := (size + c.leaf.class.pageBytes - 1) / c.leaf.class.pageBytes
	cuts := []pageCut{{}}
	if pages <= 1 {
		return append(cuts, whole)
	}
	var at pageCut
	before := func(value int) int { // bytes of the values before this one
		if v.offsets != nil {
			return int(v.offsets[value] - v.offsets[0])
		}
		return int(int64(size) * int64(value) / int64(v.n))
	}
	for at.slot < whole.slot {
		// One row.
		for first := true; at.slot < whole.slot && (first || c.levels.rep != nil && c.levels.rep[at.slot] != 0); first = false {
			if def == nil && all == c.leaf.maxDef || def != nil && def[at.slot] == c.leaf.maxDef {
				at.value++
			}
			at.slot++
		}
		at.row++
		if before(at.value) >= len(cuts)*(size/pages+1) && at.slot < whole.slot {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, whole)
}

// cutRows divides the rows of a large text column without repetition into pages, looking at a few
// offsets only. It returns the rows between pages, 0 and n included.
func cutRows(c *column) []int {
	n := c.levels.n
	size := func(row int) int {
		if c.large != nil {
			return int(c.large[row] - c.large[0])
		}
		return int(c.offsets[row] - c.offsets[0])
	}
	pages := (size(n) + c.leaf.class.pageBytes - 1) / c.leaf.class.pageBytes
	rows := []int{0}
	for i := 1; i < pages; i++ {
		target := int(int64(size(n)) * int64(i) / int64(pages))
		row := sort.Search(n, func(r int) bool { return size(r) >= target })
		if row > rows[len(rows)-1] && row < n {
			rows = append(rows, row)
		}
	}
	return append(rows, n)
}

func bitWidth(n int) int { return bits.Len(uint(n)) }
