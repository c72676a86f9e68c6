"""Looks at column chunks whose pages differ in their encoding, and prints as JSON what it found.

    python chunks.py encodings OUT
    python chunks.py spark OUT CATALOG SCRATCH

CATALOG is the file of a SQLite catalog that has the output's Iceberg table.
"""

import glob
import json
import sys

import engines
import iceberg

# As parquet.thrift numbers them.
DATA_PAGE = 0
ENCODINGS = {0: "PLAIN", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY", 8: "RLE_DICTIONARY"}


def encodings(out):
    """The columns some chunk of which has data pages of several encodings, by these encodings, as footers tell them."""
    import fastparquet

    found = {}
    for path in glob.glob(out + "/window_start=*/*.parquet"):
        for group in fastparquet.ParquetFile(path).row_groups:
            for column in group.columns:
                used = sorted({ENCODINGS[s.encoding] for s in column.meta_data.encoding_stats or [] if s.page_type == DATA_PAGE})
                if len(used) > 1:
                    names = found.setdefault(" ".join(used), [])
                    names.append(".".join(n.decode() if isinstance(n, bytes) else n for n in column.meta_data.path_in_schema))
    return found


def spark(out, catalog, scratch):
    """The files by Spark's own reader and the Iceberg table by Iceberg's, each of which has one for batches and one for rows. Iceberg
    takes that for batches only where no column is nested."""
    jars = [jar for jar in engines.jars("s3") if "iceberg-spark" in jar] + [jar for jar in engines.jars("rest") if "sqlite-jdbc" in jar]
    session = engines.session(scratch, **{
        "spark.jars.packages": "",
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.execution.datasources.v2.V2SessionCatalog",
        "spark.sql.catalog.default": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.default.type": "jdbc",
        "spark.sql.catalog.default.uri": "jdbc:sqlite:" + catalog,
        "spark.sql.catalog.default.warehouse": scratch + "/warehouse",
    })
    found = {}
    for kind in ["batches", "rows"]:
        batches = kind == "batches"
        for setting in ["spark.sql.parquet.enableVectorizedReader", "spark.sql.parquet.enableNestedColumnVectorizedReader", "spark.sql.iceberg.vectorization.enabled"]:
            session.conf.set(setting, str(batches).lower())
        table = session.table("default." + iceberg.TABLE)
        for name, frame in {
            "Spark": session.read.parquet(*glob.glob(out + "/window_start=*/*.parquet")),
            "Iceberg": table.select([f.name for f in table.schema if f.dataType.typeName() not in ("array", "map", "struct")]) if batches else table,
        }.items():
            # Spark writes what it read: DuckDB shares no reader with it.
            copy = "%s/%s-%s" % (scratch, name, kind)
            try:
                frame.write.parquet(copy)
            except Exception as problem:
                found[name + ", " + kind] = {"problem": str(problem)}
                continue
            found[name + ", " + kind] = iceberg.digest(engines.connect(), "read_parquet('%s/*.parquet')" % copy)
    session.stop()
    return found


commands = {"encodings": encodings, "spark": spark}

if __name__ == "__main__":
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
