"""The process that decodes images which announce much work; `clipvec.model.images` starts it.

Nothing that is decoded here can take more processor time or memory than the kernel is told, or
harm the process that asked.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from typing import Any

from clipvec import process
from clipvec.data import TooMuchMemory, Undecodable
from clipvec.model.images import prepare, receive, send
from clipvec.model.preprocess import Preprocess

_NICE = 19
_OWN_BYTES = 2**28
"""Of memory beside the image's: Python's, and the file's."""


def main() -> None:
    """Decode what comes on stdin, until it ends."""
    settings = json.loads(sys.argv[1])
    preprocess = Preprocess.from_json(settings["preprocess"])
    process.end_with(settings["pipe"])
    os.nice(_NICE)
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints
    while True:
        try:
            _, (data,) = receive(stdin)
        except EOFError:
            return
        _limit(settings["max_seconds"], settings["max_bytes"] + len(data))
        try:
            image = prepare(data, preprocess, settings["max_pixels"], settings["thumbnail_side"])
        except MemoryError:
            reason = f"decoding it takes more than {settings['max_bytes']:,} bytes of memory"
            answer: dict[str, Any] = {"error": TooMuchMemory.__name__, "reason": reason}
            send(stdout, answer)
        except Undecodable as error:
            send(stdout, {"error": type(error).__name__, "reason": str(error)})
        else:
            pixels = image.pixels
            answer = {"shape": pixels.shape, "width": image.width, "height": image.height}
            send(stdout, answer, pixels.tobytes(), image.thumbnail)


def _limit(seconds: int, size: int) -> None:
    """Let the kernel end this process by SIGXCPU, and refuse it memory beyond ``size``."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))
    resource.setrlimit(resource.RLIMIT_DATA, (_OWN_BYTES + size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
