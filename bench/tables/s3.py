"""Reads an output of tw2parquet in a bucket, or a table over it, with one engine, and prints what that engine found as JSON. The server
and its credentials are in the environment, as AWS's tools know them, and for PyIceberg as it knows them.

    python s3.py ENGINE OUT CATALOG SCRATCH [QUERY]

OUT is the URL of the output, CATALOG the file of a SQLite catalog or the URL of a REST catalog.
"""

import json
import os
import sqlite3
import sys

import engines
import iceberg

ENDPOINT, KEY, SECRET, REGION = (os.environ[n] for n in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"))
HOST = ENDPOINT.removeprefix("http://")
OPTIONS = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION, "AWS_ALLOW_HTTP": "true"}


def duck(*extensions):
    db = engines.connect("httpfs", *extensions)
    db.execute("CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL false)" % (KEY, SECRET, REGION, HOST))
    return db


def filesystem():
    import pyarrow.fs

    return pyarrow.fs.S3FileSystem(access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=HOST, scheme="http")


def pattern(out):
    return "read_parquet('%s/window_start=*/*.parquet', hive_partitioning = true, hive_types_autocast = false)" % out


def metadata(catalog):
    """Where the newest metadata of the table lie."""
    return sqlite3.connect(catalog).execute("SELECT metadata_location FROM iceberg_tables").fetchone()[0]


def duckdb(out, catalog, scratch):
    return iceberg.digest(duck("avro", "iceberg"), "iceberg_scan('%s')" % metadata(catalog))


def duckdb_rest(out, catalog, scratch):
    db = duck("avro", "iceberg")
    db.execute("ATTACH '' AS lake (TYPE iceberg, ENDPOINT '%s', AUTHORIZATION_TYPE 'none', ACCESS_DELEGATION_MODE 'none')" % catalog)
    return iceberg.digest(db, "lake." + iceberg.TABLE)


def s3a_jars():
    """Those of Hadoop's S3A, without those of Iceberg's own client, which bring a newer SDK."""
    return [jar for jar in engines.jars("s3") if "iceberg-aws-bundle" not in jar] + [jar for jar in engines.jars("rest") if "sqlite-jdbc" in jar]


def rest_jars():
    """Those of Iceberg's own client, and Delta's, which every session here names as its first catalog."""
    return [jar for jar in engines.jars("s3") if os.path.basename(jar).startswith(("iceberg-", "delta-"))]


def spark_session(scratch, found, **more):
    return engines.session(scratch, **{
        "spark.jars.packages": "",
        "spark.jars": ",".join(found),
        "spark.databricks.delta.snapshotPartitions": "2",
        **more,
    })


def saved(table, scratch, name, digest):
    """Spark writes what it read: DuckDB shares no reader with it."""
    table.write.parquet("%s/%s" % (scratch, name))
    return digest(engines.connect(), "read_parquet('%s/%s/*.parquet')" % (scratch, name))


def spark(out, catalog, scratch):
    """Everything by Hadoop's S3A: files, the Delta table, and the Iceberg table of a catalog in a database."""
    session = spark_session(scratch, s3a_jars(), **{
        "spark.hadoop.fs.s3a.endpoint": ENDPOINT,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",  # as Iceberg's table calls the files
        "spark.sql.catalog.default": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.default.type": "jdbc",
        "spark.sql.catalog.default.uri": "jdbc:sqlite:" + catalog,
        "spark.sql.catalog.default.warehouse": "s3://lake/warehouse",
    })
    place = out.replace("s3://", "s3a://")
    found = {
        "files": saved(session.read.option("basePath", place).parquet(place + "/window_start=*"), scratch, "files", engines.digest),
        "delta": saved(session.read.format("delta").load(place), scratch, "delta", engines.digest),
        "iceberg": saved(session.table("default." + iceberg.TABLE), scratch, "iceberg", iceberg.digest),
    }
    session.stop()
    return found


def spark_rest(out, catalog, scratch):
    """By Iceberg's own S3FileIO through a REST catalog; then it rewrites all files, and forgets and removes the old ones."""
    session = spark_session(scratch, rest_jars(), **{
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": catalog,
        "spark.sql.catalog.lake.cache-enabled": "false",
        "spark.sql.catalog.lake.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.catalog.lake.s3.endpoint": ENDPOINT,
        "spark.sql.catalog.lake.s3.path-style-access": "true",
        "spark.sql.catalog.lake.client.region": REGION,
    })
    found = {"read": saved(session.table("lake." + iceberg.TABLE), scratch, "read", iceberg.digest)}
    session.sql("CALL lake.system.rewrite_data_files(table => '%s', options => map('rewrite-all', 'true'))" % iceberg.TABLE).collect()
    session.sql("CALL lake.system.expire_snapshots(table => '%s', older_than => current_timestamp(), retain_last => 1)" % iceberg.TABLE).collect()
    found["rewritten"] = saved(session.table("lake." + iceberg.TABLE), scratch, "rewritten", iceberg.digest)
    found["rewritten"]["snapshots"] = session.table("lake.%s.snapshots" % iceberg.TABLE).count()
    session.stop()
    return found


