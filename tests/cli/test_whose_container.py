"""Whose container answers at the address of a profile in Docker, and on which storage: every face says it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import docker
import httpx
import pytest

from qdrant_admin.config.file import write_profile
from qdrant_admin.config.settings import load_settings
from qdrant_admin.server.listener import cautious
from qdrant_admin.server.runtime_choice import choose_runtime
from tests.cli.conftest import Run
from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, free_port

pytestmark = pytest.mark.docker
REFUSED = [
    ("collections", "list"),
    ("collections", "delete", "mem", "--yes"),
    ("points", "list", "mem"),
    ("migrate", "jsonl:points.jsonl"),
    ("verify", "--how", "kill"),
    ("crash-test",),
]
LOOKS = {"/", "/readyz", "/telemetry", "/collections", "/healthz", "/livez"}


class Place(NamedTuple):
    """One profile, its ports, and the engine with nothing of the product in between."""

    name: str
    port: int
    grpc_port: int
    api: docker.APIClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make(self, name: str, **host: Any) -> None:
        """A server that somebody starts by hand on the profile's ports."""
        ports = {"6333/tcp": self.port, "6334/tcp": self.grpc_port}
        bindings = {inside: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for inside, port in ports.items()}
        labels = host.pop("labels", {})
        body = {"Image": IMAGE, "Labels": labels, "ExposedPorts": {inside: {} for inside in ports}}
        self.api.create_container_from_config({**body, "HostConfig": {"PortBindings": bindings, **host}}, name)
        self.api.start(name)
        self.wait()

    def wait(self) -> None:
        transport = httpx.HTTPTransport(retries=5)
        for _ in range(200):
            try:
                with httpx.Client(transport=transport, timeout=5) as http:
                    if http.get(f"{self.url}/readyz").is_success:
                        return
            except httpx.HTTPError:
                continue
        pytest.fail("it did not get ready")

    def fill(self, count: int = 3) -> None:
        points = [{"id": number, "vector": [1.0, number]} for number in range(count)]
        with httpx.Client(base_url=self.url, timeout=30) as http:
            http.put("/collections/mem", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
            http.put("/collections/mem/points?wait=true", json={"points": points}).raise_for_status()


@pytest.fixture
def place(run: Run) -> Iterator[Place]:
    need_engine()
    name = f"whose-{os.getpid()}-{free_port()}"
    with docker.APIClient(version="auto") as api:
        made = Place(name, free_port(), free_port(), api)
        ports = {"port": made.port, "grpc_port": made.grpc_port}
        write_profile(name, {"runtime": "docker", "image": IMAGE, "restart_policy": "no", **ports})
        assert run("profiles", "use", name).code == 0
        yield made
    sweep(name)


def test_a_container_of_somebody_else_gets_no_key_no_write_and_no_stop(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.make(f"{place.name}-theirs")
    place.fill()
    monkeypatch.setenv("QDRANT_API_KEY", "the-very-key")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.jsonl").write_text('{"id": 1, "vector": [1.0, 2.0]}\n')
    before = place.api.inspect_container(f"{place.name}-theirs")["State"]
    way_out = f"qdrant-admin up --use-existing --profile {place.name}"
    asked = place.api.logs(f"{place.name}-theirs").count(b"HTTP/1.1")
    for command in REFUSED:
        refused = run(*command, "--json")
        error = refused.json["error"]
        assert (refused.code, error["fix"]) == (4, way_out), command
        assert f"container {place.name}-theirs" in error["why"]
    assert place.api.logs(f"{place.name}-theirs").count(b"HTTP/1.1") == asked, "it was asked for nothing"
    assert run("up", "--json").json["error"]["fix"] == way_out
    seen = run("status", "--json").json
    assert (seen["state"], seen["healthy"], seen["ours"], seen["collections"]) == ("foreign", False, False, None)
    assert [one["command"] for one in seen["findings"] if one["code"] == "foreign_server"] == [way_out]
    for other in ("doctor", "restart", "down", "down --remove"):
        run(*other.split())
    runtime = choose_runtime(load_settings()).runtime
    assert runtime.endpoint.api_key is not None
    assert cautious(runtime).api_key is None
    lines = place.api.logs(f"{place.name}-theirs").decode().splitlines()[-50:]
    requests = [line.partition('"')[2].split(" ")[:2] for line in lines if "HTTP/1.1" in line]
    assert {verb for verb, path in requests if path not in LOOKS} <= {"PUT"}, "only the test itself has written"
    assert place.api.inspect_container(f"{place.name}-theirs")["State"] == before


def test_ours_remade_by_hand_on_another_volume_is_another_storage(place: Place, run: Run) -> None:
    assert run("up").code == 0
    place.fill()
    assert run("status").code == 0
    container = f"qdrant-admin-{place.name}"
    labels = place.api.inspect_container(container)["Config"]["Labels"]
    place.api.remove_container(container, force=True)
    other = {"Type": "volume", "Source": f"{place.name}-other", "Target": "/qdrant/storage"}
    place.make(container, labels=labels, Mounts=[other])
    back = f"qdrant-admin down --remove --profile {place.name} && qdrant-admin up --profile {place.name}"
    for face in ("status", "up"):
        seen = run(face, "--json")
        (finding,) = (one for one in seen.json["findings"] if one["level"] == "fail")
        assert (seen.code, finding["code"], finding["command"]) == (1, "other_storage", back)
    checks = {one["name"]: one for one in run("doctor", "--json").json["checks"]}
    assert (checks["memory"]["status"], checks["memory"]["code"]) == ("fail", "other_storage")
    report = run("verify", "--how", "none", "--json")
    assert (report.code, report.json["verdict"], report.json["collections"][0]["missing"]) == (1, "lost", 3)
    place.api.stop(container)
    refused = run("up", "--json")
    assert (refused.code, refused.json["error"]["what"]) == (4, "a server would begin empty beside known data")
    assert [run(*command.split()).code for command in ("down --remove", "up")] == [0, 0]
    assert run("status", "--json").json["points"] == 3, "the way back is one"
    # A profile that is removed forgets what was there; made again, it follows what is.
    assert run("profiles", "remove", place.name, "--yes").code == 0
    httpx.delete(f"{place.url}/collections/mem", timeout=30).raise_for_status()
    ports = [f"port={place.port}", f"grpc_port={place.grpc_port}"]
    assert run("profiles", "add", place.name, "runtime=docker", "restart_policy=no", *ports).code == 0
    seen = run("status", "--profile", place.name, "--json")
    assert (seen.code, seen.json["collections"], seen.json["since"]) == (0, 0, [])


def test_a_key_that_the_server_has_from_a_file_is_named_and_the_fix_heals(
    place: Place, run: Run, tmp_path: Path
) -> None:
    """Nothing of it stands in what the engine shows of the container."""
    assert run("up", "--api-key", "auto").code == 0
    container = f"qdrant-admin-{place.name}"
    labels = place.api.inspect_container(container)["Config"]["Labels"]
    place.api.remove_container(container, force=True)
    (tmp_path / "production.yaml").write_text("service:\n  api_key: of-somebody-else\n")
    mounts = [
        {"Type": "volume", "Source": f"qdrant_admin_{place.name}", "Target": "/qdrant/storage"},
        {"Type": "bind", "Source": str(tmp_path), "Target": "/qdrant/config"},
    ]
    place.make(container, labels=labels, Mounts=mounts)
    heals = f"qdrant-admin up --apply --profile {place.name}"
    assert [one["command"] for one in run("status", "--json").json["findings"] if one["level"] == "fail"] == [heals]
    refused = run("up", "--json")
    assert (refused.code, refused.json["error"]["fix"]) == (3, heals)
    assert run("up", "--apply").code == 0
    assert run("status").code == 0


def test_what_is_meant_to_vanish_is_told_once_and_no_fault(place: Place, run: Run) -> None:
    name = f"{place.name}-app"
    assert run("profiles", "set", place.name, "expect=ephemeral").code == 0
    assert run("up").code == 0
    place.fill()
    assert run("status").code == 0
    place.api.remove_container(f"qdrant-admin-{place.name}", force=True)
    place.api.remove_volume(f"qdrant_admin_{place.name}")
    first, second = run("up", "--json"), run("status", "--json")
    assert (first.code, second.code, second.json["since"]) == (0, 0, [])
    assert "mem is gone, as this profile expects" in first.json["since"][0]
    assert run("verify", "--how", "none").code == 0
    place.api.remove_container(f"qdrant-admin-{place.name}", force=True)
    place.make(name)
    assert run("profiles", "set", place.name, f"container={name}").code == 0
    assert run("adopt", "--yes").code == 0
    assert run("status").code == 0, "the data may lie inside the container"
    assert {one["name"] for one in run("doctor", "--json").json["checks"] if one["status"] == "fail"} == set()
