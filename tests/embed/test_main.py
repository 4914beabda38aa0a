"""What the command does before anything else."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

HEAPS = """
import ctypes, sys
from clipvec.embed import __main__
__main__.main()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fopen(b"heaps.xml", b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps are glibc's")
def test_all_threads_share_the_heap_that_keeps_memory(tiny_weights: Path, tmp_path: Path) -> None:
    """Whichever thread encodes finds the last batch's memory, not a heap too small for it."""
    words = (
        *("model=local", f"model.pretrained=local-dir:{tiny_weights}", "model.device=cpu"),
        *("dataset.limit=12", "sharding=x1", f"store.root={tmp_path}/store", "batch_size=4"),
    )
    subprocess.run([sys.executable, "-c", HEAPS, *words], cwd=tmp_path, check=True)
    assert (tmp_path / "heaps.xml").read_text().count("<heap nr=") == 1
