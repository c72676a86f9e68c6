"""A notebook: requests, a list of all documents, pandas. It goes on at the last offset when the connection breaks."""

import json
import os

import api
import pandas
import requests

api.export()
documents, offset, end = [], "earliest", None
while offset != end:
    end = offset
    try:
        for line in api.results(offset):
            chunk = json.loads(line)
            if chunk["chunk_type"] == "CT_RESULT":
                documents.append(chunk["chunk_result"]["data"]["data"])
            elif chunk["chunk_type"] == "CT_CONTROL":
                offset = chunk["chunk_control"]["resume_offset"]
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
        print("again from", offset, "after", type(error).__name__)
        end = None
frame = pandas.DataFrame(documents)
for name in frame:  # a list here, a text there: Arrow refuses the column as it is
    if frame[name].map(lambda value: isinstance(value, (list, dict))).any():
        frame[name] = frame[name].map(json.dumps)
frame.to_parquet(os.path.join(os.environ["OUT"], "documents.parquet"), compression="zstd")
