package tables

import (
	"path/filepath"
	"testing"
)

// TestClouds reads files and tables in fake-gcs-server and in Azurite: every value is that of the same export on a disk, which
// TestFiles_HoldTheDocuments compares with what was sent.
func TestClouds(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run, as is S3; Azurite needs Node")
	}
	a, disk := lake(t)
	want := read[found](t, "files", disk)
	inIceberg, blind := ask[found](t, "files", disk), ask[found](t, "files-blind", disk)
	for kind, count := range map[string]int{"gcs": 8, "azure": 6} {
		t.Run(kind, func(t *testing.T) {
			store := storage(t, kind)
			if rows := a.export(t, store.URL, nil, "--project", a.Projects[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--split", "month", "--row-group-size", "1MiB"); rows != documents {
				t.Fatalf("%d rows", rows)
			}
			tool(t, "register", store.URL, "--format=delta")
			catalog := filepath.Join(t.TempDir(), "catalog.db")
			register := []string{"register", store.URL, "--format=iceberg", "--catalog=sql:sqlite:///" + catalog, "--table=docs.talkwalker", "--output=json"}
			if said := tool(t, register...); outcome(said, "added") != 3 {
				t.Fatal(said)
			}
			engines := script[map[string]found](t, "clouds.py", kind, store.Endpoint, catalog, t.TempDir())
			for engine, got := range engines {
				switch engine {
				case "clickhouse": // it has no lists and structs that are null: see everyEngine
					if got.Rows != documents || got.Columns["content"] != want.Columns["content"] || got.Columns["published"] != want.Columns["published"] {
						t.Errorf("ClickHouse differs")
					}
				case "pyiceberg":
					same(t, engine, got, blind)
				case "duckdb-iceberg":
					same(t, engine, got, inIceberg)
				default:
					same(t, engine, got, want)
				}
			}
			if len(engines) != count {
				t.Errorf("%d engines", len(engines))
			}
			if said := tool(t, register...); outcome(said, "known") != 3 {
				t.Error(said)
			}
			tool(t, "verify", store.URL)
		})
	}
}
