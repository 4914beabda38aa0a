"""Whether a dataset lacks so much that it is not believed."""

from __future__ import annotations

import logging
import math
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
    new: np.ndarray,
    gone: np.ndarray,
    cut: np.ndarray,
    *,
    undivided: bool,
) -> None:
    """Refuse a listing that lacks too much, and say what stays though it is gone.

    Both sources and rows are counted, as those that are not embedded yet have none. Sources that
    are new and as large as ones that are gone were moved: they do not count. Where the listing is
    ``undivided`` nothing can stay: what is new has the same rows.

    Args:
        config: of the command.
        store: whose rows are counted.
        listing: of the dataset.
        known: the sources that the store covers.
        new: which of the listed ones it does not, bool [N].
        gone: which of the known ones are not listed, bool [K].
        cut: by what share these are smaller than they were, float [K].
        undivided: see above.
    """
    if gone.any() and keeps_removed(config) and undivided:
        raise ConfigError(
            f"{config.dataset.name}: dataset.keep_removed=true would keep each row twice, "
            "since datasets does not tell from which file a row is; give "
            "dataset.keep_removed=false and max_removed_fraction=1, or embed into another "
            "store.root"
        )
    import pyarrow as pa

    lost = cut.copy()
    if gone.any() and not keeps_removed(config):
        if listing.complete:
            lost[_not_moved(listing.table.filter(pa.array(new)), known, gone)] = 1
        else:
            log.warning(
                "%s: %s not found, but folders that cannot be read may hold them: their rows stay",
                *(config.dataset.name, counted(int(gone.sum()), "source")),
            )
    if not lost.any():
        return
    count, held, what = float(lost.sum()), len(known), "source"
    if not of_single_images(store):
        rows = sum(part.rows for part in store.parts())
        live = live_rows(store, places(known)[lost > 0])
        if (lost_rows := float(lost[lost > 0] @ live)) * held > count * rows:
            count, held, what = lost_rows, rows, "row"
    share = count / held
    if share <= config.max_removed_fraction:
        return
    smaller = known["name"].filter(pa.array(cut > 0)).to_pylist()
    more = f" and {len(smaller) - 1:,} more" if smaller[1:] else ""
    those = f" (cut short: {printable(os.fsdecode(smaller[0]))}{more})" if smaller else ""
    raise ConfigError(
        f"{config.dataset.name}: {math.ceil(count):,} of {counted(held, what)} are gone{those}, "
        f"more than max_removed_fraction={config.max_removed_fraction}: nothing was changed; is "
        "dataset.path right, and all of it there? if these are to go from the store too, give "
        f"max_removed_fraction={admitting(share)}"
        + ("" if undivided or smaller else "; dataset.keep_removed=true keeps their rows")
    )


def _not_moved(new: pa.Table, known: pa.Table, gone: np.ndarray) -> np.ndarray:
    """Return the numbers of known sources that are gone, less one for each new one of its size."""
    there = Counter(size for size in new["size"].to_pylist() if size)
    sizes = known["size"].to_pylist()
    left = []
    for number in np.flatnonzero(gone):
        if there[sizes[number]]:
            there[sizes[number]] -= 1
        else:
            left.append(number)
    return np.array(left, np.int64)


def cut_share(these: pa.Table, those: pa.Table, *, single: bool) -> np.ndarray:
    """Return by what share sources are smaller than they were, float [N].

    Of single images, one that is smaller is another image, unless nothing is left.
    """
    now, then = (
        np.array([np.nan if size is None else size for size in table["size"].to_pylist()])
        for table in (these, those)
    )
    smaller = (now < then) & ((now == 0) | (not single))
    share: np.ndarray = np.where(smaller, 1 - now / np.maximum(then, 1), 0.0)
    return share


def of_single_images(store: Store) -> bool:
    """Return whether a source is an image, not a file of many."""
    return bool(store.fingerprint.dataset["kind"] == "folder")


def places(known: pa.Table) -> np.ndarray:
    """Return generation and number of sources that a store covers, int64 [N, 2]."""
    return np.column_stack([known["generation"].to_numpy(), known["source"].to_numpy()])


def keeps_removed(config: EmbedConfig) -> bool:
    """Return whether the rows of files that are gone stay."""
    return isinstance(config.dataset, ImageDatasetConfig) and config.dataset.keep_removed
