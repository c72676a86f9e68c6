#!/bin/sh
# curl into a file, and DuckDB from there. PYTHON has DuckDB.
set -eu
"$PYTHON" -c 'import api; api.export()'
curl --silent --show-error --fail --get --output "$OUT/results.ndjson" --data-urlencode "access_token=$TOKEN" \
	--data "resume_offset=earliest&end_behaviour=stop" "$BASE/api/v3/stream/c/peers/results"
"$PYTHON" - <<-'END'
	import os
	import duckdb

	out = os.environ["OUT"]
	db = duckdb.connect()
	db.execute("SET threads = 2")
	db.execute("SET preserve_insertion_order = true")
	db.execute(f"""COPY (SELECT unnest(chunk_result.data.data) FROM read_json('{out}/results.ndjson', format = 'newline_delimited', maximum_object_size = 67108864)
	    WHERE chunk_type = 'CT_RESULT') TO '{out}/documents.parquet' (FORMAT parquet, COMPRESSION zstd)""")
END
rm "$OUT/results.ndjson"
