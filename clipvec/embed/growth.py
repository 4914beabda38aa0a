"""What of a dataset is new, changed or gone since its store was last embedded."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import name_of
from clipvec.data import Listing, open_dataset
from clipvec.embed.lost import check_lost, keeps_removed, places
from clipvec.embed.reuse import check_taken_over
from clipvec.embed.work import Work
from clipvec.errors import ConfigError
from clipvec.progress import counted
from clipvec.store import (
    REPLACED,
    Generation,
    current,
    joining,
    replaced_sources,
    retried_sources,
    revealed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset, GrowingDataset, SyntheticDataset
    from clipvec.embed.reuse import ReusedStore
    from clipvec.store import CommitMarker, Store

log = logging.getLogger(__name__)
_COMPARED = ("size", "version", "detail")
"""Columns of a listing that tell that a source has changed."""


def begin(store: Store, config: EmbedConfig, dataset: GrowingDataset, *, whole: bool) -> None:
    """Write what a new store covers, before anything is embedded.

    Args:
        store: that is new.
        config: of the command.
        dataset: to list.
        whole: whether all shards are wanted, so that no other command is expected to plan it.

    Raises:
        StoreError: it cannot be written.
    """
    listing = dataset.listing()
    plan = _plan(listing.table, np.full((len(listing), 2), -1))
    planned, mine = store.generations.add(0, 0, config.sharding.count, len(listing), plan)
    _decided(config, planned, mine or not whole)


def _decided(config: EmbedConfig, generation: Generation, mine: bool) -> Generation:
    """Return a generation that was planned, and say whether another command did so."""
    if not mine:
        log.warning(
            "%s: another command planned generation %d meanwhile; if it is at work still, both "
            "embed the same shards, and what one commits the other repeats: end one of them",
            *(config.dataset.name, generation.number),
        )
    return generation


def whole(config: EmbedConfig, dataset: Dataset | SyntheticDataset) -> Work:
    """Return the only generation of a dataset that does not grow, or the first of one that does."""
    generation = Generation(0, 0, config.sharding.count, 0)
    return Work(generation, lambda: (dataset, np.empty((0, 2), np.int64)))


def next_work(store: Store, config: EmbedConfig, *, look: bool, reused: ReusedStore | None) -> Work:
    """Return the work on `next_generation`."""
    generation, new = next_generation(store, config, look=look, reused=reused)
    return planned_work(store, config, generation, new=new)


def planned_work(
    store: Store, config: EmbedConfig, generation: Generation, *, new: bool = False
) -> Work:
    """Return the work on a generation of a store, as it was planned."""

    def opened() -> tuple[Dataset | SyntheticDataset, np.ndarray]:
        plan = store.generations.plan(generation)
        _check_place(config, plan, store)
        listing = Listing(plan.slice(0, generation.sources).drop_columns(list(REPLACED)))
        return open_dataset(config.dataset, listing), replaced_sources(plan)

    return Work(generation, opened, new=new)


def next_generation(
    store: Store, config: EmbedConfig, *, look: bool = True, reused: ReusedStore | None = None
) -> tuple[Generation, bool]:
    """Return the oldest generation that is not finished, or a new one of what has changed.

    If nothing has, the newest is returned, of which nothing is missing.

    Args:
        store: of the dataset.
        config: of the command.
        look: whether to look for changes.
        reused: the store whose generations it takes over, whatever has changed; None: none.

    Returns:
        The generation, and whether it is new, and of all that has changed.

    Raises:
        ConfigError: the dataset lacks too much, or the generation needs the store that is reused.
        DatasetError: it cannot be listed.
        StoreError: the store cannot be read or written.
    """
    generations = store.planned()
    committed = store.complete(shard for each in generations for shard in each.shards)
    for generation in generations:
        published = store.is_published(generation)
        if generation.joins and not published:  # clipvec compact was faster
            settled = joining.settled(store.again())
            return next_generation(settled, config, look=look, reused=reused)
        if not published or not committed.keys() >= set(generation.shards):
            if reused is None:
                check_taken_over(store, generation)
            if look and generation.number:
                log.info(
                    "%s: generation %d (%s) was planned by a command that ended, or is at work "
                    "still: it is finished first",
                    *(config.dataset.name, generation.number),
                    counted(generation.sources, "source"),
                )
            return generation, False
    if look and reused is not None:
        return reused.plan_next(store, generations) or generations[-1], False
    planned = _changes(store, config, generations, committed) if look else None
    if planned is not None and planned.joins:
        return next_generation(joining.settled(store.again()), config)
    return (generations[-1], False) if planned is None else (planned, True)


def _changes(
    store: Store,
    config: EmbedConfig,
    generations: Sequence[Generation],
    committed: Mapping[int, CommitMarker],
) -> Generation | None:
    """Plan a generation of what is new, changed, back and gone; None: nothing is."""
    listing, plans, known, at = _look(store, config, generations)
    # named by a manifest, and not there
    lost = np.zeros(len(listing), bool)
    lost[at >= 0] = _are_lost(listing.table.filter(_bool(at >= 0)), known.take(at[at >= 0]))
    here = (at >= 0) & ~lost
    changed = np.zeros(len(listing), bool)
    changed[here] = _differ(listing.table.filter(_bool(here)), known.take(at[here]))
    at_store = places(known)
    back = np.zeros(len(listing), bool)
    back[here] = retried_sources(store, generations, committed, known)[at[here]]
    back &= ~changed
    new = at < 0
    gone = _all_but(at[here], len(known))
    undivided = listing.undivided or Listing(plans[-1]).undivided
    check_lost(config, store, listing, known, at, gone, undivided=undivided)
    if keeps_removed(config) and gone.any():
        kept = counted(int(gone.sum()), "source")
        log.info("%s: %s gone; dataset.keep_removed=true keeps the rows", config.dataset.name, kept)
    if keeps_removed(config) or not listing.complete:
        gone[:] = False
    todo = new | changed | back
    if not (todo.any() or gone.any()):
        return None
    old = np.full((len(listing), 2), -1)
    old[todo & ~new] = at_store[at[todo & ~new]]
    embedded = listing.table.filter(_bool(todo))
    plan = _append(_plan(embedded, old[todo]), known.filter(_bool(gone)), at_store[gone])
    first = plans[0].slice(0, generations[0].sources)
    count = _shards(config, embedded, first)
    last = generations[-1]
    moved = (_contents(listing.table, new) & _contents(known, gone)).total()
    what = {
        "new": new.sum() - moved,
        "changed": changed.sum(),
        "moved": moved,
        "back": back.sum(),
        "gone": gone.sum() - moved,
    }
    said = ", ".join(f"{count:,} {word}" for word, count in what.items() if count)
    planned, mine = store.generations.add(last.number + 1, last.stop, count, int(todo.sum()), plan)
    if mine:
        log.info(
            "%s: %s since it was last embedded; generation %d has %s",
            *(config.dataset.name, said, planned.number, counted(count, "shard")),
        )
    return _decided(config, planned, mine)


def gone_names(store: Store, config: EmbedConfig, generation: Generation) -> frozenset[str]:
    """Return the sources of a generation that are no longer in the dataset.

    None, if it lacks so much that they may be there again tomorrow.

    Raises:
        DatasetError: it cannot be listed.
        StoreError: the store cannot be read.
    """
    listing, _, known, at = _look(store, config, store.generations.all())
    with suppress(ConfigError):
        gone = _all_but(at[at >= 0], len(known))
        check_lost(config, store, listing, known, at, gone, undivided=False)
        if listing.complete:
            planned = Listing(store.generations.plan(generation)).names()
            return frozenset(planned) - frozenset(listing.names())
    return frozenset()


def _look(
    store: Store, config: EmbedConfig, generations: Sequence[Generation]
) -> tuple[Listing, list[pa.Table], pa.Table, np.ndarray]:
    """List the dataset, and return that, the plans, what they cover, and where each is there."""
    dataset: GrowingDataset = open_dataset(config.dataset)  # type: ignore[assignment]
    listing = dataset.listing()
    plans = [store.generations.plan(generation) for generation in generations]
    _check_place(config, plans[-1], store)
    known = revealed(current(generations, plans), listing.table)
    return listing, plans, known, _positions(listing.table["name"], known["name"])


def _all_but(at: np.ndarray, count: int) -> np.ndarray:
    """Return bool [count]: False at some positions."""
    mask = np.ones(count, bool)
    mask[at] = False
    return mask


def _check_place(config: EmbedConfig, plan: pa.Table, store: Store) -> None:
    """Refuse another folder of the same name, whose images would take the place of these."""
    made_of, here = Listing(plan).place, config.dataset.place
    if not made_of or not here or made_of == here:
        return
    with suppress(OSError):
        if Path(made_of).samefile(here):
            return
    another = name_of(f"{Path(here).parent.name}-{Path(here).name}")
    raise ConfigError(
        f"the store {store.url} is of the images in {made_of}, not of those in {here}; give these "
        f"a name of their own, such as dataset.name={another}"
    )


def _contents(sources: pa.Table, mask: np.ndarray) -> Counter[tuple[int, str]]:
    """Return size and version of some sources, which a move leaves as they are."""
    told = sources.select(["size", "version"]).filter(_bool(mask)).to_pydict()
    pairs = zip(told["size"], told["version"], strict=True)
    return Counter(pair for pair in pairs if None not in pair)


def _shards(config: EmbedConfig, sources: pa.Table, first: pa.Table) -> int:
    """Return into how many shards to cut, each about as large as those of the first generation."""
    import pyarrow.compute as pc

    count, number = config.sharding.count, len(sources)
    now, then = pc.sum(sources["size"]).as_py(), pc.sum(first["size"]).as_py()
    if not now or not then:
        now, then = number, max(len(first), 1)
    wanted = min(count, max(1, round(now * count / then))) if number else 0
    if number < wanted:  # than which there may be no more where files cannot be cut
        try:
            open_dataset(config.dataset, Listing(sources)).num_items(0, wanted)
        except ConfigError:
            wanted = number
    return int(wanted)


def _are_lost(these: pa.Table, those: pa.Table) -> np.ndarray:
    """Return which sources were there and are not, though the dataset names them, bool [N]."""
    lost: np.ndarray = these["size"].is_null().to_numpy() & those["size"].is_valid().to_numpy()
    return lost


def _positions(values: pa.ChunkedArray, among: pa.ChunkedArray) -> np.ndarray:
    """Return where values are among others, int64 [N]; -1: they are not."""
    import pyarrow.compute as pc

    found = pc.index_in(values, value_set=among.combine_chunks())
    positions: np.ndarray = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return positions


def _differ(these: pa.Table, those: pa.Table) -> np.ndarray:
    """Return which sources are not as they were, bool [N]."""
    import pyarrow.compute as pc

    differ = np.zeros(len(these), bool)
    for name in _COMPARED:
        one, other = these[name], those[name]
        same = pc.fill_null(pc.equal(one, other), False)
        neither = pc.and_(one.is_null(), other.is_null())
        differ |= ~pc.or_(same, neither).to_numpy()
    return differ


def _plan(sources: pa.Table, old: np.ndarray) -> pa.Table:
    """Return a plan of sources, and of what each replaces, int64 [N, 2]; -1: nothing."""
    import pyarrow as pa

    for column, name in enumerate(REPLACED):
        values = pa.array(old[:, column], pa.int64(), mask=old[:, column] < 0)
        sources = sources.append_column(name, values)
    return sources


def _append(plan: pa.Table, gone: pa.Table, old: np.ndarray) -> pa.Table:
    """Return a plan with sources that are gone at its end."""
    import pyarrow as pa

    return pa.concat_tables([plan, _plan(gone.select(plan.column_names[: -len(REPLACED)]), old)])


def _bool(mask: np.ndarray) -> pa.Array:
    import pyarrow as pa

    return pa.array(mask)
