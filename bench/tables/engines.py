"""Reads an output of tw2parquet, or a table over it, with one engine, and prints what that engine found as JSON.

    python engines.py ENGINE OUT [SCRATCH] [BINARY]

Whatever an engine reads is put into one form by DuckDB: for each column a checksum of all its values, in order.
"""

import glob
import json
import os
import subprocess
import sys

import duckdb


def extension(name):
    module = __import__("duckdb_extension_" + name)
    return glob.glob(os.path.join(os.path.dirname(module.__file__), "extensions", "*", "*.duckdb_extension"))[0]


def connect(*extensions):
    db = duckdb.connect()
    for name in extensions:
        db.execute("LOAD '%s'" % extension(name))
    db.execute("SET TimeZone = 'UTC'")
    return db


def digest(db, relation):
    """Rows and a checksum for each column. Every row has a place of its own: its window and ordinal."""
    names = [row[0] for row in db.execute("DESCRIBE SELECT * FROM %s" % relation).fetchall()]
    order = "ORDER BY window_start, _ordinal"
    sums = ", ".join("md5(string_agg(coalesce(\"%s\"::VARCHAR, chr(1)), chr(2) %s))" % (n, order) for n in names)
    row = db.execute("SELECT count(*), %s FROM %s" % (sums, relation)).fetchone()
    return {"rows": row[0], "columns": dict(zip(names, row[1:]))}


def files(out, scratch, binary):
    db = connect()
    pattern = out + "/window_start=*/*.parquet"
    found = digest(db, "read_parquet('%s', hive_partitioning = true, hive_types_autocast = false)" % pattern)
    found["engine"] = duckdb.__version__
    return found


def oracle(out, scratch, binary):
    """The documents themselves."""
    import oracle

    db = connect()
    oracle.documents(db, out, binary, os.environ["TALKWALKER_BASE_URL"], os.environ["TALKWALKER_ACCESS_TOKEN"])
    return digest(db, "oracle")


def arrow(table):
    db = connect()
    db.register("t", table)
    return digest(db, "t")


def plain(value, kind):
    """A value where a list that is null is an empty one, and a struct that is null one of nulls: some engines know no others."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [plain(v, kind.value_type) for v in (value if value is not None else [])]
    if pa.types.is_map(kind):
        return sorted(dict(value or {}).items())
    if pa.types.is_struct(kind):
        return [plain((value or {}).get(f.name), f.type) for f in kind]
    return value


def values(column, kind):
    """As plain has them. A time is a number: there are none of year 2 million, which an engine may read, in Python."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    return [plain(v, kind) for v in column.to_pylist()]


def plainly(out, table):
    """The columns that hold the same as the files, null for null or not, and those that do not, or are not there."""
    import pyarrow.parquet as pq

    want = connect().execute("FROM read_parquet('%s/window_start=*/*.parquet', hive_partitioning = true, hive_types_autocast = false)" % out).to_arrow_table()
    order = [("window_start", "ascending"), ("_ordinal", "ascending")]
    want, table = want.sort_by(order), table.sort_by(order)
    found = {"rows": table.num_rows, "same": [], "plainly": [], "differ": []}
    exact = arrow(table)["columns"]
    reference = arrow(want)["columns"]
    for field in want.schema:
        name = field.name
        if exact.get(name) == reference[name]:
            found["same"].append(name)
        elif name in table.column_names and values(table[name], field.type) == values(want[name], field.type):
            found["plainly"].append(name)
        else:
            found["differ"].append(name)
    return found


def pyarrow(out, scratch, binary):
    import pyarrow as pa
    import pyarrow.dataset as ds

    files = ds.dataset(out, partitioning=ds.partitioning(pa.schema([("window_start", pa.string())]), flavor="hive"))
    found = arrow(files.to_table())
    # By the folder, then by the statistics of row groups.
    found["files"], found["all_files"] = len(list(files.get_fragments(ds.field("window_start") == "2024-02-01"))), len(files.files)
    found["groups"] = sum(len(f.split_by_row_group(ds.field("_ordinal") >= 1500)) for f in files.get_fragments(ds.field("_ordinal") >= 1500))
    found["all_groups"] = sum(len(f.row_groups) for f in files.get_fragments())
    return found


def polars(out, scratch, binary):
    import polars as pl

    frame = pl.scan_parquet(out + "/window_start=*/*.parquet", hive_partitioning=True, try_parse_hive_dates=False)
    return arrow(frame.collect().to_arrow())


def frame_of(out, **more):
    import pandas as pd

    frame = pd.read_parquet(out, dtype_backend="pyarrow", filters=None, **more)
    frame["window_start"] = frame["window_start"].astype("string[pyarrow]")
    return frame


def pandas(out, scratch, binary):
    import pyarrow as pa

    return arrow(pa.Table.from_pandas(frame_of(out), preserve_index=False))


