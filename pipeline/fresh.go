package pipeline

import (
	"context"

	"tw2parquet/source"
)

// Beginning is the record that begins a window, RequestRecord. Open puts it, if the window is fresh and the store lets
// anybody write: if somebody else has put it, the window is not fresh. Else nothing can be in its journal.
func (w Window) Beginning() ([]byte, error) { return recordText(RequestRecord, w.Asking()) }

// blankJournal is the journal of a run that has nothing but its request. It is listed once, at the start.
type blankJournal struct {
	source.Journal
	listed bool
}

// List knows without looking that there is nothing, the first time. Whoever puts a record meanwhile is met when ours
// of the same name is put.
func (b *blankJournal) List(ctx context.Context, prefix string) ([]string, error) {
	if b.listed {
		return b.Journal.List(ctx, prefix)
	}
	b.listed = true
	return nil, nil
}