def defaults(out, catalog, scratch):
    """Writes what Spark must know of our server besides what the manual says, and where the packages lie that it names."""
    rest = catalog.startswith("http")
    settings = {
        "spark.jars": ",".join(rest_jars() if rest else s3a_jars()),
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.hadoop.fs.s3a.endpoint": ENDPOINT,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    if rest:
        settings.update({"spark.sql.catalog.lake.s3.endpoint": ENDPOINT, "spark.sql.catalog.lake.s3.path-style-access": "true"})
    with open(scratch + "/spark-defaults.conf", "w") as file:
        file.writelines("%s %s\n" % setting for setting in settings.items())
    return scratch


# What scans ask for: SQL, and the same for what has expressions of its own.
QUERIES = {
    "all": ("true", None),
    "window": ("window_start = '2024-02-01'", ("window_start", "==", "2024-02-01")),
    "ordinal": ("_ordinal >= 1100", ("_ordinal", ">=", 1100)),
    "indexed": ("search_indexed >= TIMESTAMP '2024-03-01 00:00:00'", None),
    "column": ("true", None),
}


def scan(engine, out, catalog, query):
    """Reads all columns of the rows that a query asks for, or of all rows one column, and returns how many rows there are."""
    sql, expression = QUERIES[query]
    columns = ["lang"] if query == "column" else None
    select = "SELECT %s FROM %%s WHERE %s" % (columns[0] if columns else "*", sql)
    if engine == "disk":  # what all others must find
        return engines.connect().execute(select % pattern(out)).to_arrow_table().num_rows
    if engine.startswith("duckdb"):
        db = duck("delta", "avro", "iceberg")
        db.execute("SET threads = 1")  # several ask for some bytes twice, or not, as it happens
        table = {"duckdb": lambda: pattern(out), "duckdb-delta": lambda: "delta_scan('%s')" % out, "duckdb-iceberg": lambda: "iceberg_scan('%s')" % metadata(catalog)}[engine]()
        return db.execute(select % table).to_arrow_table().num_rows
    if engine == "delta-rs":
        import deltalake
        import pyarrow as pa

        table = deltalake.DeltaTable(out, storage_options=OPTIONS)
        return pa.table(deltalake.QueryBuilder().register("t", table).execute(select % "t").read_all()).num_rows
    if engine == "pyiceberg":
        where = {"ordinal": "_ordinal >= 1100", "indexed": "search_indexed >= '2024-03-01T00:00:00+00:00'"}.get(query, "true")
        table = iceberg.catalog(catalog).load_table(iceberg.TABLE)
        return table.scan(row_filter=where, selected_fields=tuple(columns or ["*"])).to_arrow().num_rows
    if engine == "pyarrow":
        import pyarrow as pa
        import pyarrow.dataset as ds

        hive = ds.partitioning(pa.schema([("window_start", pa.string())]), flavor="hive")
        files = ds.dataset(out.removeprefix("s3://"), filesystem=filesystem(), partitioning=hive)
        name, operator, value = expression or (None, None, None)
        where = {"==": lambda: ds.field(name) == value, ">=": lambda: ds.field(name) >= value, None: lambda: None}[operator]()
        return files.to_table(columns=columns, filter=where).num_rows
    if engine == "polars":
        import polars as pl

        frame = pl.scan_parquet(out + "/window_start=*/*.parquet", hive_partitioning=True, try_parse_hive_dates=False, storage_options={k.lower(): v for k, v in OPTIONS.items()})
        if expression:
            name, operator, value = expression
            frame = frame.filter(pl.col(name) == value if operator == "==" else pl.col(name) >= value)
        return (frame.select(columns) if columns else frame).collect().height
    raise KeyError(engine)


commands = {"duckdb": duckdb, "duckdb-rest": duckdb_rest, "spark": spark, "spark-rest": spark_rest, "defaults": defaults}

if __name__ == "__main__":
    engine, out, catalog, scratch = sys.argv[1:5]
    print(json.dumps(scan(engine, out, catalog, sys.argv[5]) if len(sys.argv) > 5 else commands[engine](out, catalog, scratch)))
