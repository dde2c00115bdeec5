"""Deployments of a plan, by the SDK alone: each with its endpoint and what comes before, asked and
deleted again. Arguments: the connection file, the folder that all paths are below, the plan's file.

The plan is a list in JSON; of each deployment a line of JSON says what came of it.
"""

import argparse
import json
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from azure.ai.ml import (
    Input,
    load_batch_deployment,
    load_batch_endpoint,
    load_environment,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    Environment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import HttpResponseError

from outside.official_sdk.kit import CONNECTION, WORK, client

_AT_A_TIME = 4
_LATER = (408, 429, 503, 504)
_TRIES = 100


def made_before(words):
    """An asset or a compute, as the words of the shell script's `az ml` have it."""
    group, _, *rest = words
    parser = argparse.ArgumentParser()
    for name in ("-f", "-n", "--name", "-v", "--version", "--path", "--type", "--size", "--image"):
        parser.add_argument(name)
    parser.add_argument("--conda-file")
    parser.add_argument("--min-instances", type=int)
    parser.add_argument("--max-instances", type=int)
    said = parser.parse_args(rest)
    name, version = said.n or said.name, said.v or said.version
    if group == "model":
        model = Model(name=name, version=version, path=said.path, type=said.type)
        client.models.create_or_update(load_model(said.f) if said.f else model)
    elif group == "environment":
        told = {"image": said.image, "conda_file": said.conda_file}
        environment = Environment(name=name, version=version, **(told if not said.f else {}))
        client.environments.create_or_update(load_environment(said.f) if said.f else environment)
    else:
        count = {"min_instances": said.min_instances, "max_instances": said.max_instances}
        compute = AmlCompute(name=name, size=said.size or "Standard_DS3_v2", **count)
        client.compute.begin_create_or_update(compute).result()


def online(asked):
    name = asked["name"]
    if asked["endpoint"]:
        endpoint = load_online_endpoint(asked["endpoint"], params_override=[{"name": name}])
    else:
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
    endpoint = client.online_endpoints.begin_create_or_update(endpoint).result()
    changes = [{"endpoint_name": name}, *({key: value} for key, value in asked["sets"])]
    deployment = load_online_deployment(asked["file"], params_override=changes)
    made = client.online_deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {made.name: 100}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    answer = in_time(lambda: answered(name, asked["request"])) if asked["request"] else ""
    return made.provisioning_state, answer


def answered(name, request):
    if request.endswith(".json"):
        return client.online_endpoints.invoke(endpoint_name=name, request_file=request)
    place = client.online_endpoints.get(name).scoring_uri
    key = client.online_endpoints.get_keys(name).primary_key
    files = {"file": Path(request).read_bytes()}
    bearer = {"authorization": f"Bearer {key}"}
    answer = requests.post(place, files=files, headers=bearer, verify=CONNECTION["ca_file"])
    answer.raise_for_status()
    return f"{answer.headers['content-type']} {answer.content[:2].hex()}"


def in_time(ask):
    """Its request may take 3 seconds, which a busy machine needs for the first."""
    for _ in range(_TRIES):
        try:
            return ask()
        except (HttpResponseError, requests.HTTPError) as error:
            status = getattr(error, "status_code", None) or error.response.status_code
            if status not in _LATER:
                raise
    raise TimeoutError("no answer in time")


def batch(asked):
    name = asked["name"]
    if asked["endpoint"]:
        endpoint = load_batch_endpoint(asked["endpoint"], params_override=[{"name": name}])
    else:
        endpoint = BatchEndpoint(name=name)
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    changes = [{"endpoint_name": name}]
    deployment = load_batch_deployment(asked["file"], params_override=changes)
    made = client.batch_deployments.begin_create_or_update(deployment).result()
    data = Input(type="uri_folder", path=asked["request"])
    job = client.batch_endpoints.invoke(name, deployment_name=made.name, input=data)
    client.jobs.stream(job.name)
    return made.provisioning_state, client.jobs.get(job.name).status


def played(asked):
    told = {"file": asked["file"]}
    kind, endpoints = {
        "online": (online, client.online_endpoints),
        "batch": (batch, client.batch_endpoints),
    }[asked["kind"]]
    try:
        told["state"], told["answer"] = kind(asked)
    except BaseException as error:  # whatever ends it is what it tells
        told["error"] = f"{type(error).__name__}: {error}"[:1500]
        told["where"] = traceback.format_exc()[-2500:]
    try:
        endpoints.begin_delete(asked["name"]).result()
    except Exception as error:  # it is told, and does not hide what came before it
        told.setdefault("error", f"deleting it: {error}"[:1500])
    return told


def main():
    plan = json.loads(Path(sys.argv[3]).read_text())
    os.chdir(WORK)
    made = []
    for words in [words for asked in plan for words in asked["before"]]:
        if words not in made:
            made_before(words)
            made.append(words)
    # The SDK looks every five seconds whether something is done: meanwhile others have their turn.
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        for told in threads.map(played, plan):
            sys.stdout.write(f"\n{json.dumps(told)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
