package table

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"tw2parquet/sink/store"
)

// fileStats are the statistics of a file as a Delta log has them, so that engines skip files: the bounds of times and
// of 64-bit integers that stand outside of lists and structs.
type fileStats struct {
	Rows  int64            `json:"numRecords"`
	Min   map[string]any   `json:"minValues"`
	Max   map[string]any   `json:"maxValues"`
	Nulls map[string]int64 `json:"nullCount"`
}

// stats takes a request or two: it reads the footer.
func (d *delta) stats(ctx context.Context, f dataFile) (string, error) {
	s := fileStats{Rows: f.rows, Min: map[string]any{}, Max: map[string]any{}, Nulls: map[string]int64{}}
	if f.rows > 0 {
		file, err := parquet.OpenFile(store.Reader(ctx, d.Store, f.name), f.bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.SkipMagicBytes(true))
		if err != nil {
			return "", fmt.Errorf("read the footer of %s: %w", store.Printable(d.Store.Path(f.name)), store.Cause(err))
		}
		for _, column := range file.Schema().Fields() {
			if column.Leaf() && !column.Repeated() && column.Type().Kind() == parquet.Int64 {
				s.bound(column.Name(), isTime(column), file.Metadata().RowGroups)
			}
		}
	}
	text, err := jsonText(s)
	return strings.TrimSpace(string(text)), err
}

func isTime(column parquet.Field) bool {
	t := column.Type().LogicalType()
	if t == nil {
		return false
	}
	_, ok := t.Value.(*format.TimestampType)
	return ok
}

// bound adds what all row groups say of a column of 64-bit integers or times. If one says nothing, nothing is known.
func (s *fileStats) bound(column string, times bool, groups []format.RowGroup) {
	var lowest, highest, nulls int64
	found := false
	for _, g := range groups {
		for i := range g.Columns {
			c := &g.Columns[i].MetaData
			if len(c.PathInSchema) != 1 || c.PathInSchema[0] != column {
				continue
			}
			nulls += c.Statistics.NullCount
			low, high := c.Statistics.MinValue, c.Statistics.MaxValue
			if len(low) != 8 || len(high) != 8 {
				if c.Statistics.NullCount == g.NumRows {
					continue
				}
				return
			}
			a, b := int64(binary.LittleEndian.Uint64(low)), int64(binary.LittleEndian.Uint64(high))
			if !found {
				lowest, highest, found = a, b, true
			}
			lowest, highest = min(lowest, a), max(highest, b)
		}
	}
	s.Nulls[column] = nulls
	if !found {
		return
	}
	if !times {
		s.Min[column], s.Max[column] = lowest, highest
		return
	}
	// Times have milliseconds in the log. The API's have no more, so nothing is cut.
	moment := func(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000Z") }
	s.Min[column], s.Max[column] = moment(lowest), moment(highest)
}
