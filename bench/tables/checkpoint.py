"""Reads an output that is a Delta table in each way that the manual names for DuckDB, and prints what was found as JSON.

    python checkpoint.py OUT BINARY [write]

With write delta-rs writes a checkpoint first: a Parquet file in _delta_log.
"""

import glob
import json
import subprocess
import sys

from engines import connect, digest


def read(out, binary):
    db = connect("delta")
    found = {
        "files": digest(db, "read_parquet('%s/window_start=*/*.parquet', hive_partitioning = true, hive_types_autocast = false)" % out),
        "delta_scan": digest(db, "delta_scan('%s')" % out),
    }
    db.execute(subprocess.run([binary, "views", out], check=True, capture_output=True, text=True).stdout)
    found["views"] = {"rows": db.execute("SELECT count(*) FROM documents").fetchone()[0]}
    return found


if __name__ == "__main__":
    out, binary = sys.argv[1:3]
    if sys.argv[3:] == ["write"]:
        import deltalake

        deltalake.DeltaTable(out).create_checkpoint()
    print(json.dumps({**read(out, binary), "checkpoints": {"rows": len(glob.glob(out + "/_delta_log/*.parquet"))}}))
