"""Joins small generations into one, so that a store which grew every day reads like another.

A run of generations, one after the other, becomes one more generation, of one shard: its plan lists
what of their sources is covered still, each beside its number in the old plan; its shard has their
rows in the same order, in whole parts. From then on it is a generation like any other. The switch
is the entry that publishes it, as ever, which says what it took the place of (`Join`): readers then
leave the old shards out, and these go, with their plans and entries, whose content it has.

- The first generation stays as it is. Of the others, from the newest on, each is joined that has no
  more rows than all that are joined after it, or less than a part: each row is written again a few
  times in its life, however often rows are added. What is joined has 1 GiB at most.
- Rows stay what they are: a deletion of one, or an index that has it, may name either shard
  (`Tombstones.joins`). Only what has no deleted row is joined. Those that are deleted before the
  switch are copied, and deleted in both places.
- What is written depends only on the plan and on parts that do not change. So a join that was
  planned is finished by whoever comes first, embed too, and by two at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store.blocked import BlockedImage
from clipvec.store.generations import LISTED, REPLACED, current
from clipvec.store.joins import Join
from clipvec.store.ledger import live_rejects
from clipvec.store.part import (
    CURSOR,
    ORIGIN,
    PART_ROWS,
    SPAN,
    WHOLE,
    ledger_bytes,
    notes,
    origin,
    part_of,
    sealed,
)
from clipvec.store.schema import SOURCE, id_digest
from clipvec.store.shard import CommitMarker
from clipvec.store.tombstones import DeletedRows, Entry, RemovedRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    import pyarrow as pa

    from clipvec.store.generations import Generation
    from clipvec.store.part import Part
    from clipvec.store.store import Store

_MOST_BYTES = 2**30
_REASON = "deleted before"
"""Of images of joined generations that stay deleted."""
_NOWHERE = [-1, -1]
"""Span of a part of which it is not known how many items of the dataset it covers."""


def find(
    store: Store, partitions: Sequence[Set[int]] = (), *, compacted: bool = True
) -> list[Generation]:
    """Return generations that are to be joined; empty: there are none.

    Args:
        store: where they are.
        partitions: the shards of each partition of an index; none comes to have rows of another.
        compacted: whether those with deleted rows are left out; False: these are about to go.

    Raises:
        StoreError: the store cannot be read.
    """
    generations = store.planned()
    shards = [shard for each in generations for shard in each.shards]
    markers = store.complete(shards)
    if len(markers) < len(shards) or not all(map(store.is_published, generations)):
        return []
    named = {
        store.tombstones.joins.folder(paths.shard_folder(file))
        for entry in store.tombstones.active.values()
        for file, rows in entry.parts.items()
        if rows.ids and compacted
    }
    first = store.tombstones.joins.first
    run: list[Generation] = []
    rows = size = 0
    there = set[int]()
    for each in reversed(generations[1:]):
        held = [markers[shard] for shard in each.shards]
        count, bytes = sum(m.rows for m in held), sum(p.bytes for m in held for p in m.parts)
        settled = named.isdisjoint(paths.ShardPaths(shard).folder for shard in each.shards)
        mine = {first(shard) for shard in each.shards}
        alike = all((there | mine) <= some or some.isdisjoint(there | mine) for some in partitions)
        small = count <= max(rows, PART_ROWS) and size + bytes <= _MOST_BYTES
        if run and not (settled and small and alike):
            if len(run) > 1:
                break
            run, rows, size, there = [], 0, 0, set()
        if settled and bytes <= _MOST_BYTES:
            run, rows, size, there = [each, *run], rows + count, size + bytes, there | mine
    return run if len(run) > 1 else []


def plan(store: Store, run: Sequence[Generation]) -> Generation:
    """Plan the generation that takes the place of some, unless another was planned meanwhile.

    All that is to be joined is read before: nothing else is planned until a join is finished.

    Returns:
        The newest generation, which is the one that was planned if it has joins.

    Raises:
        StoreError: the store cannot be read or written, or a part or ledger of these is damaged.
    """
    import pyarrow as pa

    for marker in store.committed(shard for each in run for shard in each.shards).values():
        store.rejects([marker])
        for part in marker.parts:
            next(store.read_all(part), None)
    generations = store.generations.all()
    newest = generations[-1]
    if not store.is_published(newest):
        return newest
    plans = [store.generations.plan(each) for each in generations]
    numbers = {each.number for each in run}
    covered = current(generations, plans)
    mine = [number in numbers for number in covered["generation"].to_pylist()]
    table = covered.filter(pa.array(mine, pa.bool_()))
    # its metadata says which folder this is, see `Listing.place`
    metadata = plans[-1].schema.metadata
    sources = table.rename_columns([*LISTED, *REPLACED]).replace_schema_metadata(metadata)
    # what is gone of other generations stays gone
    gone = [
        plan.filter(
            [each is not None and each not in numbers for each in plan[REPLACED[0]].to_pylist()]
        )
        for each, plan in zip(generations, plans, strict=True)
        if each.number in numbers
    ]
    whole = pa.concat_tables([sources, *(each.select([*LISTED, *REPLACED]) for each in gone)])
    own = Join((run[0].number, run[-1].number + 1), (run[0].first, run[-1].stop), newest.stop)
    joins = (*(join for each in run for join in each.joins), own)
    number, first = newest.number + 1, newest.stop
    return store.generations.add(number, first, 1, len(sources), whole, joins)[0]


def settled(store: Store) -> Store:
    """Return a store as it is once a join that was planned is finished.

    One that lacks files of its sources is left, so that embed mends these first.

    Raises:
        StoreError: the store cannot be read or written.
    """
    newest = store.generations.newest()  # no other is planned before it is published
    if not newest.joins or store.is_published(newest):
        return store
    if not store.complete(newest.shards):
        wanted = [shard for each in _run(store, newest) for shard in each.shards]
        if len(store.complete(wanted)) < len(wanted):
            return store
    finish(store, newest)
    return store.again()


def finish(store: Store, generation: Generation) -> None:
    """Write what is missing of a generation that joins others, and show it in their place.

    Raises:
        StoreError: the store cannot be read or written.
    """
    store = store.again()
    if store.is_published(generation):  # by another that finished it
        return
    run = _run(store, generation)
    if not (markers := store.complete(generation.shards)):
        if _numbers(store, generation).keys() - {each.number for each in run}:
            raise StoreError(
                f"the shards {generation.joins[-1].shards} of {store.url} are gone, and the one "
                "that has their rows is not finished; put the files that were there back"
            )
        if store.committed(generation.shards):  # of which not all arrived
            store.reopen(generation.first)
        _write(store, generation, run)
        markers = store.complete(generation.shards)
    if not markers:
        place = store.folder.path(paths.ShardPaths(generation.first).folder)
        raise StoreError(f"{place} lacks files that were just written; run the same command again")
    parts = markers[generation.first].parts
    store.entries.add(_publication(store, generation, run, parts))


def _run(store: Store, generation: Generation) -> list[Generation]:
    """Return the generations that one joins, those that are gone excepted."""
    first, stop = generation.joins[-1].generations
    return [each for each in store.generations.all() if first <= each.number < stop]


def _numbers(store: Store, generation: Generation) -> dict[int, dict[int, int]]:
    """Return the number of each source that a generation lists, by what it was before."""
    listed = store.generations.plan(generation).slice(0, generation.sources)
    found: dict[int, dict[int, int]] = {}
    for new, (number, old) in enumerate(
        zip(*(listed[n].to_pylist() for n in REPLACED), strict=True)
    ):
        found.setdefault(number, {})[old] = new
    return found


def _write(store: Store, generation: Generation, run: Sequence[Generation]) -> None:
    """Write and commit the shard of a generation that joins others."""
    shard, numbers = generation.first, _numbers(store, generation)
    place = paths.ShardPaths(shard)
    parts: list[Part] = []
    wanted = [shard for each in run for shard in each.shards]
    if len(found := store.committed(wanted)) < len(wanted):
        raise StoreError(f"another command joins shards of {store.url}; run the same one again")
    markers = [found[shard] for shard in wanted]
    renumbered = (numbers.get(each.number, {}) for each in run for _ in each.shards)
    tables = _tables(store, [*zip(markers, renumbered, strict=True)])
    ahead = next(tables, None)
    at = 0
    while ahead is not None:
        table, ahead = ahead, next(tables, None)
        stop = generation.sources if ahead is None else ahead[SOURCE][0].as_py()
        # elsewhere, a source is a file of many images
        span = [at, stop] if store.fingerprint.dataset["kind"] == "folder" else _NOWHERE
        made = {SPAN: span, CURSOR: None, ORIGIN: origin(store.digest, shard), WHOLE: True}
        data = sealed(table.replace_schema_metadata(notes(made)))
        part = part_of("", data)
        # another version of a library may write other bytes
        part = replace(part, file=place.part(len(parts), part.sha256))
        store.folder.write_checked(part.file, data)
        parts.append(part)
        at = stop
    rejects = _rejects(store, generation, run)
    if rejects:
        store.folder.write(place.rejects, ledger_bytes(rejects))
    reasons = dict(Counter(row[-1] for row in rejects).most_common())
    rows = sum(part.rows for part in parts)
    marker = CommitMarker(shard, rows, len(rejects), reasons, parts, _timings(markers))
    store.folder.create(place.done, marker.to_json())  # of two that write it, one does


def _tables(
    store: Store, shards: Sequence[tuple[CommitMarker, Mapping[int, int]]]
) -> Iterator[pa.Table]:
    """Yield the rows of shards, as many as a part has, with new numbers of their sources."""
    import pyarrow as pa

    held = store.schema().empty_table()
    empty = True
    for table in _renumbered(store, shards):
        held = pa.concat_tables([held, table])
        while len(held) >= PART_ROWS:
            yield held.slice(0, PART_ROWS).combine_chunks()
            held, empty = held.slice(PART_ROWS), False
    if len(held) or empty:  # an entry names a part, of no rows if there are none
        yield held.combine_chunks()


def _renumbered(
    store: Store, shards: Sequence[tuple[CommitMarker, Mapping[int, int]]]
) -> Iterator[pa.Table]:
    import pyarrow as pa

    at = store.schema().get_field_index(SOURCE)
    for marker, new in shards:
        for part in marker.parts:
            pieces = list(store.read_all(part))
            if not pieces:
                continue
            table = pa.Table.from_batches(pieces).replace_schema_metadata(None)
            sources = np.array([new.get(old, -1) for old in table[SOURCE].to_pylist()], np.int64)
            table = table.set_column(at, table.schema.field(at), pa.array(sources))
            yield table.filter(pa.array(sources >= 0))


def _rejects(
    store: Store, generation: Generation, run: Sequence[Generation]
) -> list[tuple[int, str, str, str, str]]:
    """Return the ledger of a generation that joins others."""
    others = [each for each in store.generations.all() if each.number != generation.number]
    names = store.generations.plan(generation)["name"].to_pylist()[: generation.sources]
    places = {name.decode("utf-8", "surrogatepass"): at for at, name in enumerate(names)}
    numbers = _numbers(store, generation)
    rows = []
    for at, (number, row) in enumerate(live_rejects(store, others, run)):
        place, uri = places.get(row["id"], at), row["uri"]
        if (image := BlockedImage.of(uri, row["error"])) and image.source >= 0:
            place = numbers[number][image.source]
            uri = image._replace(source=place).uri
        rows.append((place, row["id"], uri, row["reason"], row["error"]))
    return sorted(rows)


def _timings(markers: Sequence[CommitMarker]) -> dict[str, object]:
    """Return what it took to embed the rows of some shards together."""
    found: dict[str, object] = {}
    for key in ("seconds", "images", "bytes_read"):
        found[key] = round(sum(marker.timings.get(key, 0) for marker in markers), 3)
    found["embedded"] = sum(marker.embedded for marker in markers)
    hardware = {marker.hardware for marker in markers if marker.embedded}
    if len(hardware) == 1:  # of several the rate is that of none
        found["hardware"] = hardware.pop()
    return found


def _publication(
    store: Store, generation: Generation, run: Sequence[Generation], own: Sequence[Part]
) -> Entry:
    """Return the entry that publishes a generation and says all that those of the others say."""
    numbers = {each.number for each in run}
    known = [e for e in store.tombstones.active.values() if e.generation in numbers]
    parts: dict[str, DeletedRows] = {}
    for entry in known:
        for file, rows in entry.parts.items():
            if entry.carries(file):
                continue
            other = parts.get(file, DeletedRows(rows.sha256, []))
            both = other.ids + rows.ids, other.removed + rows.removed
            parts[file] = DeletedRows(rows.sha256, *both)
    if own and (removed := _removed(store, generation, own)):
        parts[own[0].file] = DeletedRows(own[0].sha256, [], removed)
    now = Entry.now(_REASON, parts, generation=generation.number)
    time = max((entry.time for entry in known), default=now.time)
    return replace(now, time=time, joins=[*generation.joins])


def _removed(store: Store, generation: Generation, own: Sequence[Part]) -> list[RemovedRow]:
    """Return the removed rows of sources that a generation lists, by their new numbers.

    By these an image that was deleted stays so when its source is embedded again.
    """
    numbers, folders = _numbers(store, generation), store.generations.by_folder()
    found = []
    for entry in store.tombstones.active.values():
        for file, rows in entry.parts.items():
            new = numbers.get(folders.get(paths.shard_folder(file), -1), {})
            found += [
                row._replace(source=new[row.source]) for row in rows.removed if row.source in new
            ]
    if not found:
        return []
    ids = {
        id_digest(id)
        for part in own
        for piece in store.read_all(part, ["id"])
        for id in piece["id"].to_pylist()
    }
    # of a row that is there under the same id, the image alone is gone
    return sorted({row._replace(id="") if row.id in ids else row for row in found}, key=str)


def retire(store: Store) -> None:
    """Remove the files of what was joined, unless a shard that readers see is not whole.

    Raises:
        StoreError: one cannot be removed.
    """
    if len(store.complete()) < len(store.shards):
        return
    joins = store.tombstones.joins
    for name, entry in store.tombstones.active.items():
        if entry.generation in joins.generations:
            store.entries.remove(name)
    for folder in store.folder.folders():
        if joins.folder(folder) != folder:
            store.folder.remove_folder(folder)
    if joins.generations:
        store.generations.remove_others()
