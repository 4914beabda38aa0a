"""``clipvec check``: check every byte of a store, and every row of its index.

Examples:
    clipvec check model=sample               # the store and the index of the same options
    clipvec check model=sample --store-only
    clipvec check index=chroma_http index.port=8000

It changes nothing, prints one line for each fault with its mend, and then ends with exit code 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand
from clipvec.errors import printable

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _check(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.check.run import check

    config.load_env()
    summary = check(config.read(cfg, config.CheckConfig))
    for fault in summary.faults:
        print(printable(fault))
    summary.raise_faults()
    print(summary)


COMMAND = HydraCommand("check", _check, __doc__, {"--store-only": "store_only=true"})


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
