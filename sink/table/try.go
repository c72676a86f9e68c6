package table

import (
	"context"

	"tw2parquet/sink/store"
)

// TryDelta finds out whether the Delta table that an output is takes files of ours, and makes and changes nothing. The
// version is that of the newest commit; -1 if there is no table yet.
func TryDelta(ctx context.Context, s store.Store) (version int64, err error) {
	d := &delta{Config: Config{Store: s}}
	d.fill()
	if d.log, err = readDelta(ctx, s); err != nil {
		return -1, err
	}
	_, _, err = d.metadata()
	return d.log.version, err
}
