"""Exclusive access to a collection, and the swap of a rebuilt one for the old."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from clipvec.index.chroma.client import OLD, REBUILD, chroma_errors
from clipvec.index.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from clipvec.index.chroma.client import ChromaClientFactory


@contextlib.contextmanager
def exclusive(factory: ChromaClientFactory, name: str) -> Iterator[None]:
    """Keep other commands from filling ``name``, and clean up after an interrupted one.

    Raises:
        CollectionError: another command is filling it, or its folder cannot be written.
    """
    with _lock(factory, name):
        _recover(factory, name)
        yield


def swap_in(factory: ChromaClientFactory, name: str) -> None:
    """Put the rebuilt collection in the place of the old one.

    Killed before the first rename, the old one stays; between the two, the next `exclusive` puts it
    back; after the second, the next `exclusive` removes it. At no moment is there neither of them.
    """
    if name in factory.names():
        factory.rename(name, name + OLD)
    factory.rename(name + REBUILD, name)
    factory.remove(name + OLD)


def _lock(factory: ChromaClientFactory, name: str) -> AbstractContextManager[object]:
    """Take the lock of a collection, if it can have one."""
    location, file = factory.location(name), factory.lock_file(name)
    if file is None:
        return contextlib.nullcontext()
    with chroma_errors(location):
        return locked(location, file)


def _recover(factory: ChromaClientFactory, name: str) -> None:
    """Finish or undo what an interrupted `swap_in` of ``name`` left."""
    names = factory.names()
    if name not in names and name + OLD in names:
        factory.rename(name + OLD, name)
    for leftover in (name + OLD, name + REBUILD):
        if leftover in names:
            factory.remove(leftover)
