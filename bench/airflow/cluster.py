"""Runs the DAG of a folder with a cluster that runs containers as processes here."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import kubernetes_validate
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

TOKEN = Path(sys.argv[2]).read_text()
ran = {}


class Hook:
    is_in_cluster = False

    def get_namespace(self):
        return "default"

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class PodManager:
    """What the operator asks of a pod that has ended."""

    def __init__(self, operator):
        self.operator = operator

    def extract_xcom(self, pod, **kwargs):
        return ran[pod.metadata.name][0]

    def await_pod_completion(self, pod, *args, **kwargs):
        return ran[pod.metadata.name][1]

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def start(self, pod_request_obj, context):
    """The API server and a node: checks the pod, and runs its first container."""
    pod = pod_request_obj
    spec = ApiClient().sanitize_for_serialization(pod)
    kubernetes_validate.validate(spec, "1.35", strict=True)
    assert TOKEN not in json.dumps(spec)
    container = pod.spec.containers[0]
    env = {"PATH": os.environ["PATH"]}
    for variable in container.env:
        if variable.value_from is None:
            env[variable.name] = variable.value
        else:
            secret = variable.value_from.secret_key_ref
            assert (secret.name, secret.key) == ("talkwalker", "token")
            env[variable.name] = TOKEN
    assert env["AIRFLOW_CTX_DAG_ID"] == "pods" and env["AIRFLOW_CTX_TRY_NUMBER"] == "1"
    assert env["TW2PARQUET_RESULT_FILE"] == "/airflow/xcom/return.json"
    with tempfile.TemporaryDirectory() as directory:
        result, message = Path(directory, "return.json"), Path(directory, "message")
        message.touch()
        env["TW2PARQUET_RESULT_FILE"] = str(result)
        env["TW2PARQUET_TERMINATION_LOG"] = str(message)
        done = subprocess.run(
            [*container.command, *container.args], env=env, capture_output=True
        )
        print(done.stdout.decode(), done.stderr.decode())
        terminated = k8s.V1ContainerStateTerminated(
            exit_code=done.returncode, message=message.read_text()
        )
        status = k8s.V1ContainerStatus(
            name=container.name,
            image=container.image,
            image_id="",
            ready=False,
            restart_count=0,
            state=k8s.V1ContainerState(terminated=terminated),
        )
        phase = "Failed" if done.returncode else "Succeeded"
        remote = k8s.V1Pod(
            metadata=pod.metadata,
            spec=pod.spec,
            status=k8s.V1PodStatus(phase=phase, container_statuses=[status]),
        )
        ran[pod.metadata.name] = (result.read_text(), remote)
    return pod


def nothing(self, *args, **kwargs):
    return None


operator = KubernetesPodOperator
operator.get_or_create_pod = start
operator.find_pod = lambda self, *args, **kwargs: ran[self.pod.metadata.name][1]
operator.hook = property(lambda self: Hook())
operator.client = property(lambda self: None)
operator.pod_manager = property(PodManager)
operator.is_istio_enabled = lambda self, pod: False
for name in (
    "await_pod_start",
    "await_init_containers_completion",
    "await_pod_completion",
    "process_pod_deletion",
    "patch_already_checked",
    "_read_pod_container_states",
    "_read_pod_events",
):
    setattr(operator, name, nothing)

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
run = bag.dags["pods"].test(
    logical_date=datetime(2024, 1, 3, tzinfo=timezone.utc),
    run_conf={"start": "2024-01-01", "stop": "2024-01-03"},
)
tasks = [
    f"{task.task_id}{'' if task.map_index < 0 else f'[{task.map_index}]'} {task.state}"
    for task in run.get_task_instances()
]
print("\nthe run: " + ", ".join(sorted(tasks)))
