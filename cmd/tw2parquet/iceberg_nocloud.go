//go:build nocloud || !(((linux && !android) || (darwin && !ios)) && (amd64 || arm64))

package main

import (
	"context"
	"errors"

	tables "tw2parquet/sink/table"
)

var errNoIceberg = errors.New("this binary was built without Iceberg (-tags nocloud)")

func checkIceberg(icebergSettings) error { return errNoIceberg }

func openIceberg(context.Context, *app, *destination, tables.Config, icebergSettings) (lakeTable, error) {
	return nil, usagef("%w", errNoIceberg)
}

func findIceberg(context.Context, *app, *destination, tables.Config, icebergSettings, string) (knownTable, error) {
	return nil, usagef("%w", errNoIceberg)
}

func tryIceberg(context.Context, *app, *destination, tables.Config, icebergSettings) (tableTrial, error) {
	return nil, usagef("%w", errNoIceberg)
}
