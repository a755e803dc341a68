"""A Beam worker without a container: what a cluster's machines run for `environment_type=PROCESS`.

Beam starts workers by an executable that its images have and its Python package lacks. This one
serves where the machines have a Python environment with this package, such as one on a shared
folder: `nsl-tfx-beam-worker`, which the package installs, is its command.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from google.protobuf import json_format

# A runner on the same machine answers at once, or is gone.
_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Works for the runner that started this process, until that lets go of it.

    Nothing is installed first: the environment is taken as it is, so that a pipeline's own files
    (`--extra_package`, `--setup_file`) do not come to such workers.

    Args:
        arguments: Those that a runner gives: `--id` and `--provision_endpoint`, and others that
            are ignored; the command line's when None.

    Raises:
        grpc.RpcError: Nobody answers at the endpoint.
    """
    parser = argparse.ArgumentParser(prog="nsl-tfx-beam-worker", description=__doc__)
    parser.add_argument("--id", required=True, help="this worker's name")
    parser.add_argument("--provision_endpoint", required=True, help="HOST:PORT of the runner")
    known, _ = parser.parse_known_args(arguments)
    os.environ.update(_environment(known.id, known.provision_endpoint))

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


def _environment(name: str, endpoint: str) -> dict[str, str]:
    """Returns what Beam's worker reads from its environment, as the runner tells it."""
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        answer = service.GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(),
            metadata=[("worker_id", name)],
            timeout=_SECONDS,
        )
    info = answer.info
    found = {
        "WORKER_ID": name,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "LOGGING_API_SERVICE_DESCRIPTOR": str(info.logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": str(info.control_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    if info.HasField("status_endpoint"):
        found["STATUS_API_SERVICE_DESCRIPTOR"] = str(info.status_endpoint)
    return found
