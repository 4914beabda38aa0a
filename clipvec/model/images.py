"""Image files to an encoder's pixels.

An image that announces little work is decoded by the thread that asks. Any other is decoded in a
process of its own, whose processor time and memory the kernel limits: no thread can be stopped that
is inside a decoder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clipvec import machine
from clipvec.data import (
    LIGHT_PIXELS,
    DecoderCrashed,
    TooMuchMemory,
    TooSlow,
    Undecodable,
    decode_image,
    is_light,
    thumbnail,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from clipvec.model.preprocess import Preprocess

BYTES_PER_PIXEL = 16
"""Memory that decoding takes at most: up to three copies of 4 bytes, and the decoder's own."""
_GRACE_SECONDS = 5
_SHARE = 0.8
"""Of the memory that is free, for images that are decoded apart."""


class PreparedImage(NamedTuple):
    """A decoded image."""

    pixels: np.ndarray
    """uint8 [H, W, 3], as the encoder takes it."""
    width: int
    """Pixels of the original file, upright."""
    height: int
    thumbnail: bytes
    """JPEG; empty where none was asked for."""


def prepare(
    data: bytes, preprocess: Preprocess, max_pixels: int, thumbnail_side: int = 0
) -> PreparedImage:
    """Decode an image file here.

    Raises:
        Undecodable: see `clipvec.data.decode_image`.
    """
    decoded = decode_image(data, preprocess.target, max_pixels)
    small = thumbnail(decoded.image, thumbnail_side) if thumbnail_side else b""
    return PreparedImage(preprocess(decoded.image), decoded.width, decoded.height, small)


class ImageReader:
    """Decodes image files for many threads; `close` ends its processes at once.

    Args:
        preprocess: the encoder's.
        max_pixels: of an image.
        max_seconds: of processor time, for an image that is decoded apart.
        threads: that call it.
        thumbnail_side: longest side of the thumbnails in pixels; 0: none.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        max_pixels: int,
        max_seconds: int,
        threads: int,
        thumbnail_side: int = 0,
    ) -> None:
        self._preprocess, self._max_pixels = preprocess, max_pixels
        self._max_seconds, self._side = max_seconds, thumbnail_side
        each = BYTES_PER_PIXEL * max_pixels
        self.processes = max(1, min(threads, int(_SHARE * machine.free_bytes() / each)))
        """Images that are decoded apart at once: as many as there is memory for."""
        self.peak_bytes = self.processes * each + threads * BYTES_PER_PIXEL * LIGHT_PIXELS
        """Memory that decoding takes at most."""
        self._slots = threading.Semaphore(self.processes)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    def __call__(self, data: bytes) -> PreparedImage:
        """Return an image.

        Raises:
            Undecodable: it cannot be decoded, or takes too much time or memory.
        """
        if is_light(data):
            return prepare(data, self._preprocess, self._max_pixels, self._side)
        return self.apart(data)

    def apart(self, data: bytes) -> PreparedImage:
        """Return an image that is decoded in another process.

        Raises:
            Undecodable: it cannot be decoded, or takes too much time or memory.
        """
        with self._slots, self._worker() as worker:
            return worker.decode(data)

    def close(self) -> None:
        """End the processes, whatever they do; images that are still waited for fail."""
        with self._lock:
            self._closed = True
            for worker in (*self._busy, *self._idle):
                worker.kill()  # of those that are busy, the thread that waits ends them
            for worker in self._idle:
                worker.end()
            self._idle.clear()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        with self._lock:
            if self._closed:
                raise DecoderCrashed("decoding was stopped")
            worker = self._idle.pop() if self._idle else self._start()
            self._busy.add(worker)
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.remove(worker)
            if worker.alive and not self._closed:
                self._idle.append(worker)
            elif worker.alive:
                worker.end()

    def _start(self) -> _Worker:
        return _Worker(
            {
                "preprocess": self._preprocess.to_json(),
                "max_pixels": self._max_pixels,
                "max_seconds": self._max_seconds,
                "max_bytes": BYTES_PER_PIXEL * self._max_pixels,
                "thumbnail_side": self._side,
            },
            self._max_seconds,
        )


class _Worker:
    """A process that decodes one image after the other, see `clipvec.model.image_worker`."""

    def __init__(self, settings: dict[str, object], max_seconds: int) -> None:
        self._max_seconds = max_seconds
        # However this process ends, one that decodes ends with it.
        theirs, self._pipe = os.pipe()
        told = json.dumps({**settings, "pipe": theirs})
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipvec.model.image_worker", told],
            pass_fds=[theirs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for the command, which ends its processes itself. In a session of its own
            # its low priority would mean nothing to Linux, which shares out by sessions first.
            process_group=0,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        os.close(theirs)
        self.alive = True

    def decode(self, data: bytes) -> PreparedImage:
        """Return an image; a worker that failed is no longer `alive`."""
        try:
            send(self._stdin, {}, data)
            head, blobs = receive(self._stdout)
        except (OSError, EOFError, ValueError):
            raise _why(self.end(), self._max_seconds) from None
        if "error" in head:
            kinds = {kind.__name__: kind for kind in Undecodable.__subclasses__()}
            raise kinds[head["error"]](head["reason"])
        pixels, small = blobs
        shape = tuple(head["shape"])
        return PreparedImage(
            np.frombuffer(pixels, np.uint8).reshape(shape), head["width"], head["height"], small
        )

    def kill(self) -> None:
        """Send the process the signal that ends it."""
        self._process.kill()

    def end(self) -> int:
        """End the process, and return its exit code."""
        self.alive = False
        with suppress(OSError):  # what was not sent
            self._stdin.close()
        with suppress(subprocess.TimeoutExpired):  # of itself, which tells why
            self._process.wait(_GRACE_SECONDS)
        self._process.kill()
        self._stdout.close()
        os.close(self._pipe)
        return self._process.wait()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def _why(code: int, max_seconds: int) -> Undecodable:
    """Return the error of an image whose process ended."""
    if code == -signal.SIGXCPU:
        return TooSlow(
            f"decoding it takes more than max_decode_seconds={max_seconds} of a processor"
        )
    if code == -signal.SIGKILL:
        return TooMuchMemory("its decoder was killed, as when memory runs out")
    return DecoderCrashed(f"its decoder ended with code {code}")


def send(stream: IO[bytes], head: dict[str, Any], *blobs: bytes) -> None:
    """Write a message: a line of JSON, and the bytes that it announces."""
    line = json.dumps({**head, "blobs": [len(blob) for blob in blobs]})
    stream.write(f"{line}\n".encode())
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Read a message.

    Raises:
        EOFError: there is none, or it is cut off.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    blobs = [stream.read(size) for size in head["blobs"]]
    if [len(blob) for blob in blobs] != head["blobs"]:
        raise EOFError
    return head, blobs
