"""dlt: a resource that yields documents and keeps the offset in its state, into Parquet files. Lists stay in their column, as they do
elsewhere: child tables would cost more."""

import json
import os

import api
import dlt


@dlt.resource(name="documents", write_disposition="append", max_table_nesting=0)
def documents():
    state = dlt.current.resource_state()
    if "offset" not in state:
        api.export()
    batch = []
    for line in api.results(state.get("offset", "earliest")):
        chunk = json.loads(line)
        if chunk["chunk_type"] == "CT_RESULT":
            batch.append(chunk["chunk_result"]["data"]["data"])
        elif chunk["chunk_type"] == "CT_CONTROL":
            state["offset"] = chunk["chunk_control"]["resume_offset"]
            yield batch
            batch = []
    yield batch


out = os.environ["OUT"]
dlt.config["runtime.dlthub_telemetry"] = False
dlt.config["normalize.workers"] = 2
pipeline = dlt.pipeline("peers", pipelines_dir=out + "-state", dataset_name="talkwalker",
                        destination=dlt.destinations.filesystem(bucket_url="file://" + out))
print(pipeline.run(documents(), loader_file_format="parquet"))
