"""What every flow asks of the API before it reads: a collector, an export task, and waiting for its end. BASE, TOKEN, PROJECT, START
and STOP are in the environment."""

import os
import time

import requests

COLLECTOR = "peers"


def call(method, path, body=None):
    answer = requests.request(method, os.environ["BASE"] + path, params={"access_token": os.environ["TOKEN"]}, json=body)
    answer.raise_for_status()
    return answer.json()


def export():
    """Exports the project's window into the collector."""
    call("PUT", "/api/v3/stream/c/" + COLLECTOR, {})
    answer = call("POST", "/api/v3/stream/p/%s/export" % os.environ["PROJECT"], {"start": os.environ["START"], "stop": os.environ["STOP"], "target": COLLECTOR})
    task = answer["result_tasks"]["tasks"][0]
    while task["status"] in ("queued", "running"):
        time.sleep(0.05)  # people wait for seconds; nobody is compared by how long he sleeps
        task = call("GET", "/api/v3/tasks/export/" + task["id"])["result_tasks"]["tasks"][0]
    if task["status"] != "finished":
        raise SystemExit("the task is " + task["status"])


def results(offset):
    """One read of the collector: its chunks, from an offset on."""
    answer = requests.get("%s/api/v3/stream/c/%s/results" % (os.environ["BASE"], COLLECTOR), stream=True,
                          params={"access_token": os.environ["TOKEN"], "resume_offset": offset, "end_behaviour": "stop"})
    answer.raise_for_status()
    return (line for line in answer.iter_lines(chunk_size=1 << 16) if line)
