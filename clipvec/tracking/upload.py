"""``python -m clipvec.tracking.upload RUN``: uploads a run while it is written, for ``online``.

It is a separate process, so that a server that hangs does not delay the work. It exits when the run
ends, or when its parent does, which closes its stdin.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.process import when_parent_ends

if TYPE_CHECKING:
    from pathlib import Path

FIRST_SECONDS = 10.0
"""Time a server has for its first response before a finished run gives up on it."""
_BLOCK = 2**15
"""Bytes that wandb writes at once; before the first block there is nothing to upload."""
LAST_SECONDS = 15.0
"""Time a finished run waits for a server that has been accepting data."""
_POLL_SECONDS = 0.1
_LINK = re.compile(r"View run .* at (\S+)")


class Uploader:
    """The upload of one run."""

    def __init__(self, run: Path) -> None:
        self._started_at = time.monotonic()
        self._run = run
        self._log = paths.RunPaths(run).upload_log
        self._log.parent.mkdir(exist_ok=True)
        # Without WANDB_SERVICE, so that wandb does not share the service that writes the run.
        alone = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(run)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=alone | {"WANDB_RESUME": "allow", "WANDB_DIR": str(run.parent.parent)},
                start_new_session=True,  # no Ctrl-C for it, and a group to kill with its children
            )

    @property
    def url(self) -> str:
        """URL of the run; empty until a server has accepted it."""
        found = _LINK.search(self._log.read_text(encoding="utf-8", errors="replace"))
        return found[1] if found else ""

    def before_end(self) -> None:
        """Restart the wait for a first response if nothing has been written to upload yet."""
        if not any(file.stat().st_size >= _BLOCK for file in self._run.glob("*.wandb")):
            self._started_at = time.monotonic()

    def finish(self) -> bool:
        """Return whether everything is uploaded, after waiting for a server that responds."""
        while not self.url and time.monotonic() - self._started_at < FIRST_SECONDS:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
                break
        try:
            return self._process.wait(LAST_SECONDS if self.url else 0) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()


def main() -> None:
    """Run the command."""
    command = [sys.executable, "-P", "-m", "wandb", "beta", "sync", "--live", sys.argv[1]]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    when_parent_ends(process.kill)
    sys.exit(process.wait())


if __name__ == "__main__":
    main()
