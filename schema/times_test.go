package schema

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// TestTimes_OutsideTheCalendarGoToExtra puts every order of magnitude, the bounds and the mistakes of other
// systems into every column of times. What fits is told by package time.
func TestTimes_OutsideTheCalendarGoToExtra(t *testing.T) {
	first, last := time.Date(1582, 10, 15, 0, 0, 0, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	values := []int64{
		0, -1, 1, first.UnixMilli(), first.UnixMilli() - 1, last.UnixMilli() - 1, last.UnixMilli(),
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), // .NET
		time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		1700000000, 1700000000000, 1700000000000000, 1700000000000000000, // s, ms, us, ns
		-1 << 63, 1<<63 - 1, (1<<63 - 1) / 1000, (1<<63-1)/1000 + 1,
	}
	for v := int64(1); v < 1e18; v *= 10 {
		values = append(values, v, -v)
	}
	forms := map[string]func(v int64) string{
		"integer":  func(v int64) string { return strconv.FormatInt(v, 10) },
		"fraction": func(v int64) string { return strconv.FormatInt(v, 10) + ".0" },
		"exponent": func(v int64) string { return strconv.FormatInt(v, 10) + "e0" },
		"text":     func(v int64) string { return `"` + strconv.FormatInt(v, 10) + `"` },
	}
	// Behind the value comes more text, or the quick way of reading is never taken.
	followed := func(path, value string) []byte {
		chunk := nest(path, value)
		return append(chunk[:len(chunk)-1:len(chunk)-1], `,"after":"0123456789abcdef"}`...)
	}
	e, r := NewEncoder(), NewRebuilder()
	columns := 0
	for _, f := range Fields() {
		if f.Type != Time {
			continue
		}
		columns++
		for form, write := range forms {
			e.Reset()
			misfits := int64(0)
			for i, v := range values {
				if err := e.Append(followed(f.Path, write(v)), int64(i)); err != nil {
					t.Fatal(err)
				}
			}
			rec := e.Record()
			column := arrayAt(rec, f.Path).(*array.Timestamp)
			for i, v := range values {
				what := fmt.Sprintf("%s, %s of %d", f.Path, form, v)
				checkRow(t, r, rec, i, followed(f.Path, write(v)))
				at := time.UnixMilli(v)
				fits := !at.Before(first) && at.Before(last)
				if !fits || form == "text" {
					misfits++
				}
				if column.IsValid(i) != fits {
					t.Errorf("%s: the column has a value: %v, want %v", what, column.IsValid(i), fits)
				} else if fits && int64(column.Value(i)) != at.UnixMicro() {
					t.Errorf("%s: the column has %d, want %d", what, column.Value(i), at.UnixMicro())
				}
			}
			if got := e.Drift().Coerced[f.Path]; got != misfits {
				t.Errorf("%s, %s: %d values were coerced, want %d", f.Path, form, got, misfits)
			}
			rec.Release()
		}
	}
	if columns == 0 {
		t.Error("the table has no times")
	}
}
