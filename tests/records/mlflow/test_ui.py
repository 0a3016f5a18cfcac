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
from benchsuite.records.mlflow.overview import boards, outdated_runs
from benchsuite.records.mlflow.ui import page_of, running_ui, serve_ui, ui_command
from benchsuite.records.mlflow.uris import default_artifact_root, default_tracking_uri
from benchsuite.records.model import RunRecord


def get(address: str, path: str) -> tuple[int, str]:
    """Return an answer's status, and its text or where it leads."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("location") or text


def check_our_pages(address: str, record: RunRecord, mlflow_run_id: str) -> None:
    """Catch a list without the track, links to pages that MLflow has elsewhere, and a board without a way back."""
    assert page_of(address, None) == f"{address}/benchsuite/"
    status, home = get(address, "/benchsuite/")
    assert (status, "digits-fc" in home, "10.00 %" in home, "backprop" in home) == (200, True, True, True)
    menu = "workflowType=machine_learning"
    charts = f"#/experiments/1/runs?viewStateShareKey=benchsuite-smoke&compareRunsMode=CHART&{menu}"
    assert f'href="/{charts}"'.replace("&", "&amp;") in home
    assert get(address, "/benchsuite/track/digits-fc") == (307, f"/?from=benchsuite{charts}")
    page = f"#/experiments/1/runs/{mlflow_run_id}?{menu}"
    assert get(address, f"/benchsuite/run/{record.run_id}") == (307, f"/?from=benchsuite{page}")
    assert get(address, "/benchsuite/track/unknown") == get(address, "/benchsuite/run/0") == (307, "/benchsuite/")
    status, gate = get(address, "/?from=benchsuite")
    assert (status, "machine_learning" in gate, 'window.location.replace("/" +' in gate) == (200, True, True)
    assert "window.location.replace" not in get(address, "/")[1]  # MLflow's own start page
    status, run = get(address, f"/benchsuite/board/runs/digits-fc/{record.run_id}.html")
    assert (status, f'href="/benchsuite/run/{record.run_id}"' in run, "<h1>Run</h1>" in run) == (200, True, True)
    assert get(address, "/benchsuite/board/../mlflow.db")[0] == 404
    assert get(address, "/benchsuite/board/runs")[0] == 404


def test_pages_answer_within_20_s_and_hand_out_the_record(store, mirror, make_record, capsys):
    record = make_record()
    mirror.upsert(record)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    board = store.root / "site"
    (board / "runs" / "digits-fc").mkdir(parents=True)
    (board / "runs" / "digits-fc" / f"{record.run_id}.html").write_text("<html><body class=x><h1>Run</h1></body>")
    uri, mlflow_run_id = default_tracking_uri(store.root), mirror.runs()[0].info.run_id
    with running_ui(uri, default_artifact_root(store.root), board, port=0) as address:
        assert get(address, f"/get-artifact?path=record.json&run_uuid={mlflow_run_id}") == (
            200,
            record.model_dump_json(indent=1) + "\n",
        )
        check_our_pages(address, record, mlflow_run_id)
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
    command = ui_command("sqlite:///never-opened.db", tmp_path, tmp_path, "127.0.0.1", 0)
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
            running_ui(default_tracking_uri(store.root), default_artifact_root(store.root), store.root, port=port),
        ):
            pass


def test_password_is_not_among_the_arguments(tmp_path):
    command = ui_command("postgresql://ann:hunter2@db/mlflow", tmp_path, tmp_path, "127.0.0.1", 5000)
    assert not any("hunter2" in argument for argument in command.arguments)
    assert command.environment["MLFLOW_BACKEND_STORE_URI"].endswith("hunter2@db/mlflow")
    assert command.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_server_that_is_there_is_opened_and_not_started_again(tmp_path):
    told: list[str] = []
    serve_ui("https://ann:hunter2@mlflow.lab:5000/x/", tmp_path, tmp_path, open_browser=False, on_ready=told.append)
    assert told == ["MLflow's own server shows the runs at https://mlflow.lab:5000/x/#/experiments"]


def test_a_mirror_of_an_earlier_version_leads_to_no_view_that_is_missing(store, mirror, make_record):
    """Catches a list that counts another tier's view, and MLflow's error in place of charts."""
    mirror.upsert(make_record())
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map[default_tracking_uri(store.root)]
    assert [(board.view, board.runs) for board in boards(engine)] == [("benchsuite-smoke", 1)]
    assert outdated_runs(engine) == 0
    experiment = mirror.client.get_experiment_by_name("digits-fc")
    mirror.client.delete_experiment_tag(experiment.experiment_id, "mlflow.sharedViewState.benchsuite-smoke")
    mirror.client.set_tag(mirror.runs()[0].info.run_id, "benchsuite.mirror_digest", "1:0")
    assert [board.view for board in boards(engine)] == [None]
    assert outdated_runs(engine) == 1


def test_a_rule_with_a_failed_run_has_no_best_error(store, mirror, make_record):
    """Catches a mean over what is left of a rule's runs, and runs of two tiers in one row."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    mirror.upsert(make_record("fa", 0, epochs=9))
    mirror.upsert(make_record("fa", 1, epochs=9, status="diverged"))
    mirror.upsert(make_record("backprop", 0, epochs=3))
    quick = make_record("backprop", 1, epochs=6)
    mirror.upsert(quick.model_copy(update={"spec": quick.spec.model_copy(update={"tier": "quick"})}))
    found = boards(SqlAlchemyStore._engine_map[default_tracking_uri(store.root)])
    assert [(board.tier, board.runs, board.best_rule, board.best_error_percent) for board in found] == [
        ("quick", 1, "backprop", 5.0),
        ("smoke", 3, "backprop", 10.0),
    ]
