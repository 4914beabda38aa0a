"""``clipvec index``: load the committed shards of a store into an index.

Examples:
    clipvec index model=sample  # the store that embed made with the same options
    clipvec index model=sample --rebuild          # build anew, verify, then replace
    clipvec index index=chroma_http index.port=8000
    clipvec index -m partition=0-49,50-99  # a collection for each half of the shards
    clipvec index -m index=faiss shards=all launcher=workers  # one index, by several jobs
    clipvec index model=sample alias=live  # what collection=live opens, and a service takes up

What is loaded already is not loaded again; a shard that changed is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _index(cfg: DictConfig) -> None:
    from clipvec import config, projection
    from clipvec.index.build import build_index
    from clipvec.retry import in_place

    config.load_env()
    asked = config.read(cfg, config.IndexCommandConfig)
    print(in_place(lambda: build_index(asked, projection.log_projection)))


COMMAND = HydraCommand("index", _index, __doc__, {"--rebuild": "rebuild=true"}, resumes=True)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
