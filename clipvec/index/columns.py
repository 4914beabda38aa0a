"""Columns that grow on disk, and become one Arrow record batch without being held in memory."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO, Self

    import pyarrow as pa

_BUFFERED = 2**15
"""Bytes of each file that are held back."""


class Columns:
    """Columns of numbers, booleans, texts and dictionaries, in files of a folder of their own."""

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

        copied: dict[int, Path] = {}
        arrays = [column.array(copied) for column in self._columns.values()]
        batch = pa.record_batch(arrays, names=[*self._columns])
        with (
            file.open("wb") as stream,
            pa.ipc.new_file(_Sink(stream, copied), batch.schema) as writer,
        ):
            writer.write_batch(batch)


class _Sink:
    """A file to which Arrow writes; what lies in files is copied from there, unseen by Arrow."""

    closed = False

    def __init__(self, stream: BinaryIO, copied: Mapping[int, Path]) -> None:
        self._stream, self._copied = stream, copied

    def write(self, data: bytes | pa.Buffer) -> int:
        """Write bytes, or a buffer, and return how many these are."""
        path = self._copied.get(getattr(data, "address", 0))
        if path is None:
            return self._stream.write(data)
        with path.open("rb") as source:
            shutil.copyfileobj(source, self._stream)
        return len(data)

    def tell(self) -> int:
        """Return the number of bytes that were written."""
        return self._stream.tell()

    def flush(self) -> None:
        """Write what is held back."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the file open: whoever opened it closes it."""


class _Column:
    """One column: which rows have a value, and the buffers of Arrow's layout for its type."""

    def __init__(self, type: pa.DataType, path: Path) -> None:
        import pyarrow as pa

        self._type, self._rows, self._nulls = type, 0, 0
        names = [path.with_suffix(f".{number}") for number in range(3)]
        self._valid, self._values, self._ends = _Bits(names[0]), _Bits(names[1]), _Bits(names[2])
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
            known, words = self._words, chunk.dictionary.to_pylist()
            numbers = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
            self._values.write(numbers[chunk.indices.to_numpy()])
        else:
            self._values.write(chunk.fill_null(0).to_numpy())

    def array(self, copied: dict[int, Path]) -> pa.Array:
        """Return the column, mapped, and note the file of each of its buffers."""
        import pyarrow as pa

        files = [self._values] if not self._is_text else [self._ends, self._values]
        valid = [self._valid.buffer(copied)] if self._nulls else [None]
        buffers = [*valid, *(file.buffer(copied) for file in files)]
        is_dictionary = pa.types.is_dictionary(self._type)
        type = self._type.index_type if is_dictionary else self._type
        array = pa.Array.from_buffers(type, self._rows, buffers, self._nulls)
        if is_dictionary:
            return pa.DictionaryArray.from_arrays(array, pa.array([*self._words]), safe=False)
        return array

    def close(self) -> None:
        """Close its files."""
        for file in (self._valid, self._values, self._ends):
            file.close()


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

    def buffer(self, copied: dict[int, Path]) -> pa.Buffer:
        """Return all that was added, mapped, and note where it lies."""
        import pyarrow as pa

        self.write(np.packbits(self._rest, bitorder="little"))
        self._stream.close()
        if not self._path.stat().st_size:
            return pa.py_buffer(b"")
        mapped = pa.memory_map(str(self._path)).read_buffer()
        copied[mapped.address] = self._path
        return mapped

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
