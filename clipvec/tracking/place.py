"""Where the files of runs lie: beside the store, or in a mirror of a store that is a URL."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec import paths

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)


class Place:
    """The folder ``wandb`` below a store's root."""

    def __init__(self, root: str) -> None:
        self._url = ""
        local = paths.local_root(root)
        if local is None:
            self._url, local = root, paths.mirror(root)
        self.folder = local
        """What has the ``wandb`` folder; wandb appends to its files, which no object store can."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def keep(self, run: Path) -> None:
        """Bring the folder of a run to the store, where it is not there already.

        Raises:
            Exception: whatever the object store's library raises.
        """
        if not self._url:
            return
        from fsspec.core import url_to_fs

        there = f"{paths.tracking_url(self._url)}/{run.name}"
        files, base = url_to_fs(there)
        files.makedirs(base, exist_ok=True)
        for file in (f for f in run.rglob("*") if f.is_file()):
            target = f"{base}/{file.relative_to(run).as_posix()}"
            files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            files.put_file(str(file), target)
