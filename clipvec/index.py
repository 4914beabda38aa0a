"""``python -m clipvec.index``: load the committed shards of a store into Chroma."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.app import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_hydra(_index, "index", flags={"--rebuild": "rebuild=true"})


def _index(cfg: DictConfig) -> None:
    from clipvec import config, maps
    from clipvec.vectors import build

    config.load_env()
    print(build(config.read(cfg, config.BuildConfig), maps.show))


if __name__ == "__main__":
    main()
