"""``clipvec delete``: take images out of every answer at once.

Examples:
    clipvec delete model=sample ids=kodim05.png reason='asked for by its owner'
    clipvec delete model=sample 'ids=[kodim05.png, kodim06.png]' --dry-run
    clipvec delete model=sample 'where=width<100'
    clipvec delete model=sample file=ids.txt      # one id a line
    clipvec delete model=sample ids=kodim05.png --forever   # embed leaves it out from now on
    clipvec delete model=sample                   # lists the deletions
    clipvec delete model=sample undo=20261129T120000-1f0c2ab4

Running services leave the rows out within two seconds. clipvec index takes them out of the index,
and clipvec compact takes their bytes out of the store too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _delete(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.delete.run import delete

    config.load_env()
    print(delete(config.read(cfg, config.DeleteConfig)))


COMMAND = HydraCommand(
    "delete",
    _delete,
    __doc__,
    {"--dry-run": "dry_run=true", "--forever": "forever=true"},
    texts=("ids", "where", "file", "undo", "reason"),
)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
