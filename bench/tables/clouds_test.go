package tables

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
			url := "gs://lake/lake"
			if kind == "azure" {
				url = "az://lake/lake"
			}
			for name, value := range map[string]string{
				"GOOGLE_SERVICE_ACCOUNT_KEY": fmt.Sprintf(`{"gcs_base_url":%q,"disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}`, store.Endpoint),
				"AZURITE_BLOB_STORAGE_URL":   store.Endpoint, "AZURE_STORAGE_USE_EMULATOR": "true",
				"AZURE_STORAGE_ACCOUNT_NAME": os.Getenv("AZURE_STORAGE_ACCOUNT"), "AZURE_STORAGE_ACCOUNT_KEY": os.Getenv("AZURE_STORAGE_KEY"),
			} {
				t.Setenv(name, value)
			}
			runPieces(t, strings.NewReplacer("s3://bucket/lake", url), "polars", "delta-rs")
			if said := tool(t, register...); outcome(said, "known") != 3 {
				t.Error(said)
			}
			tool(t, "verify", store.URL)
		})
	}
}
