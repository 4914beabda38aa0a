"""What may come next on a command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from clipvec.cli import commands
from clipvec.completion.candidates import candidates


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("clipvec em", ["embed"]),
        ("/usr/bin/clipvec d", ["dashboard", "delete", "deploy"]),
        ("clipvec --v", ["--version"]),
        ("clipvec nothing ", []),
        ("clipvec embed model=vit_b", ["model=vit_b_32", "model=vit_bigg_14"]),
        ("clipvec embed -m model=sample,vit_l", ["model=sample,vit_l_14"]),
        ("WANDB_MODE=offline clipvec-embed sharding=x100", ["sharding=x100", "sharding=x1000"]),
        ("clipvec index ind", ["index.", "index="]),
        ("clipvec index index=faiss index.c", ["index.candidates="]),
        ("clipvec index index.c", []),
        ("clipvec index index.pa", ["index.path="]),
        ("clipvec embed cloud.res", ["cloud.resources."]),
        ("clipvec embed +exp", ["+experiment="]),
        ("clipvec embed -m launcher=sky launcher.wait=t", ["launcher.wait=true"]),
        ("clipvec embed -m launcher=sky hydra.", ["hydra.sweeper."]),
        ("clipvec embed batch_size=", ["batch_size=64"]),
        ("clipvec embed dataset.path=", []),
        ("clipvec embed dataset.path=photos/2", []),
        ("clipvec embed --config-dir ", []),
        ("clipvec delete --f", ["--forever"]),
        ("clipvec deploy s", ["service.", "status"]),
        ("clipvec search 'a bird' --mi", ["--min-score", "--minus", "--minus-image"]),
        ("clipvec search --image ", []),
        ('clipvec search "a bird', []),
        ("clipvec search --json index.pa", ["index.path="]),
        ("clipvec photos ~/Pictures max_c", ["max_concurrency=", "max_connections_per_address="]),
        ("clipvec photos ~/Pict", []),
        ("clipvec jobs st", ["status"]),
        ("clipvec jobs logs --f", ["--follow"]),
        ("clipvec jobs logs --job ", []),
        ("clipvec completion ", ["bash", "fish", "zsh"]),
    ],
)  # fmt: skip
def test_candidates(line: str, found: list[str]) -> None:
    assert candidates(line) == found


def test_names_of_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert candidates("clipvec embed dataset.name=") == []
    for name in ("store/birds/sample", "store/Pictures/sample", "index/birds--sample"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for name in ("birds--vit--shards-0-9", "birds--vit--shards-10"):
        (tmp_path / "data/faiss" / name).mkdir(parents=True)
    (tmp_path / "data/faiss/live.alias.json").touch()
    (tmp_path / "data/faiss/birds--vit.lock").touch()
    (tmp_path / "other/fish/sample").mkdir(parents=True)
    (tmp_path / "data/store/wandb/run").mkdir(parents=True)
    for store in ("data/store/birds/sample", "data/store/Pictures/sample", "other/fish/sample"):
        (tmp_path / store / "store.json").touch()
    names = ["dataset.name=Pictures", "dataset.name=birds"]
    assert candidates("clipvec embed dataset.name=") == names
    assert candidates("clipvec embed dataset.name=P") == ["dataset.name=Pictures"]
    assert candidates("clipvec index store.root=other dataset.name=") == ["dataset.name=fish"]
    assert candidates("clipvec search collection=") == ["collection=birds--sample"]
    assert candidates("clipvec search index=faiss collection=") == [
        *("collection=birds--vit", "collection=live")
    ]


def test_what_a_search_filters_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    built_in = ["caption=", "height=", "uri=", "width="]
    assert candidates("clipvec search dog --where ") == built_in
    for name, column in {"birds--vit": "taken", "photos--vit": "_row"}.items():
        (folder := tmp_path / "data/index" / name).mkdir(parents=True)
        table = pa.table({"id": ["a"], column: ["2020"]})
        with pa.ipc.new_file(folder / "rows.arrow", table.schema) as file:
            file.write(table)
    (tmp_path / "data/index/broken--vit").mkdir()
    (tmp_path / "data/index/broken--vit/rows.arrow").write_bytes(b"cut")
    assert candidates("clipvec search dog --where ") == sorted([*built_in, "taken="])
    assert candidates("clipvec search --where width=3 --where t") == ["taken="]
    assert candidates("clipvec search --where taken=") == []


@pytest.mark.parametrize("command", commands())
def test_every_command_has_candidates(command: str) -> None:
    assert {"--help", "--version"} <= set(candidates(f"clipvec {command} --"))


@pytest.mark.parametrize("given", ["--config-dir {}", "--config-dir={}", "-cd {}"])
def test_ones_own_folder_of_options(tmp_path: Path, given: str) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/zip.yaml").write_text("archive: ???\n")
    line = f"clipvec embed {given.format(tmp_path)} dataset=zip dataset."
    assert candidates(line) == ["dataset.archive="]


def test_a_key_press_is_cheap() -> None:
    """Nothing is imported that takes long: not even Hydra or pydantic."""
    code = (
        "import sys\n"
        "from clipvec.completion.candidates import candidates\n"
        "for command in ('index', 'search', 'photos', 'jobs'):\n"
        "    assert candidates(f'clipvec {command} -')\n"
        "assert candidates('clipvec recall systems=quick systems.hn') == ['systems.hnsw.']\n"
        "print(*{'hydra', 'omegaconf', 'numpy', 'pydantic', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
