"""A shell completes command lines by Tab."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect


def test_bash(tmp_path: Path) -> None:
    (tmp_path / "holiday photos").mkdir()
    bin_ = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> "}
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
