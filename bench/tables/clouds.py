"""Reads an output of tw2parquet, and tables over it, in a bucket of fake-gcs-server or a container of Azurite, with each engine that
can ask them, and prints as JSON what they found.

    python clouds.py gcs|azure ENDPOINT CATALOG SCRATCH

The output is lake in the bucket lake, CATALOG the file of a SQLite catalog. Credentials of Azurite are in the environment.
"""

import json
import os
import sqlite3
import sys

import engines
import iceberg


class GCS:
    """Its engines speak the XML API, which is close to S3's, but for pyarrow and PyIceberg."""

    url = "gs://lake/lake"
    extension = "httpfs"

    def __init__(self, endpoint):
        host = endpoint.removeprefix("http://")
        self.secret = "TYPE gcs, KEY_ID 'any', SECRET 'any', ENDPOINT '%s', URL_STYLE 'path', USE_SSL false" % host
        # That is what it takes to make object_store, by which polars and delta-rs read, ask somebody else than Google.
        account = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        self.options = {"google_service_account_key": json.dumps(account)}
        self.arrow = ("GcsFileSystem", {"anonymous": True, "scheme": "http", "endpoint_override": host})
        # The server's ETags are in quotes in one answer, and not in another.
        self.clickhouse = "s3('%s/lake/lake/window_start=*/*.parquet', NOSIGN, 'Parquet')" % endpoint, "s3_validate_etag_on_read = 0"
        self.catalog = {"gcs.service.host": endpoint, "gcs.oauth2.token": "any", "gcs.oauth2.token-expires-at": "4102444800000"}


class Azure:
    url = "az://lake/lake"
    extension = "azure"

    def __init__(self, endpoint):
        host, account, key = endpoint.removeprefix("http://"), os.environ["AZURE_STORAGE_ACCOUNT"], os.environ["AZURE_STORAGE_KEY"]
        connection = "DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s/%s;" % (account, key, endpoint, account)
        self.secret = "TYPE azure, CONNECTION_STRING '%s'" % connection
        os.environ["AZURITE_BLOB_STORAGE_URL"] = endpoint  # for object_store
        self.options = {"azure_storage_account_name": account, "azure_storage_account_key": key, "azure_storage_use_emulator": "true"}
        self.arrow = ("AzureFileSystem", {"account_name": account, "account_key": key, "blob_storage_authority": host, "dfs_storage_authority": host,
                                          "blob_storage_scheme": "http", "dfs_storage_scheme": "http"})
        self.clickhouse = "azureBlobStorage('%s', 'lake', 'lake/window_start=*/*.parquet', 'Parquet')" % connection, "use_hive_partitioning = 1"
        self.catalog = {"adls.connection-string": connection}  # for adlfs: pyarrow cannot be told of such an address


def read(cloud, catalog, scratch):
    import chdb
    import deltalake
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.fs
    import pyarrow.parquet as pq
    from pyiceberg.catalog import load_catalog

    db = engines.connect(cloud.extension, "delta", "avro", "iceberg")
    db.execute("CREATE SECRET (%s)" % cloud.secret)
    pattern = cloud.url + "/window_start=*/*.parquet"
    found = {"duckdb": engines.digest(db, "read_parquet('%s', hive_partitioning = true, hive_types_autocast = false)" % pattern)}
    kind, settings = cloud.arrow
    hive = ds.partitioning(pa.schema([("window_start", pa.string())]), flavor="hive")
    found["pyarrow"] = engines.arrow(ds.dataset("lake/lake", filesystem=getattr(pyarrow.fs, kind)(**settings), partitioning=hive).to_table())
    frame = pl.scan_parquet(pattern, hive_partitioning=True, try_parse_hive_dates=False, storage_options=cloud.options)
    found["polars"] = engines.arrow(frame.collect().to_arrow())
    table = deltalake.DeltaTable(cloud.url, storage_options=cloud.options)
    found["delta-rs"] = engines.arrow(pa.table(deltalake.QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()))
    source, setting = cloud.clickhouse
    chdb.query("SELECT * FROM %s INTO OUTFILE '%s/c.parquet' FORMAT Parquet SETTINGS %s, use_hive_partitioning = 1, "
               "output_format_parquet_string_as_string = 1" % (source, scratch, setting))
    found["clickhouse"] = engines.arrow(pq.read_table(scratch + "/c.parquet"))
    found["pyiceberg"] = iceberg.found(load_catalog("default", type="sql", uri="sqlite:///" + catalog, **cloud.catalog).load_table(iceberg.TABLE))
    # These two ask Azure itself, whatever the connection string says.
    location = sqlite3.connect(catalog).execute("SELECT metadata_location FROM iceberg_tables").fetchone()[0]
    for name, digest, relation in [("duckdb-delta", engines.digest, "delta_scan('%s')" % cloud.url), ("duckdb-iceberg", iceberg.digest, "iceberg_scan('%s')" % location)]:
        if cloud.extension != "azure":
            found[name] = digest(db, relation)
    return found


if __name__ == "__main__":
    kind, endpoint, catalog, scratch = sys.argv[1:]
    print(json.dumps(read({"gcs": GCS, "azure": Azure}[kind](endpoint), catalog, scratch)))
