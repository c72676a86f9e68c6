"""Times Spark's scans of outputs that differ in the size of their row groups, and tells how evenly their tasks share the rows.

    python spark_scan.py [-r ROUNDS] OUT...
"""

import argparse
import glob
import statistics
import time

import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.functions import spark_partition_id

QUERIES = {
    "count": "SELECT count(*) FROM t",
    "group by language": "SELECT lang, count(*) FROM t GROUP BY lang",
    "range of days": "SELECT count(*), sum(engagement) FROM t WHERE published >= (SELECT max(published) - INTERVAL 10 DAYS FROM t)",
    "daily counts": "SELECT date_trunc('day', published), count(*) FROM t GROUP BY 1",
    "LIKE on content": "SELECT count(*) FROM t WHERE content LIKE '%service%'",
    "length of everything": "SELECT sum(length(content)), sum(length(url)), sum(length(title)), sum(length(_key)) FROM t",
}

arguments = argparse.ArgumentParser()
arguments.add_argument("-r", type=int, default=5, metavar="ROUNDS")
arguments.add_argument("outs", nargs="+", metavar="OUT")
args = arguments.parse_args()

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.driver.memory", "4g")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")

tables = {}
for out in args.outs:
    files = [pq.ParquetFile(f).metadata for f in sorted(glob.glob(out + "/*.parquet"))]
    tables[out] = spark.read.parquet(out)
    rows = sorted((r["count"] for r in tables[out].groupBy(spark_partition_id()).count().collect()), reverse=True)
    idle = tables[out].rdd.getNumPartitions() - len(rows)
    groups = [m.row_group(i).num_rows for m in files for i in range(m.num_row_groups)]
    print("%s: %d files, %d row groups of %d to %d rows; tasks have %s rows, and %d have none"
          % (out, len(files), len(groups), min(groups), max(groups), ", ".join(map(str, rows)), idle), flush=True)

taken = {(q, out): [] for q in QUERIES for out in tables}
answers = {}
for round in range(args.r + 1):
    for out, table in tables.items():
        table.createOrReplaceTempView("t")
        for name, query in QUERIES.items():
            begun = time.monotonic()
            answer = sorted(map(str, spark.sql(query).collect()))
            if answers.setdefault(name, answer) != answer:
                raise SystemExit("%s: %s answers %s, the first one %s" % (name, out, answer, answers[name]))
            if round > 0:
                taken[name, out].append((time.monotonic() - begun) * 1000)

print("\nmedian ms of %d rounds in turn" % args.r)
for name in QUERIES:
    print("%-22s" % name, *("%8.0f" % statistics.median(taken[name, out]) for out in tables))
