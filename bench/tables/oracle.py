"""What an output must hold, from the documents themselves: the emulator's results are read by DuckDB's JSON reader as the columns
that the schema names. No byte of ours is between."""

import glob
import json
import os
import subprocess
import urllib.request


def name(text):
    return '"' + text.replace('"', '""') + '"'


def fields(binary):
    """The schema as a tree: name, type, members."""
    text = subprocess.run([binary, "schema", "--format", "json"], check=True, capture_output=True, text=True).stdout
    places = {"": {"members": {}}}
    for column in json.loads(text)["columns"]:
        path = column["path"]
        parent, _, last = path.rpartition(".")
        here = {"type": column["type"], "members": {}}
        places[path] = here
        places[parent.removesuffix("[]")]["members"][last] = here
    return places[""]["members"]


def wire(field):
    """The type by which a field is read."""
    inner = "STRUCT(%s)" % ", ".join(name(n) + " " + wire(m) for n, m in field["members"].items())
    kind = field["type"]
    if kind == "utf8 (JSON)":
        return "JSON"
    return {"int32": "INTEGER", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "timestamp[us, UTC]": "BIGINT", "utf8": "VARCHAR",
            "list<utf8>": "VARCHAR[]", "struct": inner, "list<struct>": inner + "[]", "map<utf8, float64>": "MAP(VARCHAR, DOUBLE)"}[kind]


def conform(value, field):
    """A member as its column holds it: a lone text is a list of one, and what is of another type is null (it is in _extra)."""
    kind = field["type"]
    if kind == "struct":
        return {n: conform(value.get(n), f) for n, f in field["members"].items()} if isinstance(value, dict) else None
    if kind == "list<struct>":
        return [conform(v, {"type": "struct", "members": field["members"]}) for v in value] if isinstance(value, list) else None
    if kind == "list<utf8>":
        if isinstance(value, str):
            return [value]
        return [v if isinstance(v, str) else None for v in value] if isinstance(value, list) else None
    if kind == "map<utf8, float64>":
        return value if isinstance(value, dict) else None
    if kind == "utf8":
        return value if isinstance(value, str) else None
    return value


def documents(db, out, binary, url, token):
    """Makes the table oracle: the columns of the schema with window_start and _ordinal, without _key and _extra."""
    tree = fields(binary)
    beside = tree.pop("highlighted_data")
    own = [n for n in tree if n.startswith("_")]
    for n in own:
        tree.pop(n)
    all = {**tree, "highlighted_data": beside}
    columns = ", ".join("%s: '%s'" % (name(n), wire(f)) for n, f in all.items())
    times = ", ".join("make_timestamptz(%s * 1000) AS %s" % (name(n), name(n)) for n, f in all.items() if f["type"].startswith("timestamp"))
    parts = []
    for manifest in glob.glob(out + "/_tw2parquet/*/manifest.json"):
        run = json.load(open(manifest))
        window = os.path.basename(os.path.dirname(run["files"][0]["name"])).removeprefix("window_start=")
        lines = os.path.join(os.path.dirname(out), run["run"] + ".ndjson")
        asked = "%s/api/v3/stream/c/tw2p-%s/results?access_token=%s&resume_offset=earliest&end_behaviour=stop" % (url, run["run"], token)
        with urllib.request.urlopen(asked) as answer, open(lines, "wb") as file:
            for line in answer:
                chunk = json.loads(line)
                if chunk["chunk_type"] != "CT_RESULT":
                    continue
                data = chunk["chunk_result"]["data"]
                row = {n: conform(data["data"].get(n), f) for n, f in tree.items()}
                row["highlighted_data"] = conform(data.get("highlighted_data"), beside)
                file.write((json.dumps(row) + "\n").encode())
        parts.append("SELECT '%s' AS window_start, (row_number() OVER () - 1)::BIGINT AS _ordinal, * REPLACE (%s) FROM read_json('%s', format = 'newline_delimited', columns = {%s})"
                     % (window, times, lines, columns))
    db.execute("CREATE TABLE oracle AS " + " UNION ALL ".join(parts))
