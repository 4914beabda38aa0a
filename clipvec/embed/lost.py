"""Whether a dataset lacks so much that it is not believed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import ImageDatasetConfig, admitting
from clipvec.errors import ConfigError, printable
from clipvec.progress import counted
from clipvec.store import live_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from clipvec.config import EmbedConfig
    from clipvec.data import Listing
    from clipvec.store import Store

log = logging.getLogger(__name__)


def check_lost(
    config: EmbedConfig,
    store: Store,
    listing: Listing,
    known: pa.Table,
    at: np.ndarray,
    gone: np.ndarray,
    *,
    undivided: bool,
) -> None:
    """Refuse a listing that lacks too much, and say what stays though it is gone.

    Both sources and rows are counted, as those that are not embedded yet have none. A file that is
    empty now counts as gone. Sources that are new and as large as ones that are gone were moved:
    they do not count. Where the listing is ``undivided`` nothing can stay: what is new has the same
    rows.

    Args:
        config: of the command.
        store: whose rows are counted.
        listing: of the dataset.
        known: the sources that the store covers.
        at: which of these the listed ones are, int64 [N]; -1: none, they are new.
        gone: which of the known ones are not listed, bool [K].
        undivided: see above.
    """
    keeps = keeps_removed(config)
    if gone.any() and keeps and undivided:
        raise ConfigError(
            f"{config.dataset.name}: dataset.keep_removed=true would keep each row twice, "
            "since datasets does not tell from which file a row is; give "
            "dataset.keep_removed=false and max_removed_fraction=1, or embed into another "
            "store.root"
        )
    now, then = (table["size"].to_numpy() for table in (listing.table, known))  # NaN: not known
    emptied = np.zeros(len(known), bool)
    emptied[at[at >= 0]] = (now[at >= 0] == 0) & (then[at[at >= 0]] > 0)
    lost = emptied.copy()
    if gone.any() and not keeps:
        if listing.complete:
            lost[_not_moved(now[at < 0], then, gone)] = True
        else:
            log.warning(
                "%s: %s not found, but folders that cannot be read may hold them: their rows stay",
                *(config.dataset.name, counted(int(gone.sum()), "source")),
            )
    if not lost.any():
        return
    count, held, what = int(lost.sum()), len(known), "source"
    if not of_single_images(store):
        rows = sum(part.rows for part in store.parts())
        lost_rows = int(live_rows(store, places(known)[lost]).sum())
        if lost_rows * held > count * rows:
            count, held, what = lost_rows, rows, "row"
    share = count / held
    if share <= config.max_removed_fraction:
        return
    files = np.flatnonzero(emptied)
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    first = printable(os.fsdecode(known["name"][int(files[0])].as_py())) if len(files) else ""
    raise ConfigError(
        f"{config.dataset.name}: {count:,} of {counted(held, what)} are gone"
        + (f" (empty: {first}{more})" if first else "")
        + f", more than max_removed_fraction={config.max_removed_fraction}: nothing was changed; "
        "is dataset.path right, and all of it there? if these are to go from the store too, give "
        f"max_removed_fraction={admitting(share)}"
        + ("" if undivided or first else "; dataset.keep_removed=true keeps their rows")
    )


def _not_moved(new: np.ndarray, known: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Return the numbers of known sources that are gone, less one for each new one of its size."""
    there = Counter(new[new > 0].tolist())
    left = []
    for number in np.flatnonzero(gone):
        if there[size := float(known[number])]:
            there[size] -= 1
        else:
            left.append(number)
    return np.array(left, np.int64)


def of_single_images(store: Store) -> bool:
    """Return whether a source is an image, not a file of many."""
    return bool(store.fingerprint.dataset["kind"] == "folder")


def places(known: pa.Table) -> np.ndarray:
    """Return generation and number of sources that a store covers, int64 [N, 2]."""
    return np.column_stack([known["generation"].to_numpy(), known["source"].to_numpy()])


def keeps_removed(config: EmbedConfig) -> bool:
    """Return whether the rows of files that are gone stay."""
    return isinstance(config.dataset, ImageDatasetConfig) and config.dataset.keep_removed
