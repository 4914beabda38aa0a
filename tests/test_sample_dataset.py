"""The bundled sample dataset, and the script that makes it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from clipvec.locations import PACKAGE_SCHEME, package_file

DATA = Path(package_file(f"{PACKAGE_SCHEME}sample_data"))
SCRIPTS = Path(__file__).parent.parent / "scripts"
LIMIT = 8_000_000


def read(path: Path) -> list[dict[str, bytes]]:
    """Read a tar with webdataset, which does not close files that it opens itself."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    with path.open("rb") as stream:
        return list(group_by_keys(tar_file_expander([{"url": path.name, "stream": stream}])))


@pytest.fixture(scope="module")
def samples() -> list[dict[str, bytes]]:
    return [sample for path in sorted(DATA.glob("*.tar")) for sample in read(path)]


def test_four_tars_of_uneven_size_below_the_limit(samples):
    counts = Counter(sample["__url__"] for sample in samples)
    assert dict(counts) == {
        "sample-0000.tar": 31,
        "sample-0001.tar": 78,
        "sample-0002.tar": 104,
        "sample-0003.tar": 151,
    }
    assert sum(path.stat().st_size for path in DATA.iterdir()) < LIMIT


def test_keys_are_unique(samples):
    assert len({sample["__key__"] for sample in samples}) == len(samples) == 364


def test_every_image_is_a_small_rgb_jpeg(samples):
    for sample in samples:
        image = Image.open(io.BytesIO(sample["jpg"]))
        image.load()
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert max(image.size) <= 256


def test_captions_name_things(samples):
    captions = [sample["txt"].decode() for sample in samples]
    assert all(0 < len(text) <= 45 for text in captions)
    assert not [text for text in captions if text != text.strip() or text[-1] in ".!?"]
    assert len(set(captions)) == 349


def test_every_image_has_a_category_and_a_source(samples):
    facts = [json.loads(sample["json"]) for sample in samples]
    assert {tuple(sorted(fact)) for fact in facts} == {("category", "source")}
    assert len({fact["source"] for fact in facts}) == len(samples)
    counts = Counter(fact["category"] for fact in facts)
    assert counts["animals"] == 127
    assert counts["food"] == 50
    assert counts["music"] == 11


def test_the_licence_is_next_to_the_images():
    assert "GNU GENERAL PUBLIC LICENSE" in (DATA / "GPL-2.txt").read_text()
    assert "tuxpaint-stamps-default" in (DATA / "LICENSE.txt").read_text()


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """A folder like the Debian package's, with three stamps of which two are chosen."""
    folder = tmp_path / "stamps"
    texts = {
        "animals/bee": "A bee.\nes.utf8=Una abeja.",
        "symbols/plus": "Plus.",
        "town/post_box": "A UK post box. Put your letter in here!",
    }
    for source, text in texts.items():
        path = folder / f"{source}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGBA", (600, 300), (255, 0, 0, 0)).save(path)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / "make_sample_dataset.py", *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )


def test_the_script_chooses_flattens_and_shrinks(stamps, tmp_path):
    done = run(stamps, tmp_path)
    assert done.stdout.startswith("2 images in "), done.stderr
    made = read(tmp_path / "sample-0000.tar")
    assert sorted(sample["txt"] for sample in made) == [b"A UK post box", b"A bee"]
    assert {json.loads(sample["json"])["category"] for sample in made} == {"animals", "town"}
    image = Image.open(io.BytesIO(made[0]["jpg"]))
    assert image.size == (256, 128)
    assert image.getpixel((128, 64)) == (255, 255, 255)


def test_the_script_gives_the_same_bytes_again(stamps, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert run(stamps, tmp_path / name).returncode == 0
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_script_refuses_a_folder_without_stamps(tmp_path):
    done = run(tmp_path, tmp_path)
    assert done.returncode == 2
    assert f"no stamps in {tmp_path}; give the folder that holds animals/" in done.stderr