def fastparquet(out, scratch, binary):
    """It reads members of structs as columns with dotted names; those are left out here."""
    import fastparquet as fp
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frames, refused = [], set()
    for part in glob.glob(out + "/window_start=*/*.parquet"):
        file, frame = fp.ParquetFile(part), {}
        for column in file.columns:
            if "." not in column:
                try:
                    frame[column] = file.to_pandas(columns=[column])[column]
                except NotImplementedError as problem:  # "Encoding 6", of some page
                    refused.add("%s: %s" % (column, problem))
        frame["window_start"] = os.path.basename(os.path.dirname(part)).removeprefix("window_start=")
        frames.append(pd.DataFrame(frame))
    found = plainly(out, pa.Table.from_pandas(pd.concat(frames), preserve_index=False))
    found["refused"] = sorted(refused)
    # Is it our file? The same lists in a file of pyarrow without dictionaries, and the same numbers in one with deltas.
    ours = connect().execute("FROM read_parquet('%s/window_start=*/*.parquet') ORDER BY _ordinal" % out).to_arrow_table()
    pq.write_table(ours.select(["tokens_title"]), scratch + "/lists.parquet", use_dictionary=False)
    theirs = fp.ParquetFile(scratch + "/lists.parquet").to_pandas()["tokens_title"]
    found["theirs"] = sum(1 for a, b in zip(theirs, ours["tokens_title"].to_pylist()) if (None if a is None else list(a)) != b)
    numbers = ours.select([f.name for f in ours.schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)])
    pq.write_table(numbers, scratch + "/numbers.parquet", use_dictionary=False, column_encoding={n: "DELTA_BINARY_PACKED" for n in numbers.column_names})
    theirs = pa.Table.from_pandas(fp.ParquetFile(scratch + "/numbers.parquet").to_pandas(), preserve_index=False)
    found["their_numbers"] = [f.name for f in numbers.schema if values(theirs[f.name], f.type) != values(numbers[f.name], f.type)]
    return found


def clickhouse(out, scratch, binary):
    import chdb
    import pyarrow.parquet as pq

    chdb.query("SELECT * FROM file('%s/window_start=*/*.parquet', Parquet) INTO OUTFILE '%s/c.parquet' FORMAT Parquet "
               "SETTINGS use_hive_partitioning = 1, output_format_parquet_string_as_string = 1" % (out, scratch))
    return plainly(out, pq.read_table(scratch + "/c.parquet"))


def buckets(out, scratch, binary):
    """The same files and their Delta table in a bucket: out is a URL, the server and its credentials are in the environment."""
    import deltalake
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.fs
    import chdb
    import fastparquet
    import pandas as pd
    import pyarrow.parquet as pq
    import s3fs

    endpoint, key, secret, region = (os.environ[n] for n in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"))
    host = endpoint.removeprefix("http://")
    db = connect("httpfs", "delta")
    db.execute("CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL false)" % (key, secret, region, host))
    pattern = "read_parquet('%s/window_start=*/*.parquet', hive_partitioning = true, hive_types_autocast = false)" % out
    found = {"duckdb": digest(db, pattern), "duckdb-delta": digest(db, "delta_scan('%s')" % out)}
    server = pyarrow.fs.S3FileSystem(access_key=key, secret_key=secret, region=region, endpoint_override=host, scheme="http")
    hive = ds.partitioning(pa.schema([("window_start", pa.string())]), flavor="hive")
    found["pyarrow"] = arrow(ds.dataset(out.removeprefix("s3://"), filesystem=server, partitioning=hive).to_table())
    options = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_region": region, "aws_endpoint_url": endpoint, "aws_allow_http": "true"}
    found["polars"] = arrow(pl.scan_parquet(out + "/window_start=*/*.parquet", hive_partitioning=True, try_parse_hive_dates=False, storage_options=options).collect().to_arrow())
    table = deltalake.DeltaTable(out, storage_options={k.upper(): v for k, v in options.items()})
    found["delta-rs"] = arrow(pa.table(deltalake.QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()))
    found["pandas"] = arrow(pa.Table.from_pandas(frame_of(out.removeprefix("s3://"), filesystem=server), preserve_index=False))
    places = s3fs.S3FileSystem(key=key, secret=secret, endpoint_url=endpoint, client_kwargs={"region_name": region})
    parts = []
    for part in places.glob(out + "/window_start=*/*.parquet"):
        parts.append(fastparquet.ParquetFile(part, open_with=places.open).to_pandas(columns=["_ordinal", "content", "title", "reach"]))
        parts[-1]["window_start"] = part.split("window_start=")[1].split("/")[0]
    found["fastparquet"] = arrow(pa.Table.from_pandas(pd.concat(parts), preserve_index=False))
    bucket, _, prefix = out.removeprefix("s3://").partition("/")
    chdb.query("SELECT * FROM s3('%s/%s/%s/window_start=*/*.parquet', '%s', '%s', 'Parquet') INTO OUTFILE '%s/c.parquet' FORMAT Parquet "
               "SETTINGS use_hive_partitioning = 1, output_format_parquet_string_as_string = 1" % (endpoint, bucket, prefix, key, secret, scratch))
    found["clickhouse"] = arrow(pq.read_table(scratch + "/c.parquet"))
    return found


def delta_rs(out, scratch, binary):
    import deltalake

    table = deltalake.DeltaTable(out)
    batches = deltalake.QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()
    db = connect()
    import pyarrow

    db.register("t", pyarrow.table(batches))
    found = digest(db, "t")
    found["version"] = table.version()
    found["files"] = len(table.file_uris())
    return found


def duckdb_delta(out, scratch, binary):
    db = connect("delta")
    found = digest(db, "delta_scan('file://%s')" % out)
    # By the partition, and by the statistics in the log. It looks at no statistics of times.
    for where in ["window_start = '2024-02-01'", "_ordinal >= 6000"]:
        found.setdefault("plans", []).append(db.execute("EXPLAIN ANALYZE SELECT count(*) FROM delta_scan('file://%s') WHERE %s" % (out, where)).fetchall()[0][1])
    return found


def delta_rs_compacts(out, scratch, binary):
    """Another writer: it rewrites every file, and takes the old ones out of the table."""
    import deltalake

    table = deltalake.DeltaTable(out)
    table.optimize.compact(target_size=1 << 30)
    table.create_checkpoint()
    return delta_rs(out, scratch, binary)


def ducklake(out, scratch, binary):
    """Runs the printed SQL twice, with a compaction between."""
    db = connect("ducklake")
    db.execute("ATTACH 'ducklake:%s/meta.ducklake' AS lake (DATA_PATH '%s/data/')" % (scratch, scratch))
    sql = subprocess.run([binary, "register", out, "--format", "ducklake"], check=True, capture_output=True, text=True).stdout
    db.execute(sql)
    found = digest(db, "lake.documents")
    db.execute("CALL ducklake_merge_adjacent_files('lake')")
    db.execute(sql)
    found["again"] = db.execute("SELECT count(*) FROM lake.documents").fetchone()[0]
    found["runs"] = db.execute("SELECT count(*) FROM lake.tw2parquet_runs").fetchone()[0]
    return found


def jars(place):
    """Jars whose checksums are known."""
    return glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".jars-" + place, "*.jar"))


