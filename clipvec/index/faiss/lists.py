"""Inverted lists in a file: written in the order of rows, searched memory-mapped.

A list is its codes, uint8 [n, C], and then the numbers of its rows, int64 [n], ascending; so it is
the same whatever was encoded first. FAISS's own file holds what was trained, and no lists.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError
from clipvec.files import write_atomically
from clipvec.index.buckets import Buckets
from clipvec.index.faiss.factory import inverted
from clipvec.index.faiss.library import faiss_errors, library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from clipvec.paths import FaissBuildPaths

_QUERY_BITS = 8
"""Bits of a query's numbers, where codes are RaBitQ's; FAISS's 4 rank worse, hardly faster."""
_LEAST_EF = 64
"""Candidates in the graph that finds the lists: FAISS's 16 would cap them."""


class MappedLists:
    """A FAISS index whose lists are mapped."""

    def __init__(self, index: Any, rows: int) -> None:
        self._index, self._inner = index, inverted(index)
        self.nlist, self.rows = int(self._inner.nlist), rows

    @classmethod
    def open(cls, files: FaissBuildPaths) -> MappedLists:
        """Return the index of files that are known to be right.

        Raises:
            CollectionError: a file cannot be read or mapped.
        """
        try:
            return cls._open(files)
        except (OSError, ValueError) as error:
            raise CollectionError(
                f"{files.folder} cannot be read ({error}); run the same command again, or build it "
                "again with clipvec index index=faiss --rebuild"
            ) from error

    @classmethod
    def _open(cls, files: FaissBuildPaths) -> MappedLists:
        faiss = library()
        index, sizes = read_trained(files.trained), np.load(files.sizes)
        inner = inverted(index)
        if len(sizes) != inner.nlist:
            raise CollectionError(
                f"{files.folder} has {len(sizes)} lists, and was trained for {inner.nlist}; build "
                "it again with clipvec index index=faiss --rebuild"
            )
        with faiss_errors(str(files.lists)):
            lists = faiss.OnDiskInvertedLists(inner.nlist, inner.code_size, str(files.lists))
            lists.set_all_lists_sizes(faiss.swig_ptr(sizes))
            lists.totsize = files.lists.stat().st_size
            lists.read_only = True
            # Threads that read ahead for each query take six times as long as the search.
            lists.prefetch_nthread = 0
            lists.do_mmap()
            lists.this.disown()
            inner.replace_invlists(lists, True)
        index.ntotal = inner.ntotal = int(sizes.sum())
        if isinstance(inner, faiss.IndexIVFRaBitQ):
            inner.qb = _QUERY_BITS
        return cls(index, index.ntotal)

    def search(
        self, vectors: np.ndarray, k: int, nprobe: int, admitted: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the rows of the ``k`` best codes for each vector, int64 [Q, k]; -1: no more.

        Args:
            vectors: float32 [Q, D].
            k: at least 1.
            nprobe: lists to look into, at most `nlist`.
            admitted: the rows to choose from, int64 [M]; None: all.
        """
        faiss = library()
        params = faiss.SearchParametersIVF(nprobe=nprobe)
        if admitted is not None:
            mask = np.zeros(self.rows, np.bool_)
            mask[admitted] = True
            params.sel = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        quantizer = faiss.downcast_index(self._inner.quantizer)
        if isinstance(quantizer, faiss.IndexHNSW):
            params.quantizer_params = faiss.SearchParametersHNSW(
                efSearch=max(_LEAST_EF, 2 * nprobe)
            )
        given = params
        if isinstance(self._index, faiss.IndexPreTransform):
            given = faiss.SearchParametersPreTransform(index_params=params)
        found: np.ndarray = self._index.search(np.ascontiguousarray(vectors), k, params=given)[1]
        return found


def write_trained(file: Path, index: Any) -> None:
    """Write a trained index without rows.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(file, library().serialize_index(index).tobytes())


def read_trained(file: Path) -> Any:
    """Return what `write_trained` wrote; its bytes were compared with their checksum."""
    with faiss_errors(str(file)):
        return library().deserialize_index(np.fromfile(file, np.uint8))


def write(
    files: FaissBuildPaths,
    work: Path,
    nlist: int,
    rows: int,
    codes: Iterable[tuple[np.ndarray, np.ndarray]],
    dtype: np.dtype[np.void],
) -> None:
    """Write lists from the codes of all rows.

    Takes the memory of three in 256 codes, or some 200 MB.

    Args:
        files: of the build.
        work: a folder for codes on the way to their lists.
        nlist: number of lists.
        rows: their number.
        codes: numbers of rows, int64 [n], and their lists and codes, in any order.
        dtype: `Encoder.dtype`.

    Raises:
        OSError: they cannot be written.
    """
    sizes = np.zeros(nlist, np.uint64)
    of_row = np.dtype([("row", "<i8"), *dtype.descr])
    with Buckets(work, of_row, rows, nlist) as buckets, files.lists.open("wb") as stream:
        for numbers, encoded in codes:
            records = np.empty(len(numbers), of_row)
            records["row"], records["list"] = numbers, encoded["list"]
            records["code"] = encoded["code"]
            buckets.add(encoded["list"], records)
        for span, records in buckets:
            found = records[np.lexsort((records["row"], records["list"]))]
            ends = np.searchsorted(found["list"], np.arange(span.start, span.stop + 1))
            sizes[span.start : span.stop] = np.diff(ends)
            for start, stop in itertools.pairwise(ends):
                stream.write(found["code"][start:stop].tobytes())
                stream.write(found["row"][start:stop].tobytes())
    np.save(files.sizes, sizes)


def read_codes(
    files: FaissBuildPaths, dtype: np.dtype[np.void]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows, int64 [n], of each list that `write` wrote, and their lists and codes."""
    sizes = np.load(files.sizes).astype(np.int64)
    size = dtype["code"].itemsize
    with files.lists.open("rb") as stream:
        for number, count in enumerate(sizes):
            codes = np.empty(count, dtype)
            codes["list"] = number
            codes["code"] = np.fromfile(stream, np.uint8, count * size).reshape(count, size)
            yield np.fromfile(stream, "<i8", count), codes
