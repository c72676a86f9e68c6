package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/table"
)

// droppedKey is the entry of a snapshot's summary that names the run whose files its commit takes out.
const droppedKey = "tw2parquet.dropped"

// Unregister takes the files of a run out of the table. It can be called again.
func (t *Table) Unregister(ctx context.Context, r *dataset.Run) error {
	for range attempts {
		if err := t.load(ctx); err != nil {
			return err
		}
		if err := t.files.list(ctx, t.now); err != nil {
			return t.refused("read the table "+t.cfg.Table, err)
		}
		out := t.files.of(r.ID)
		if len(out) == 0 {
			return t.gone(ctx, r)
		}
		txn := t.now.NewTransaction()
		err := txn.ReplaceDataFiles(ctx, out, nil, lib.Properties{droppedKey: r.ID, "tw2parquet.writer": t.cfg.Writer})
		if err == nil {
			_, err = txn.Commit(ctx)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, errConflict):
			return t.refused("commit to the table "+t.cfg.Table, err) // the next start looks what became of it
		}
	}
	return t.contended()
}

// gone tells whether a table without any file of a run has nothing of it: if it was never added, or taken out.
func (t *Table) gone(ctx context.Context, r *dataset.Run) error {
	h := historyOf(t.now)
	if t.cfg.Assume == table.AssumeMissing || h.dropped[r.ID] {
		return nil
	}
	records := table.IcebergRecords(r, t.uuid())
	if _, added := h.runs[r.ID]; !added && !slices.ContainsFunc(records, func(x table.IcebergRecord) bool { return x.Registered }) {
		for _, record := range records {
			i, err := table.ReadIceberg(ctx, r, record.Name)
			if err != nil {
				return err
			}
			if !h.reaches(i) {
				return t.rewritten(r)
			}
		}
		return nil
	}
	return t.rewritten(r)
}

func (t *Table) rewritten(r *dataset.Run) error {
	return &table.Error{Reason: table.Rewritten, Message: fmt.Sprintf("another writer of the Iceberg table %s has put the rows of run %s into files of its own", t.cfg.Table, r.ID),
		Hint: "delete the rows in the table first (window_start is not a column there; published and _ordinal tell them), then run again with --assume missing"}
}

// takeDropped notes what a snapshot says of runs that were taken out.
func (h *history) takeDropped(s *icebergtable.Snapshot) {
	for run := range strings.SplitSeq(s.Summary.Properties[droppedKey], ",") {
		h.dropped[run] = true
	}
}
