"""``clipvec compact``: take the bytes of deleted rows out of every file, and join small files.

Examples:
    clipvec compact model=sample             # the store and the index of the same options
    clipvec compact model=sample --dry-run
    clipvec compact model=sample index=faiss

Killed, it is taken up by the same command. What was compacted cannot be taken back with undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _compact(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.compact.run import compact

    config.load_env()
    print(compact(config.read(cfg, config.CompactConfig)))


COMMAND = HydraCommand("compact", _compact, __doc__, {"--dry-run": "dry_run=true"}, resumes=True)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
