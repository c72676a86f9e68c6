package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tw2parquet/sink/dataset"
)

// duckLakeRuns is the table beside ours that says which runs are in it. It is asked first: merging takes away the paths
// that could tell.
const duckLakeRuns = "tw2parquet_runs"

// DuckLake is SQL for DuckDB that makes complete runs known to a table of a DuckLake. It can be run again. root is the output
// as DuckDB finds it, columns are those of a CREATE TABLE without parentheses, and table is CATALOG.TABLE.
func DuckLake(ctx context.Context, root, table, columns string, runs []*dataset.Run) (string, error) {
	lake, name, ok := strings.Cut(table, ".")
	if !ok || lake == "" || name == "" || strings.Contains(name, ".") {
		return "", errors.New("write CATALOG.TABLE, where CATALOG is the name that the DuckLake is attached by")
	}
	var files []string
	for _, r := range runs {
		c, err := newCandidate(ctx, r)
		if err != nil {
			return "", err
		}
		if c == nil {
			continue
		}
		m, err := r.Manifest(ctx)
		if err != nil {
			return "", err
		}
		for _, f := range m.Files {
			files = append(files, fmt.Sprintf("  (%s, %d, %s)", quoted(r.ID), c.k, quoted(root+"/"+f.Name)))
		}
	}
	slices.Sort(files)
	if len(files) == 0 {
		return "-- No run of " + strconv.Quote(root) + " is complete.\n", nil
	}
	return strings.NewReplacer(
		"{root}", strconv.Quote(root), "{files}", strings.Join(files, ",\n"), "{columns}", columns,
		"{name}", strconv.Quote(lake), "{table}", identifier(lake)+"."+identifier(name), "{runs}", identifier(lake)+"."+duckLakeRuns,
		"'lake'", quoted(lake), "'table'", quoted(name),
	).Replace(duckLake), nil
}

const duckLake = `-- Registers the complete runs of {root}. Run it again, and it adds what is new. The lake has to be attached first:
--   LOAD ducklake; ATTACH 'ducklake:metadata.ducklake' AS {name} (DATA_PATH 'somewhere/else');
-- From then on the files are DuckLake's, too: merging and cleaning up may delete them.
BEGIN;
CREATE TABLE IF NOT EXISTS {table} (
{columns},
  window_start VARCHAR
);
CREATE TABLE IF NOT EXISTS {runs} (table_name VARCHAR, run VARCHAR, manifest INTEGER, registered TIMESTAMP WITH TIME ZONE);
CREATE OR REPLACE TEMPORARY TABLE tw2parquet_files AS SELECT * FROM (VALUES
{files}
) AS f(run, manifest, file);
-- Files that were written again cannot be exchanged: DuckLake adds files, and deletes rows.
SELECT CASE WHEN count(*) > 0 THEN error('files of run ' || min(f.run) || ' were written again; DELETE its rows from the table and from ' ||
  'tw2parquet_runs, then run this again') END
FROM tw2parquet_files f JOIN {runs} r ON r.run = f.run AND r.table_name = 'table' AND r.manifest < f.manifest;
SET VARIABLE tw2parquet_fresh = (SELECT coalesce(list(file ORDER BY file), []::VARCHAR[]) FROM tw2parquet_files
  WHERE run NOT IN (SELECT run FROM {runs} WHERE table_name = 'table')
    AND file NOT IN (SELECT data_file FROM ducklake_list_files('lake', 'table')));
CALL ducklake_add_data_files('lake', 'table', getvariable('tw2parquet_fresh'), hive_partitioning => true);
INSERT INTO {runs} SELECT DISTINCT 'table', run, manifest, now() FROM tw2parquet_files
  WHERE run NOT IN (SELECT run FROM {runs} WHERE table_name = 'table');
COMMIT;
`

func quoted(s string) string     { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
