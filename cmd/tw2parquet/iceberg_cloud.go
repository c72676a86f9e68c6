//go:build !nocloud && ((linux && !android) || (darwin && !ios)) && (amd64 || arm64)

package main

import (
	"context"
	"log/slog"
	"os"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
	tables "tw2parquet/sink/table"
	"tw2parquet/sink/table/iceberg"
)

func (s icebergSettings) named() iceberg.Settings {
	return iceberg.Settings{Catalog: s.Catalog, Table: s.Table, Name: s.Name, Properties: s.Properties}
}

// checkIceberg tells what is wrong with settings, before anything is opened.
func checkIceberg(s icebergSettings) error { return s.named().Check() }

func icebergConfig(a *app, to *destination, cfg tables.Config, s icebergSettings) (iceberg.Config, error) {
	slog.SetDefault(a.log) // the library logs to the default logger, which knows no redactor
	root, err := icebergRoot(to.place, os.Getenv)
	return iceberg.Config{Config: cfg, Settings: s.named(), Root: root,
		Open: func(ctx context.Context, location string) (store.Store, error) { return elsewhere(ctx, to, location) },
		Put: func(ctx context.Context, s store.Store, name string, data []byte) error {
			return sink.Records{Store: s, Log: a.log}.PutIceberg(ctx, name, data)
		}}, err
}

// openIceberg opens an Iceberg table, and makes it if it is not there.
func openIceberg(ctx context.Context, a *app, to *destination, cfg tables.Config, s icebergSettings) (lakeTable, error) {
	full, err := icebergConfig(a, to, cfg, s)
	if err != nil {
		return nil, err
	}
	t, err := iceberg.Open(ctx, full)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// findIceberg opens the Iceberg table with a uuid.
func findIceberg(ctx context.Context, a *app, to *destination, cfg tables.Config, s icebergSettings, uuid string) (knownTable, error) {
	full, err := icebergConfig(a, to, cfg, s)
	if err != nil {
		return nil, err
	}
	t, err := iceberg.Find(ctx, full, uuid)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// tryIceberg opens the catalog of an Iceberg table, and makes and changes nothing.
func tryIceberg(ctx context.Context, a *app, to *destination, cfg tables.Config, s icebergSettings) (tableTrial, error) {
	full, err := icebergConfig(a, to, cfg, s)
	if err != nil {
		return nil, err
	}
	t, err := iceberg.Try(ctx, full)
	if err != nil {
		return nil, err
	}
	return t, nil
}
