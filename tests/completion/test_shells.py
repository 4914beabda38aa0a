"""A shell completes command lines by Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest


def shell_environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_what_bash_puts_in_place_of_a_word(tmp_path: Path) -> None:
    """With words broken at = and not, in quotes, and under options that end a careless shell."""
    (tmp_path / "photos [1]").mkdir()
    cases = [
        (" \n=", "clipvec embed model=vit_l", "vit_l", ["vit_l_14"]),
        (" \n=", "clipvec embed 'model=vit_l", "'model=vit_l", ["model=vit_l_14"]),
        (" \n=", "clipvec embed model='vit_l", "'vit_l", ["vit_l_14"]),
        (" \n", "clipvec embed model=vit_l", "model=vit_l", ["model=vit_l_14"]),
        (" \n", "clipvec embed dataset.path=ph", "dataset.path=ph", ["dataset.path=photos [1]/"]),
        (
            " \n=",
            "clipvec embed 'dataset.path=ph",
            "'dataset.path=ph",
            ["dataset.path=photos [1]/"],
        ),
        (" \n=", "clipvec embed dataset.path=ph", "ph", []),
    ]
    lines = ["set -e; shopt -s failglob", 'eval "$(clipvec completion bash)"']
    for breaks, line, word, _ in cases:
        lines += [
            f"COMP_WORDBREAKS=$'{breaks}'",
            f'COMP_LINE="{line}" COMP_POINT={len(line)} COMP_WORDS=("{word}") COMP_CWORD=0',
            "_clipvec",
            'printf "<%s>" "${COMPREPLY[@]}"; echo',
        ]
    lines += ["clipvec() { return 3; }", "_clipvec", "echo alive"]
    script = "\n".join(lines)
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=shell_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = ["".join(f"<{each}>" for each in found or [""]) for *_, found in cases]
    assert done.stdout.splitlines() == [*said, "alive"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_files(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    script = (
        "clipvec completion fish | source; complete -C 'clipvec photos ph'; "
        "complete -C 'clipvec embed dataset.path=ph'; complete -C 'clipvec embed model=vit_l'; "
        "complete -C 'clipvec photos ~/ph'; complete -C 'clipvec search --image ~/ph'; "
        "complete -C 'clipvec embed dataset.path=~/ph'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=shell_environment() | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert found == [
        *("photos/", "dataset.path=photos/", "model=vit_l_14"),
        *("~/photos/", "~/photos/", "dataset.path=~/photos/"),
    ]


def test_bash(tmp_path: Path) -> None:
    (tmp_path / "holiday photos").mkdir()
    env = shell_environment() | {"TERM": "dumb", "PS1": "> "}
    shell = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        env=env,
        cwd=tmp_path,
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 200),  # on one line
    )
    shell.sendline('eval "$(clipvec completion bash)"; echo evaluated')
    shell.expect("\nevaluated")
    keys = ("cd . && clipvec em", "-m model=vit_l", "launcher=w", "dataset.pa", "hol")
    shell.send("\t".join([*keys, ""]))
    shell.send("\x01#\r")  # a comment, which runs nothing
    shell.sendline("echo 'comp'leted")
    shell.expect("\ncompleted")
    typed = str(shell.before)
    shell.close()
    done = "clipvec embed -m model=vit_l_14 launcher=workers dataset.path=holiday\\ photos/"
    assert done in typed
    assert not (tmp_path / "data").exists()
