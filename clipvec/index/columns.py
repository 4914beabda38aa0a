"""Columns that grow on disk, and become one Arrow record batch without being held in memory."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    import pyarrow as pa

_BUFFERED = 2**15
"""Bytes of each file that are held back."""
_WORDS_BYTES = 2**22
"""Of the different values of a text column, with 8 for each, up to which they are a dictionary."""
_BLOCK = 2**16
"""Rows whose texts are compared at once."""


class Columns:
    """Columns of numbers, booleans, texts and dictionaries, in files of a folder of their own.

    Texts become a dictionary where few of them differ: a filter then compares each of these once.
    That depends on the texts alone, and not on how many rows came at once.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder; what is in it goes."""
        self._folder = folder
        self._columns: dict[str, _Column] = {}

    def __enter__(self) -> Self:
        """Make the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):  # the disk is full, which was said
            for column in self._columns.values():
                column.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, table: pa.Table) -> None:
        """Add rows to some columns; in the end all have as many.

        Raises:
            OSError: they cannot be written.
        """
        for name in table.column_names:
            if name not in self._columns:
                path = self._folder / str(len(self._columns))
                self._columns[name] = _Column(table[name].type, path)
            for chunk in table[name].chunks:
                self._columns[name].add(chunk)

    def write(self, file: Path) -> None:
        """Write the columns as a file of one record batch.

        Raises:
            OSError: it cannot be written.
        """
        import pyarrow as pa

        arrays = [column.array() for column in self._columns.values()]
        batch = pa.record_batch(arrays, names=[*self._columns])
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)


class _Column:
    """One column: which rows have a value, and the buffers of Arrow's layout for its type."""

    def __init__(self, type: pa.DataType, path: Path) -> None:
        import pyarrow as pa

        self._type, self._rows, self._nulls = type, 0, 0
        files = [_Bits(path.with_suffix(f".{number}")) for number in range(4)]
        self._valid, self._values, self._ends, self._codes = self._files = files
        self._words: dict[str, int] = {}
        """Values of a dictionary, and their numbers."""
        self._is_text, self._is_bits = pa.types.is_large_string(type), pa.types.is_boolean(type)
        if self._is_text:
            self._ends.write(np.zeros(1, np.int64))
        self._end = 0

    def add(self, chunk: pa.Array) -> None:
        """Add the values of some rows."""
        import pyarrow as pa

        self._rows, self._nulls = self._rows + len(chunk), self._nulls + chunk.null_count
        self._valid.add(chunk.is_valid().to_numpy(zero_copy_only=False))
        if self._is_text:
            _, ends, values = chunk.buffers()
            at = np.frombuffer(ends, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            self._ends.write(at[1:] - at[0] + self._end)
            self._end += int(at[-1] - at[0])
            if values is not None:
                self._values.write(np.frombuffer(values, np.uint8)[at[0] : at[-1]])
        elif self._is_bits:
            self._values.add(chunk.fill_null(False).to_numpy(zero_copy_only=False))
        elif pa.types.is_dictionary(self._type):
            # of a table that was there before, the dictionary may have words that no row has now
            coded, known = chunk.cast(self._type.value_type).dictionary_encode(), self._words
            words = coded.dictionary.to_pylist()
            numbers = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
            self._values.write(numbers[coded.indices.to_numpy()])
        else:
            self._values.write(chunk.fill_null(0).to_numpy())

    def array(self) -> pa.Array:
        """Return the column, mapped."""
        import pyarrow as pa
        import pyarrow.compute as pc

        valid = self._valid.buffer() if self._nulls else None
        if pa.types.is_dictionary(self._type):
            return self._dictionary(valid, self._values, pa.array([*self._words]))
        files = [self._ends, self._values] if self._is_text else [self._values]
        buffers = [valid, *(file.buffer() for file in files)]
        array = pa.Array.from_buffers(self._type, self._rows, buffers, self._nulls)
        words = _words(array) if self._is_text else None
        if words is None:
            return array
        for block in _blocks(array):
            self._codes.write(pc.index_in(block, words).fill_null(0).to_numpy())
        return self._dictionary(valid, self._codes, words)

    def _dictionary(self, valid: pa.Buffer | None, codes: _Bits, words: pa.Array) -> pa.Array:
        """Return a column of numbers of words, int32 [N]."""
        import pyarrow as pa

        buffers = [valid, codes.buffer()]
        numbers = pa.Array.from_buffers(pa.int32(), self._rows, buffers, self._nulls)
        return pa.DictionaryArray.from_arrays(numbers, words, safe=False)

    def close(self) -> None:
        """Close its files."""
        for file in self._files:
            file.close()


def _words(texts: pa.Array) -> pa.Array | None:
    """Return the different texts, in the order of their first rows; None: they are too many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pa.array([], texts.type)
    for block in _blocks(texts):
        words = pc.unique(pa.chunked_array([words, block])).drop_null()
        if words.nbytes > _WORDS_BYTES or 2 * len(words) >= len(texts):
            return None
    return words


def _blocks(column: pa.Array) -> Iterator[pa.Array]:
    return (column.slice(start, _BLOCK) for start in range(0, len(column), _BLOCK))


class _Bits:
    """A file of numbers, or of bits."""

    def __init__(self, path: Path) -> None:
        self._path, self._rest = path, np.empty(0, np.bool_)
        self._stream = path.open("wb", buffering=_BUFFERED)

    def write(self, numbers: np.ndarray) -> None:
        """Add numbers."""
        self._stream.write(np.ascontiguousarray(numbers).data)

    def add(self, bits: np.ndarray) -> None:
        """Add bits, bool [N]."""
        held = np.concatenate([self._rest, bits])
        whole = len(held) - len(held) % 8
        self.write(np.packbits(held[:whole], bitorder="little"))
        self._rest = held[whole:]

    def buffer(self) -> pa.Buffer:
        """Return all that was added, mapped."""
        import pyarrow as pa

        self.write(np.packbits(self._rest, bitorder="little"))
        self._stream.close()
        if not self._path.stat().st_size:
            return pa.py_buffer(b"")
        return pa.memory_map(str(self._path)).read_buffer()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
