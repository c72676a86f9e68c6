"""Reads an Iceberg table of tw2parquet with one engine, changes it as another writer would, and prints what was found as JSON.

    python iceberg.py ENGINE PLACE SCRATCH

PLACE is an output, the file of a SQLite catalog, the URL of a REST catalog, or that of a table's metadata. Whatever an engine reads is put into one form by
DuckDB: for each column a checksum of all its values, each together with what tells its row from others.
"""

import json
import os
import sqlite3
import sys

from engines import connect

TABLE = "docs.talkwalker"


def digest(db, relation, blind=False):
    """blind: a list of structs that is null counts as empty, because PyIceberg returns it so (iceberg-python#3833)."""
    columns = db.execute("DESCRIBE SELECT * FROM %s" % relation).fetchall()
    values = {c[0]: "\"%s\"::VARCHAR" % c[0] for c in columns}
    if blind:
        values.update({c[0]: "nullif(%s, '[]')" % values[c[0]] for c in columns if c[1].startswith("STRUCT") and c[1].endswith("[]")})
    row = "url, _ordinal, published::VARCHAR"
    sums = ", ".join("sum(md5_number_lower(concat_ws(chr(2), %s, coalesce(%s, chr(1))))::HUGEINT)::VARCHAR" % (row, v) for v in values.values())
    result = db.execute("SELECT count(*), %s FROM %s" % (sums, relation)).fetchone()
    return {"rows": result[0], "columns": dict(zip(values, result[1:]))}


def files(place, scratch, blind=False):
    return digest(connect(), "read_parquet('%s/window_start=*/*.parquet', hive_partitioning = false)" % place, blind)


def files_blind(place, scratch):
    return files(place, scratch, blind=True)


def catalog(place):
    from pyiceberg.catalog import load_catalog

    if place.startswith("http"):
        return load_catalog("default", type="rest", uri=place)
    return load_catalog("default", type="sql", uri="sqlite:///" + place)


def found(table):
    db = connect()
    db.register("t", table.scan().to_arrow())
    result = digest(db, "t", blind=True)
    result["files"] = len(list(table.scan().plan_files()))
    result["pruned"] = len(list(table.scan(row_filter="_ordinal >= 6000").plan_files()))
    result["snapshots"] = len(table.snapshots())
    return result


def pyiceberg(place, scratch):
    return found(catalog(place).load_table(TABLE))


def rewritten(place, scratch):
    """Another writer: it reads all rows, puts them into files of its own, and forgets every snapshot but the last."""
    table = catalog(place).load_table(TABLE)
    table.overwrite(table.scan().to_arrow())
    table = catalog(place).load_table(TABLE)
    old = [s.snapshot_id for s in table.snapshots() if s.snapshot_id != table.current_snapshot().snapshot_id]
    table.maintenance.expire_snapshots().by_ids(old).commit()
    return found(catalog(place).load_table(TABLE))


def duckdb(place, scratch):
    location = place
    if not place.startswith("file://"):
        location = sqlite3.connect(place).execute("SELECT metadata_location FROM iceberg_tables").fetchone()[0]
    db = connect("avro", "iceberg")
    result = digest(db, "iceberg_scan('%s')" % location)
    result["plans"] = [db.execute("EXPLAIN ANALYZE SELECT count(*) FROM iceberg_scan('%s') WHERE _ordinal >= 6000" % location).fetchall()[0][1]]
    return result


def duckdb_rest(place, scratch):
    """DuckDB attaches the catalog itself."""
    db = connect("avro", "httpfs", "iceberg")
    db.execute("ATTACH '' AS lake (TYPE iceberg, ENDPOINT '%s', AUTHORIZATION_TYPE 'none')" % place)
    return digest(db, "lake." + TABLE)


def spark(place, scratch):
    """Reads through the REST catalog, rewrites all files, forgets old snapshots and removes what nobody needs any more."""
    from pyspark.sql import SparkSession

    os.chdir(scratch)
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.jars.packages": "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": place,
        "spark.sql.catalog.lake.cache-enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    result = {}
    for step in ["read", "rewritten"]:
        if step == "rewritten":
            session.sql("CALL lake.system.rewrite_data_files(table => '%s', options => map('rewrite-all', 'true'))" % TABLE).collect()
            session.sql("CALL lake.system.expire_snapshots(table => '%s', older_than => current_timestamp(), retain_last => 1)" % TABLE).collect()
        table = session.table("lake." + TABLE)
        table.write.parquet("%s/%s" % (scratch, step))
        result[step] = digest(connect(), "read_parquet('%s/%s/*.parquet')" % (scratch, step))
        result[step]["files"] = session.table("lake.%s.files" % TABLE).count()
        result[step]["snapshots"] = session.table("lake.%s.snapshots" % TABLE).count()
    session.stop()
    return result


engines = {"files": files, "files-blind": files_blind, "pyiceberg": pyiceberg, "rewritten": rewritten, "duckdb": duckdb, "duckdb-rest": duckdb_rest, "spark": spark}

if __name__ == "__main__":
    engine, place, scratch = sys.argv[1:]
    print(json.dumps(engines[engine](place, scratch)))
