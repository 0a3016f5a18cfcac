"""Oracle: an HTTP client. The pages answer, show this store's track and hand out its record."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
from urllib.parse import urlsplit

import pytest

from benchsuite.records.mlflow.connection import MirrorError
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.ui import page_of, running_ui, serve_ui, tracks_served, ui_command
from benchsuite.records.mlflow.uris import default_artifact_root, default_tracking_uri


def test_pages_answer_within_20_s_and_hand_out_the_record(store, mirror, make_record, capsys):
    record = make_record()
    mirror.upsert(record)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with running_ui(default_tracking_uri(store.root), default_artifact_root(store.root), port=0) as address:
        assert list(tracks_served(address)) == ["digits-fc"]
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        connection.request("GET", f"/get-artifact?path=record.json&run_uuid={mirror.runs()[0].info.run_id}")
        assert connection.getresponse().read().decode() == record.model_dump_json(indent=1) + "\n"
        # The same server is also one that a lab could have: runs mirrored over HTTP are there once, with their files.
        remote = Mirror.open(address, store.root)
        assert [remote.upsert(make_record(seed=7)) for _ in range(2)] == ["created", "unchanged"]
        assert sorted(r.info.run_name for r in mirror.runs()) == ["backprop-seed0", "backprop-seed7"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The server's time on a core, 6 s here: on a quiet machine the time until it answers, and the same on a busy one.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 20
    assert capsys.readouterr() == ("", "")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=2)


def test_server_does_not_outlive_the_process_that_started_it(tmp_path):
    command = ui_command("sqlite:///never-opened.db", tmp_path, "127.0.0.1", 0)
    process = subprocess.Popen(command.arguments, env=os.environ | command.environment, stdin=subprocess.PIPE)
    process.stdin.close()  # what a killed parent's end of the pipe does
    assert process.wait(10) == -signal.SIGTERM


def test_port_that_is_taken_is_told_before_anything_starts(store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(MirrorError, match=f"cannot listen on 127.0.0.1:{port}"),
            running_ui(default_tracking_uri(store.root), default_artifact_root(store.root), port=port),
        ):
            pass


def test_password_is_not_among_the_arguments(tmp_path):
    command = ui_command("postgresql://ann:hunter2@db/mlflow", tmp_path, "127.0.0.1", 5000)
    assert not any("hunter2" in argument for argument in command.arguments)
    assert command.environment["MLFLOW_BACKEND_STORE_URI"].endswith("hunter2@db/mlflow")
    assert command.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(
    ("tracks", "track", "page"),
    [
        ({"a": "1"}, None, "#/experiments/1/runs"),
        ({"a": "1", "b": "2"}, None, "#/experiments"),
        ({"a": "1", "b": "2"}, "b", "#/experiments/2/runs"),
        ({"a": "1"}, "gone", "#/experiments"),
        ({}, None, "#/experiments"),
    ],
)
def test_page_is_the_only_tracks_or_the_named_ones_or_the_list(tracks, track, page):
    assert page_of(tracks, track).split("?")[0] == page


def test_server_that_is_there_is_opened_and_not_started_again(tmp_path):
    told: list[str] = []
    serve_ui("https://ann:hunter2@mlflow.lab:5000/x/", tmp_path, open_browser=False, on_ready=told.append)
    assert told == ["MLflow's own server shows the runs at https://mlflow.lab:5000/x/#/experiments"]
