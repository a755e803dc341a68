"""A worker without a container learns from its runner what Beam's worker reads."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, struct_pb2, text_format

from nsl_tfx.beam_worker import main


class Runner(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Tells what is asked, and remembers who asked."""

    def __init__(self, **endpoints):
        options = json_format.ParseDict({"parallelism": "2"}, struct_pb2.Struct())
        self.info = beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=options, runner_capabilities=["one", "two"]
        )
        for name, url in endpoints.items():
            getattr(self.info, f"{name}_endpoint").url = url
        self.asked_by = []

    def GetProvisionInfo(self, request, context):
        self.asked_by.append(dict(context.invocation_metadata())["worker_id"])
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=self.info)


@pytest.fixture
def work(monkeypatch):
    """Starts a worker for a runner; returns the environment in which Beam's own ran."""

    def run(runner):
        server = grpc.server(ThreadPoolExecutor(1))
        beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(runner, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        found = {}
        monkeypatch.setattr(os, "environ", {})
        monkeypatch.setattr(sdk_worker_main, "main", lambda _: found.update(os.environ))
        try:
            main(["--id=7-1", f"--provision_endpoint=127.0.0.1:{port}", "--semi_persist_dir=/tmp"])
        finally:
            server.stop(None)
        return found

    return run


def url(text):
    return text_format.Parse(text, endpoints_pb2.ApiServiceDescriptor()).url


def test_environment_is_what_the_runner_says(work):
    runner = Runner(logging="h:1", control="h:2", status="h:3")
    found = work(runner)
    assert runner.asked_by == [found["WORKER_ID"]] == ["7-1"]
    assert json.loads(found["PIPELINE_OPTIONS"]) == {"parallelism": "2"}
    assert found["RUNNER_CAPABILITIES"].split() == ["one", "two"]
    names = ("LOGGING", "CONTROL", "STATUS")
    assert [url(found[f"{name}_API_SERVICE_DESCRIPTOR"]) for name in names] == ["h:1", "h:2", "h:3"]


def test_no_status_is_told_where_nobody_asks_for_it(work):
    assert "STATUS_API_SERVICE_DESCRIPTOR" not in work(Runner(logging="h:1", control="h:2"))
