"""A shell completes command lines by Tab."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect

BASH = ["bash", "--norc", "--noprofile", "-i"]


def test_bash(tmp_path: Path) -> None:
    (tmp_path / "holiday photos").mkdir()
    bin_ = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> "}
    shell = pexpect.spawn(*[BASH[0], BASH[1:]], env=env, cwd=tmp_path, encoding="utf-8", timeout=60)
    shell.sendline('eval "$(clipvec completion bash)"; echo evaluated')
    shell.expect("\nevaluated")
    keys = ("cd . && clipvec em", "-m model=vit_l", "launcher=w", "dataset.pa", "hol")
    shell.send("\t".join([*keys, ""]))
    shell.send("\x01: \x05 | true; echo 'comp'leted\r")
    shell.expect("\ncompleted")
    typed = shell.before.rpartition("> ")[2]
    shell.close()
    assert (
        "clipvec embed -m model=vit_l_14 launcher=workers dataset.path=holiday\\ photos/" in typed
    )
