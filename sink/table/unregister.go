package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// UnregisterDelta takes the files of a run out of the Delta table. It can be called again. A table that does not exist has
// nothing of it.
func UnregisterDelta(ctx context.Context, cfg Config, r *dataset.Run) error {
	cfg.fill()
	d := &delta{Config: cfg}
	var err error
	if d.log, err = readDelta(ctx, d.Store); err != nil {
		return err
	}
	for range attempts {
		if d.log.version < 0 || d.log.txns[r.ID].Version == dropped {
			return nil
		}
		if err := d.log.check(); err != nil {
			return err
		}
		now := d.Now().UnixMilli()
		t := &transaction{operation: "DELETE", runs: []string{r.ID}}
		t.add("txn", deltaTxn{r.ID, dropped, &now})
		files := 0
		for _, name := range slices.Sorted(maps.Keys(d.log.active)) {
			if strings.HasPrefix(path.Base(name), "part-"+r.ID+"-") {
				t.add("remove", removal(d.log.active[name], now))
				files++
			}
		}
		_, known := d.log.txns[r.ID]
		switch {
		case files > 0 && d.log.appendOnly():
			return d.log.takesNothingOut()
		case files == 0 && known && cfg.Assume != AssumeMissing:
			return &Error{Reason: Rewritten, Message: fmt.Sprintf("another writer of the Delta table has put the rows of run %s into files of its own", r.ID),
				Hint: "delete the rows in the table first (window_start and _ordinal tell them), then run again with --assume missing"}
		}
		if err = d.write(ctx, t); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := d.log.update(ctx); err != nil {
			return err
		}
	}
	return d.contended()
}

// SwapDelta makes the new files of a run known that were written again, in place of those that the table has. A table that does not
// exist, or was never told of the run, is told nothing.
func SwapDelta(ctx context.Context, cfg Config, run string) ([]Result, error) {
	r, err := FindRun(ctx, cfg.Store, run)
	if err != nil {
		return nil, err
	}
	if has, _ := Delta(r); has || !AnyDelta(r) {
		return nil, nil
	}
	if l, err := readDelta(ctx, cfg.Store); err != nil || l.version < 0 {
		return nil, err
	}
	return RegisterDelta(ctx, cfg, []*dataset.Run{r})
}

// FindRun lists the output, and finds a run whose records can all be seen.
func FindRun(ctx context.Context, s store.Store, run string) (*dataset.Run, error) {
	there, err := dataset.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := there.Seen(run)
	if r != nil || err != nil {
		return r, err
	}
	return nil, fmt.Errorf("look for run %s in the output: %w", run, fs.ErrNotExist)
}
