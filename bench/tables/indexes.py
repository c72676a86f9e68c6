"""Tells what one engine leaves unread, by what it says itself or by what it asks the disk for, and prints that as JSON.

    python indexes.py ENGINE WINDOWS MANY SCRATCH

WINDOWS is an output of several windows that is a Delta table as well. MANY is one of one file with two row groups: the values of url
and _ordinal rise, those of external_id are in no order, and both texts have Bloom filters.
"""

import collections
import glob
import json
import os
import re
import sys

from engines import connect, session

WINDOW = "2024-02-01"
# By what each is found: the bounds of row groups, Bloom filters (of a value that is there, and of one that is between the bounds
# and is not), and the bounds of pages.
QUERIES = {
    "statistics": ("_ordinal", ">=", 150000),
    "bloom": ("external_id", "=", "x12345q"),
    "absent": ("external_id", "=", "x5zzz"),
    "pages": ("url", "=", "https://example.com/00150000/page"),
}


def where(name):
    column, compare, value = QUERIES[name]
    return "%s %s %s" % (column, compare, "'%s'" % value if isinstance(value, str) else value)


def duckdb(windows, many, scratch):
    """Of row groups it says nothing. Its log of the file system has which bytes it reads: of how many groups are they?"""
    db = connect()
    plan = db.execute("EXPLAIN ANALYZE SELECT count(title) FROM read_parquet('%s/window_start=*/*.parquet') WHERE window_start = '%s'" % (windows, WINDOW)).fetchall()[0][1]
    found = {"files": int(re.search(r"Total Files Read: (\d+)", plan)[1])}
    file = glob.glob(many + "/*.parquet")[0]
    groups = db.execute("SELECT row_group_id, min(coalesce(dictionary_page_offset, data_page_offset)), max(coalesce(dictionary_page_offset, data_page_offset) + total_compressed_size) "
                        "FROM parquet_metadata('%s') GROUP BY ALL" % file).fetchall()
    db.execute("SET threads = 1")
    for name in QUERIES:
        db.execute("CALL enable_logging('FileSystem', level = 'trace', storage = 'memory')")
        db.execute("SELECT count(title) FROM read_parquet('%s') WHERE %s" % (file, where(name))).fetchall()
        db.execute("CALL disable_logging()")
        reads = db.execute("SELECT pos::BIGINT, pos::BIGINT + bytes::BIGINT FROM duckdb_logs_parsed('FileSystem') WHERE op = 'READ' AND path = '%s'" % file).fetchall()
        db.execute("CALL truncate_duckdb_logs()")
        found[name] = len({g for g, start, end in groups for low, high in reads if low < end and high > start})
    return found


def pyarrow(windows, many, scratch):
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    found = {"files": len(list(ds.dataset(windows, partitioning="hive").get_fragments(pc.field("window_start") == WINDOW)))}
    for name, (column, compare, value) in QUERIES.items():
        condition = ds.field(column) == value if compare == "=" else ds.field(column) >= value
        found[name] = sum(len(f.split_by_row_group(condition)) for f in ds.dataset(glob.glob(many + "/*.parquet")).get_fragments(condition))
    return found


def polars(windows, many, scratch):
    """It tells in its log, on standard error."""
    os.environ["POLARS_VERBOSE"] = "1"
    import polars as pl

    def said(frame, pattern):
        kept = os.dup(2)
        with open(scratch + "/log", "w+") as log:
            os.dup2(log.fileno(), 2)
            frame.select("title").collect()
            os.dup2(kept, 2)
            log.seek(0)
            return re.search(pattern, log.read())

    files = pl.scan_parquet(windows + "/window_start=*/*.parquet", hive_partitioning=True, try_parse_hive_dates=False)
    skipped = said(files.filter(pl.col("window_start") == WINDOW), r"skipping (\d+) / (\d+) files")
    found = {"files": int(skipped[2]) - int(skipped[1])}
    for name, (column, compare, value) in QUERIES.items():
        condition = pl.col(column) == value if compare == "=" else pl.col(column) >= value
        found[name] = int(said(pl.scan_parquet(many + "/*.parquet").filter(condition), r"reading (\d+) / 2 row groups")[1])
    return found


def delta_rs(windows, many, scratch):
    """Its plans have the figures of DataFusion's reader."""
    import deltalake
    import pyarrow as pa

    def plan(table, condition):
        query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(table))
        rows = pa.table(query.execute("EXPLAIN ANALYZE SELECT count(title) FROM t WHERE " + condition).read_all()).to_pylist()
        return "\n".join(r["plan"] for r in rows)

    def metric(text, name):
        matched = re.search(name + r"=[\d.]+ ?K? total → ([\d.]+)( K)? matched", text)
        return round(float(matched[1]) * (1000 if matched[2] else 1))

    found = {"files": int(re.search(r"count_files_scanned=(\d+)", plan(windows, "window_start = '%s'" % WINDOW))[1])}
    found["statistics"] = metric(plan(many, where("statistics")), "row_groups_pruned_statistics")
    for name in ["bloom", "absent"]:
        found[name] = metric(plan(many, where(name)), "row_groups_pruned_bloom_filter")
    found["pages"] = metric(plan(many, where("pages")), "page_index_rows_pruned")
    return found


def clickhouse(windows, many, scratch):
    """It counts the files that it opens, and the rows that it holds against a condition."""
    from chdb.session import Session

    s = Session()

    def events():
        lines = str(s.query("SELECT event, value FROM system.events FORMAT TSV")).splitlines()
        return collections.Counter({name: int(value) for name, value in (line.split("\t") for line in lines if line)})

    def counted(source, condition, event):
        before = events()
        s.query("SELECT count(title) FROM file('%s', Parquet) WHERE %s SETTINGS use_hive_partitioning = 1" % (source, condition))
        return (events() - before)[event]

    found = {"files": counted(windows + "/window_start=*/*.parquet", "window_start = '%s'" % WINDOW, "EngineFileLikeReadFiles")}
    for name in QUERIES:
        found[name] = counted(many + "/*.parquet", where(name), "ParquetRowsFilterExpression")
    return found


def spark(windows, many, scratch):
    """Its scans count files, and rows that come out of the reader: whole pages, or whole row groups."""
    spark = session(scratch, **{"spark.sql.adaptive.enabled": "false"})

    def metric(frame, condition, name):
        frame = frame.where(condition).select("title")
        frame.collect()
        plan = frame._jdf.queryExecution().executedPlan()
        return plan.collectLeaves().head().metrics().apply(name).value()

    found = {"files": metric(spark.read.option("basePath", windows).parquet(windows + "/window_start=*"), "window_start = '%s'" % WINDOW, "numFiles")}
    found["delta_files"] = metric(spark.read.format("delta").load(windows), "window_start = '%s'" % WINDOW, "numFiles")
    files = spark.read.parquet(*glob.glob(many + "/*.parquet"))
    for name in QUERIES:
        found[name] = metric(files, where(name), "numOutputRows")
    spark.stop()
    return found


def groups(windows, many, scratch):
    """The rows of each row group."""
    import pyarrow.parquet as pq

    file = pq.read_metadata(glob.glob(many + "/*.parquet")[0])
    return [file.row_group(i).num_rows for i in range(file.num_row_groups)]


engines = {"groups": groups, "duckdb": duckdb, "pyarrow": pyarrow, "polars": polars, "delta-rs": delta_rs, "clickhouse": clickhouse, "spark": spark}

if __name__ == "__main__":
    engine, windows, many, scratch = sys.argv[1:]
    print(json.dumps(engines[engine](windows, many, scratch)))
