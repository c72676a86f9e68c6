package main

import (
	"context"

	tables "tw2parquet/sink/table"
)

// tableTrial is a look at an Iceberg table that makes and changes nothing.
type tableTrial interface {
	There() bool // the catalog: a database in a file may not be
	Load(ctx context.Context) (there bool, err error)
	Metadata() (string, error) // the directory outside of the output that it writes to; "" for none
	Close()
}

// tryTable finds out whether windows of an output can be registered; of nil settings in the Delta table.
func tryTable(ctx context.Context, a *app, f *findings, to *destination, iceberg *icebergSettings) {
	cfg, err := tableConfig(ctx, a, to, assuming{})
	if err != nil {
		return // the output cannot be opened, which was said
	}
	if iceberg == nil {
		version, err := tables.TryDelta(ctx, cfg.Store)
		if version < 0 {
			f.add("table", err, "there is no Delta table yet; the first window makes it")
			return
		}
		f.add("table", err, "the Delta table takes the columns of this version; its newest commit is %d", version)
		return
	}
	t, err := tryIceberg(ctx, a, to, cfg, *iceberg)
	if err != nil {
		f.add("table: catalog", err, "")
		return
	}
	defer t.Close()
	state := "%s answers"
	if !t.There() {
		state = "%s is not there; the first window makes it"
	}
	f.add("table: catalog", nil, state, iceberg.Catalog)
	there, err := t.Load(ctx)
	found := "the Iceberg table %s takes the columns of this version"
	if !there {
		found = "the Iceberg table %s is not there; the first window makes it"
	}
	f.add("table", err, found, iceberg.Table)
	place, err := t.Metadata()
	if err != nil {
		f.add("metadata", err, "")
		return
	}
	if place == "" {
		return
	}
	f.as = unregistrable
	defer func() { f.as = nil }()
	beyond, err := beyond(to, place)
	if err != nil {
		f.add("metadata: open", err, "")
		return
	}
	defer beyond.Close()
	checkOutput(ctx, f, beyond, "metadata")
}

// unregistrable is what the failure of a place for metadata is to a registration: the table's, and not the output's.
func unregistrable(err error) error {
	o := classify(err)
	if o.Code == exitBug { // what is said of bugs does not help
		o.Hint = "make that place fit for the table's metadata, or let the catalog name another one (the property warehouse)"
	}
	return &tables.Error{Reason: tables.Catalog, Err: err, Message: o.Message, Hint: o.Hint, Again: o.Retryable}
}
