"""Runs a SQL query in DuckDB with its extension httpfs, and prints the rows as JSON lines."""

import json
import pathlib
import sys

import duckdb
import duckdb_extension_httpfs

root = pathlib.Path(duckdb_extension_httpfs.__file__).parent
extension = root / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
database = duckdb.connect()
database.execute(f"LOAD '{extension}'")
for statement in database.extract_statements(sys.argv[1]):
    rows = database.execute(statement).fetchall()
for row in rows:
    print(json.dumps(row, default=str))
