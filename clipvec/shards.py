"""Shard specifications: which shards of a dataset to work on.

A specification is the value that Hydra parses from ``shards=...`` on the command line: an integer
(``7``), text (``0-99``, ``0-9,20``, ``all``), or a list of those (``[0-9,20]``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from clipvec.errors import ShardSpecError

ALL = "all"
_FORMS = "7, 0-99, '[0-9,20]' or all"
_TOKEN = re.compile(r"(\d+)(?:-(\d+))?")


def parse(spec: object, count: int) -> tuple[int, ...]:
    """Return the shard numbers that ``spec`` names, in ascending order without duplicates.

    Raises:
        ShardSpecError: ``spec`` is malformed, empty, or names a shard outside ``0 .. count - 1``.
    """
    if isinstance(spec, str) and spec.strip() == ALL:
        return tuple(range(count))
    numbers: set[int] = set()
    for first, last, token in _ranges(spec):
        if last < first:
            raise ShardSpecError(
                f"shards={token!r} runs backwards; write shards={last}-{first} (allowed: {_FORMS})"
            )
        if last >= count:
            raise ShardSpecError(
                f"shards={token!r} names shard {last}, but sharding.count={count}: "
                f"allowed are 0-{count - 1}; change shards, or sharding.count"
            )
        numbers.update(range(first, last + 1))
    if not numbers:
        raise ShardSpecError(f"shards={spec!r} names no shard (allowed: {_FORMS})")
    return tuple(sorted(numbers))


def _ranges(spec: object) -> Iterator[tuple[int, int, str]]:
    """Yield (first, last, text as given) of every range in ``spec``."""
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        for item in spec:
            yield from _ranges(item)
        return
    if isinstance(spec, bool) or not isinstance(spec, int | str):
        raise ShardSpecError(f"shards={spec!r} is not a shard specification (allowed: {_FORMS})")
    text = str(spec).strip().removeprefix("[").removesuffix("]")
    for token in text.split(","):
        match = _TOKEN.fullmatch(token.strip())
        if match is None:
            raise ShardSpecError(
                f"shards={spec!r} is not a shard specification (allowed: {_FORMS})"
            )
        first, last = match.groups()
        yield int(first), int(last or first), token.strip()


def split(shards: Sequence[int], count: int, unit: int = 1) -> list[tuple[int, ...]]:
    """Return ``count`` runs of shards of as equal lengths as can be, the longer ones first.

    Args:
        shards: at least one for each run.
        count: of runs.
        unit: each length is a multiple of it, but for the last.
    """
    size, longer = divmod(-(-len(shards) // unit), count)
    ends = [unit * ((n + 1) * size + min(n + 1, longer)) for n in range(count)]
    return [tuple(shards[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def format(shards: Iterable[int]) -> str:
    """Return the shortest specification of ``shards``: ``(0, 1, 2, 5)`` is ``"0-2,5"``."""
    runs = []
    for _, run in groupby(enumerate(sorted(shards)), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ",".join(runs)
