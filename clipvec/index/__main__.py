"""``python -m clipvec.index``: load the committed shards of a store into Chroma."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_hydra(_index, "index", flags={"--rebuild": "rebuild=true"})


def _index(cfg: DictConfig) -> None:
    from clipvec import config, projection
    from clipvec.index.build import build_index

    config.load_env()
    print(build_index(config.read(cfg, config.BuildConfig), projection.show))


if __name__ == "__main__":
    main()
