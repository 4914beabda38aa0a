"""``python -m clipvec.embed``: embed the shards of a dataset into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_hydra(_embed, "embed")


def _embed(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.embed.run import embed_shards

    config.load_env()
    summary = embed_shards(config.read(cfg, config.EmbedConfig))
    print(summary)


if __name__ == "__main__":
    main()
