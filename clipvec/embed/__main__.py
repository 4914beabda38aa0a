"""``clipvec embed``: embed the shards of a dataset into a Parquet store.

Examples:
    clipvec embed model=sample  # the bundled images, with a small model
    clipvec embed dataset=folder dataset.path=/home/me/photos sharding=x1
    clipvec embed shards=0-9  # of sharding.count=100; also 7, '[0-9,20]', all
    clipvec embed model=vit_l_14 batch_size=256 model.precision=fp16
    clipvec embed model=vit_l_14 reuse=vit_b_32  # the rows of another model's store, once more
    clipvec embed -m shards=0-99 launcher=sky  # a cloud job for each, see docs/cloud.md

Committed shards are not embedded again; a run that was stopped resumes where it left off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import machine
from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _embed(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.embed.run import embed_shards
    from clipvec.retry import in_place

    config.load_env()
    settings = config.read(cfg, config.EmbedConfig)
    summary = in_place(lambda: embed_shards(settings))
    print(summary)


COMMAND = HydraCommand("embed", _embed, __doc__, resumes=True)


def main() -> None:
    """Run the command."""
    machine.share_heap()
    COMMAND.main()


if __name__ == "__main__":
    main()
