"""A search that stays loaded: those after it ask it, and need not load the model again.

The first search listens on a Unix socket of its user and hands it to a process that it leaves
behind. Each search passes that process its command line, folder, environment, stdout and stderr,
so that it answers as a process of its own would; one at a time, and for some minutes after the
last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import SearchEndedError
from clipvec.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VARIABLE = "CLIPVEC_SEARCH_MINUTES"
"""Environment variable: minutes for which a search stays loaded; 0: not at all."""
MINUTES = 10.0
_ROOT = Path(__file__).parents[2]
_LOADED_WITH = (
    *("CLIPVEC", "CUDA", "HF_", "HOME", "HYDRA", "LANG", "LC_", "LD_", "MKL_", "OMP_", "ONNX"),
    *("OPENBLAS", "PYTHON", "TOKENIZERS", "TORCH", "TRANSFORMERS", "XDG_CACHE"),
)
"""Beginnings of the names of environment variables that libraries read when they are loaded."""
_LONGEST_PATH = 100
"""Bytes of a socket's path; the kernel's limit is 107."""
_SIZE, _STARTED = struct.Struct(">I"), struct.Struct(">I")
_SECONDS = 10.0
"""In which a search sends what it asks."""
_INTERRUPTED = 128
"""Exit codes from here on are of signals: libraries may be half loaded."""


def minutes() -> float:
    """Return for how long a search stays loaded."""
    try:
        return float(os.environ.get(VARIABLE) or MINUTES)
    except ValueError:
        return MINUTES


def ask(arguments: Sequence[str]) -> int | None:
    """Search in the process that stays loaded, which is started if there is none.

    Args:
        arguments: those of ``python -m clipvec.search``.

    Returns:
        The exit code of the search; None: there can be no such process here.

    Raises:
        SearchEndedError: it ended before it had answered.
    """
    path = _socket_path()
    if path is None:
        return None
    for _ in range(2):  # it may end, as it had nothing to do, just when it is asked
        try:
            with _connection(path) as connection:
                if (pid := _begin(connection, arguments)) is not None:
                    return _end(connection, pid)
        except OSError:
            continue
    return None


def _socket_path() -> Path | None:
    """Return the socket of searches in the same environment; None: there can be none."""
    if not hasattr(socket, "send_fds"):
        return None
    told = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(told or tempfile.gettempdir()) / f"clipvec-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # in a folder of everybody's, somebody else may have made it
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        return None
    path = folder / f"search-{_key()}"
    return path if len(os.fsencode(path)) <= _LONGEST_PATH else None


def _key() -> str:
    """Return what tells one environment and version from another."""
    newest = max(file.stat().st_mtime_ns for file in (_ROOT / "clipvec").rglob("*.py"))
    loaded_with = sorted(i for i in os.environ.items() if i[0].startswith(_LOADED_WITH))
    told = [sys.executable, str(_ROOT), __version__, newest, loaded_with]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others from starting or ending the process meanwhile."""
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _connection(path: Path) -> socket.socket:
    """Return a connection to the process that stays loaded."""
    with _locked(path):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            _start(path)
            connection.connect(os.fspath(path))
    return connection


def _start(path: Path) -> None:
    """Start the process; what connects from now on waits until it is ready."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        code = f"import sys; sys.path.insert(0, {str(_ROOT)!r})\n"
        code += "from clipvec.search import __main__, daemon; daemon.serve(__main__.main)"
        fd = listener.fileno()
        subprocess.Popen(
            [sys.executable, "-c", code, str(fd), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[fd],
            start_new_session=True,
        )
    if sys.stderr.isatty():
        print(
            f"the model stays loaded for {minutes():g} minutes; --no-daemon: not", file=sys.stderr
        )


def _begin(connection: socket.socket, arguments: Sequence[str]) -> int | None:
    """Pass on a search, and return the id of the process that has begun it; None: it ended."""
    asked = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    data = json.dumps(asked).encode()
    sys.stdout.flush()
    socket.send_fds(connection, [_SIZE.pack(len(data))], [1, 2])
    connection.sendall(data)
    started = _received(connection, _STARTED.size)
    return _STARTED.unpack(started)[0] if started else None


def _end(connection: socket.socket, pid: int) -> int:
    """Return the exit code; Ctrl-C ends the search, which says so."""
    while True:
        try:
            code = _received(connection, 1)
            break
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGINT)
    if not code:
        raise SearchEndedError(
            f"the process that searches ({pid}) has ended, perhaps for lack of memory; run the "
            "same command again with --no-daemon"
        )
    return code[0]


def _received(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes; none if the connection ends before."""
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionResetError:
            return b""
        if not more:
            return b""
        data += more
    return data


def serve(search: Callable[[], None]) -> None:
    """Answer searches, as the process that `_start` starts.

    Args:
        search: searches by ``sys.argv``.
    """
    fd, path = int(sys.argv[1]), Path(sys.argv[2])
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)  # to leave no socket behind
    listener = socket.socket(fileno=fd)
    listener.settimeout(60 * minutes())
    with contextlib.suppress(KeyboardInterrupt, TimeoutError):
        code = 0
        while code < _INTERRUPTED:
            connection, _ = listener.accept()
            with connection:
                code = _answer(connection, search)
    with _locked(path):  # whoever waits for an answer asks the next process
        path.unlink(missing_ok=True)
        listener.close()


def _answer(connection: socket.socket, search: Callable[[], None]) -> int:
    """Do one search, and return its exit code."""
    connection.settimeout(_SECONDS)
    try:
        head, fds, *_ = socket.recv_fds(connection, _SIZE.size, 2)
        asked = json.loads(_received(connection, _SIZE.unpack(head)[0]))
        connection.sendall(_STARTED.pack(os.getpid()))
    except (OSError, ValueError, struct.error):  # it was stopped meanwhile
        return 0
    code = _searched(asked, fds, search)
    with contextlib.suppress(OSError):
        connection.sendall(bytes([code]))
    return code


def _searched(asked: dict[str, Any], fds: Sequence[int], search: Callable[[], None]) -> int:
    """Search with the output, the folder and the environment of another process."""
    own = [os.dup(1), os.dup(2)]
    try:
        _replace_output(fds)
        os.environ.clear()
        os.environ.update(asked["environment"] | {VARIABLE: "0"})
        os.chdir(asked["folder"])
        sys.argv = ["clipvec-search", *asked["arguments"]]
        search()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        _flush()
        _replace_output(own)
        os.chdir("/")  # a file system may be taken away meanwhile
    return 0


def _replace_output(fds: Sequence[int]) -> None:
    for number, fd in enumerate(fds, start=1):
        os.dup2(fd, number)
        os.close(fd)


def _flush() -> None:
    """Write what was printed; a reader such as `head` may have read enough."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        sys.stdout.flush()
    sys.stderr.flush()
