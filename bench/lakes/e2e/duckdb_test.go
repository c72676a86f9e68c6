package e2e

import (
	"fmt"
	"testing"
)

// DuckDB finds by itself over S3 what was bought, and the windows in the names of the folders.
func TestStores_DuckDBReadsOverS3(t *testing.T) {
	l, a, args := trial(t, false)
	e := a.run(0, args...)
	a.expectWhole(l, e)
	want := a.delivered(e.result.Windows[0].Run)
	rows, err := l.server.DuckDB(t.Context(), fmt.Sprintf("FROM 's3://%s/%s/window_start=*/*.parquet' SELECT window_start, coalesce(url, '') ORDER BY _ordinal", l.bucket, prefix))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(want) {
		t.Fatalf("DuckDB sees %d rows, the collector got %d", len(rows), len(want))
	}
	for i, row := range rows {
		if row[0] != "2024-01-01" || row[1] != want[i] {
			t.Fatalf("row %d is %v, want %s", i, row, want[i])
		}
	}
}
