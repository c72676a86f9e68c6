"""Runs one statement in DuckDB: the number of threads, then the statement."""

import sys

import duckdb

db = duckdb.connect(config={"threads": sys.argv[1]})
db.execute("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
db.execute(sys.argv[2])
