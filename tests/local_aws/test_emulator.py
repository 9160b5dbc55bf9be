"""Starting and stopping the emulator: once, on loopback, with its state kept, whatever happened before."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.console import SetupError
from cli.deployment import local_deployment
from cli.local_aws import emulator
from cli.local_aws.emulator import free_port
from cli.local_aws.place import Place


def table(client: object, name: str) -> None:
    client.create_table(  # type: ignore[attr-defined]
        TableName=name,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_what_was_stored_is_there_after_a_stop_and_a_start(own_place: Place) -> None:
    running = emulator.start(own_place, free_port())
    deployment = local_deployment(running.endpoint, {})
    table(deployment.dynamodb, "ledger")
    deployment.dynamodb.put_item(TableName="ledger", Item={"PK": {"S": "TOTAL"}, "trials": {"N": "42"}})
    deployment.s3.create_bucket(Bucket="models")
    deployment.s3.put_object(Bucket="models", Key="v1/manifest.json", Body=b"{}")

    assert emulator.stop(own_place)
    assert emulator.find(own_place) is None
    assert not emulator.stop(own_place)
    again = emulator.start(own_place)

    assert again.port == running.port
    item = deployment.dynamodb.get_item(TableName="ledger", Key={"PK": {"S": "TOTAL"}})["Item"]
    assert item["trials"] == {"N": "42"}
    assert deployment.s3.get_object(Bucket="models", Key="v1/manifest.json")["Body"].read() == b"{}"


def test_it_listens_on_loopback_only(own_place: Place) -> None:
    running = emulator.start(own_place, free_port())

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # no packet is sent; the system only chooses the address it would use
        outside = probe.getsockname()[0]
    if outside.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with socket.socket() as client:
        assert client.connect_ex((outside, running.port)) != 0


def test_two_that_start_at_once_get_the_same_one(own_place: Place) -> None:
    code = (
        "import sys; from pathlib import Path; from cli.local_aws import emulator;"
        "from cli.local_aws.place import Place; print(emulator.start(Place(Path(sys.argv[1]))).pid)"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", code, str(own_place.home)], stdout=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(3)
    ]

    pids = {starter.communicate(timeout=60)[0].strip() for starter in starters}

    assert pids == {str(emulator.find(own_place).pid)}  # type: ignore[union-attr]


def test_after_a_crash_it_starts_again(own_place: Place) -> None:
    crashed = emulator.start(own_place, free_port())
    os.killpg(crashed.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while emulator.find(own_place) is not None and time.monotonic() < deadline:
        time.sleep(0.05)

    running = emulator.start(own_place)

    assert running.pid != crashed.pid
    assert emulator.find(own_place) == running


def test_the_pid_of_another_process_is_not_taken_for_ours(own_place: Place) -> None:
    own_place.home.mkdir()
    (own_place.home / "emulator.json").write_text(json.dumps({"pid": os.getpid(), "port": free_port()}))

    assert emulator.find(own_place) is None
    assert not emulator.stop(own_place)  # and this process lives on


def test_a_port_that_is_taken_is_named(own_place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(SetupError, match=f"port {port} of 127.0.0.1 is taken"):
            emulator.start(own_place, port)


def test_real_credentials_and_settings_do_not_leak_into_it(own_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AMTS_MODEL__GATES__HIT_RATE", "0.1")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")

    environment = own_place.environment()

    assert "AWS_PROFILE" not in environment
    assert environment["AWS_SECRET_ACCESS_KEY"] == "local"
    assert not [name for name in environment if name.startswith("AMTS_")]
    assert environment["HTTPS_PROXY"] == "http://192.0.2.1:3128"
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_without_the_tools_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTS_TOOLS", str(tmp_path))

    with pytest.raises(SetupError, match="make setup"):
        emulator.start(Place(tmp_path / "home"), free_port())
