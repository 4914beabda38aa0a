"""Which records belong to which shard: arithmetic only.

Both functions assign every index to exactly one shard, in order, for any counts; shard sizes
differ by at most one.
"""

from __future__ import annotations


def span(shard: int, count: int, total: int) -> range:
    """Return the indices of ``range(total)`` that shard ``shard`` of ``count`` owns."""
    return range(shard * total // count, (shard + 1) * total // count)


def share(shard: int, count: int, files: int) -> tuple[int, int, int]:
    """Return the file that ``shard`` reads when there are more shards than files.

    The answer is (file, position among the shards of this file, number of those shards).
    """
    file = ((shard + 1) * files - 1) // count
    first, last = file * count // files, (file + 1) * count // files
    return file, shard - first, last - first