def session(scratch, **more):
    """A session of Spark with Hive's support and Delta."""
    from pyspark.sql import SparkSession

    os.chdir(scratch)  # Derby and warehouses
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.warehouse.dir": scratch + "/warehouse",
        "spark.sql.shuffle.partitions": "2",
        "spark.jars.packages": "io.delta:delta-spark_2.13:4.0.0",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        **more,
    }
    builder = SparkSession.builder.master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.enableHiveSupport().getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def spark(out, scratch, binary):
    """The printed statements for Spark, and those for Athena (which is Hive's language), and the Delta table, in one session."""
    spark = session(scratch)
    found = {}
    for kind in ["spark", "athena", "delta"]:
        if kind == "delta":
            table = spark.read.format("delta").load(out)
        else:
            sql = subprocess.run([binary, "schema", "--format", kind, out], check=True, capture_output=True, text=True).stdout
            for statement in sql.split(";\n"):
                if statement.strip():
                    spark.sql(statement)
            table = spark.table("documents")
        # Spark writes what it read: DuckDB shares no reader with it.
        table.write.parquet(scratch + "/" + kind)
        found[kind] = digest(connect(), "read_parquet('%s/%s/*.parquet')" % (scratch, kind))
        spark.sql("DROP TABLE IF EXISTS documents")
    spark.stop()
    return found


def windows(out, scratch, binary):
    """What the printed views say of windows, and what the table of files without them."""
    db = connect()
    db.execute(subprocess.run([binary, "views", out], check=True, capture_output=True, text=True).stdout)
    rows = db.execute("SELECT d.window_start::VARCHAR, d.window_stop::VARCHAR, r.window_start::VARCHAR, count(*) FROM documents d JOIN runs r USING (_run) GROUP BY ALL ORDER BY ALL").fetchall()
    return [list(map(str, row)) for row in rows]


def versions(out, scratch, binary):
    """Of everything that is installed."""
    import importlib.metadata

    return {d.metadata["Name"].lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}


def dialects(out, scratch, binary):
    """Statements for services that cannot be started here are parsed by a library that knows their dialects."""
    import sqlglot

    found = {}
    for dialect, args in {"bigquery": [], "athena": [out], "spark": [out]}.items():
        sql = subprocess.run([binary, "schema", "--format", dialect] + args, check=True, capture_output=True, text=True).stdout
        statements = sqlglot.parse(sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        found[dialect] = {
            "statements": [s.key for s in statements],
            "columns": {c.name: c.args["kind"].sql(dialect) for c in statements[0].this.expressions if isinstance(c, sqlglot.exp.ColumnDef)},
        }
    return found


engines = {
    "files": files, "oracle": oracle, "pyarrow": pyarrow, "polars": polars, "pandas": pandas, "fastparquet": fastparquet, "clickhouse": clickhouse, "buckets": buckets, "delta-rs": delta_rs, "duckdb-delta": duckdb_delta, "delta-rs-compacts": delta_rs_compacts, "ducklake": ducklake,
    "spark": spark, "dialects": dialects, "versions": versions, "windows": windows,
}

if __name__ == "__main__":
    engine, out, scratch, binary = sys.argv[1:]
    print(json.dumps(engines[engine](out, scratch, binary)))
