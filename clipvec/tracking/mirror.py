"""Where the files of runs are: beside the store, or in a local mirror if the store is a URL."""

from __future__ import annotations

from pathlib import Path

from clipvec import locations, paths
from clipvec.errors import StoreError, one_line

_LAST = ".wandb"
"""Suffix of the run file that is copied last: a folder without it is incomplete."""


class RunsFolder:
    """The local folder of a store's runs, and its copy if the store is in an object store."""

    def __init__(self, root: str) -> None:
        """Create the folder of the runs beside the stores of ``root``."""
        self.url = ""
        """The root, if it is in an object store."""
        local = locations.local_root(root)
        if local is None:
            self.url, local = root, locations.mirror(root)
        self.path = local
        """Parent of the ``wandb`` folder; wandb appends to files, which object stores cannot do."""
        self.path.mkdir(parents=True, exist_ok=True)

    def download(self) -> None:
        """Download the runs in the object store that are not here yet.

        Raises:
            StoreError: the object store cannot be read.
        """
        if not self.url:
            return
        url = paths.tracking_url(self.url)
        try:
            from fsspec.core import url_to_fs

            files, base = url_to_fs(url)
            stored = files.ls(base, detail=False, refresh=True) if files.exists(base) else []
            for name in (run.rstrip("/").rsplit("/", 1)[-1] for run in stored):
                here = self.path / "wandb" / name
                if not here.exists() and files.glob(f"{base}/{name}/*{_LAST}"):
                    unfinished = here.with_name(f".{name}")
                    files.get(f"{base}/{name}/", f"{unfinished}/", recursive=True)
                    unfinished.rename(here)
        except Exception as error:  # whatever the object store's library raises
            why = one_line(error)
            raise StoreError(f"the runs in {url} cannot be read ({why})") from error

    def upload(self, run: Path) -> None:
        """Copy the folder of a run to the object store, if there is one.

        Raises:
            Exception: whatever the object store's library raises.
        """
        if not self.url:
            return
        from fsspec.core import url_to_fs

        url = f"{paths.tracking_url(self.url)}/{run.name}"
        files, base = url_to_fs(url)
        files.makedirs(base, exist_ok=True)
        for file in sorted(filter(Path.is_file, run.rglob("*")), key=lambda f: f.suffix == _LAST):
            target = f"{base}/{file.relative_to(run).as_posix()}"
            files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            files.put_file(str(file), target)
