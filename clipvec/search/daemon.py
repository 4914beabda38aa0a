"""A search that stays loaded: those after it ask it, and need not load the model again.

The first search listens on a Unix socket of its user and hands it to a process that it leaves
behind. Each search passes that process its command line, folder, environment and stderr, and
prints what it gets back; one is answered at a time, for some minutes after the last, or until it
is told to stop.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import process
from clipvec.errors import SearchEndedError, signal_of
from clipvec.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

VARIABLE = "CLIPVEC_SEARCH_MINUTES"
"""Environment variable: minutes for which a search stays loaded; 0: not at all."""
MINUTES = 10.0
_ROOT = Path(__file__).parents[2]
_LOADED_WITH = (
    *("CLIPVEC", "CUDA", "HF_", "HOME", "HYDRA", "LANG", "LC_", "LD_", "MKL_", "OMP_", "ONNX"),
    *("OPENBLAS", "PYTHON", "TOKENIZERS", "TORCH", "TRANSFORMERS", "XDG_CACHE"),
)
"""Beginnings of the names of environment variables that libraries read when they are loaded."""
_PREFIX, _KEY_LENGTH = "search-", 16
"""Of a socket's name, behind which comes its `_key`."""
_LONGEST_PATH = 100
"""Bytes of a socket's path; the kernel's limit is 107."""
_SIZE, _STARTED = struct.Struct(">I"), struct.Struct(">I")
_ANSWER = struct.Struct(">BI")
"""Exit code, and length of what is printed."""
_SECONDS = 10.0
"""In which a search sends what it asks, and takes its answer."""
_PATIENCE = 30.0
"""Seconds until a search is begun; after that it runs on its own."""
_INTERRUPTED = 128
"""Exit codes from here on are of signals: libraries may be half loaded."""


def minutes() -> float:
    """Return for how long a search stays loaded."""
    try:
        return float(os.environ.get(VARIABLE) or MINUTES)
    except ValueError:
        return MINUTES


def ask(arguments: Sequence[str]) -> tuple[int, str] | None:
    """Search in the process that stays loaded, which is started if there is none.

    Args:
        arguments: those of ``python -m clipvec.search``.

    Returns:
        The exit code of the search, and what it prints; None: there can be no such process here.

    Raises:
        SearchEndedError: it ended before it had answered.
    """
    path = _socket_path()
    if path is None:
        return None
    for _ in range(2):  # it may end, as it had nothing to do, just when it is asked
        try:
            with _connection(path) as connection:
                pid = _begin(connection, arguments)
                answer = None if pid is None else _end(connection, pid)
        except TimeoutError:
            return None
        except OSError:
            continue
        if answer is not None:
            return answer
    return None


def stop() -> int:
    """End the processes that stay loaded for this user, and return how many there were.

    Raises:
        SearchEndedError: one is busy with a search for too long.
    """
    folder = process.user_folder()
    if not hasattr(socket, "send_fds") or folder is None:
        return 0
    return sum(map(_ended, folder.glob(_PREFIX + "?" * _KEY_LENGTH)))


def _ended(path: Path) -> bool:
    """End the process of a socket, and return whether there was one."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(os.fspath(path))
            _send(connection, {"stop": True})
            while connection.recv(_STARTED.size):  # until it has gone
                continue
        except TimeoutError:
            raise SearchEndedError(
                "a process that stays loaded is busy with a search; wait until that has ended, "
                "or end it by Ctrl-C, and run clipvec search --stop again"
            ) from None
        except OSError:
            return False
    return True


def _socket_path() -> Path | None:
    """Return the socket of searches in the same environment; None: there can be none."""
    if not hasattr(socket, "send_fds"):
        return None
    folder = process.user_folder()
    if folder is None:
        return None
    path = folder / f"{_PREFIX}{_key()}"
    return path if len(os.fsencode(path)) <= _LONGEST_PATH else None


def _key() -> str:
    """Return what tells one environment and version from another."""
    newest = max(file.stat().st_mtime_ns for file in (_ROOT / "clipvec").rglob("*.py"))
    loaded_with = sorted(i for i in os.environ.items() if i[0].startswith(_LOADED_WITH))
    told = [sys.executable, str(_ROOT), __version__, newest, loaded_with]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_KEY_LENGTH]


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
        # in place of the current folder, whose modules are none of ours
        code = f"import sys; sys.path[0] = {str(_ROOT)!r}\n"
        code += "from clipvec.search import __main__, daemon; daemon.serve(__main__.answer)"
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
    """Pass on a search, and return the id of the process that has begun it; None: it ended.

    Raises:
        TimeoutError: another search takes too long.
    """
    environment = dict(os.environ)
    if sys.stdout.isatty():
        environment["COLUMNS"] = str(shutil.get_terminal_size().columns)
    asked = {
        "arguments": arguments,
        "folder": str(Path.cwd()),
        "environment": environment,
        "terminal": sys.stdout.isatty(),
    }
    connection.settimeout(_PATIENCE)
    _send(connection, asked)
    started = _received(connection, _STARTED.size)
    connection.settimeout(None)
    return _STARTED.unpack(started)[0] if started else None


def _send(connection: socket.socket, asked: dict[str, Any]) -> None:
    """Pass on what is asked, and where its errors go."""
    data = json.dumps(asked).encode()
    socket.send_fds(connection, [_SIZE.pack(len(data))], [2])
    connection.sendall(data)


def _end(connection: socket.socket, pid: int) -> tuple[int, str]:
    """Return the exit code and what to print; Ctrl-C ends the search, which says so."""
    while True:
        try:
            select.select([connection], [], [])
            break
        except KeyboardInterrupt as error:
            if not select.select([connection], [], [], 0)[0]:  # the next one may have begun
                os.kill(pid, signal_of(error))
    head = _received(connection, _ANSWER.size)
    if not head:
        raise SearchEndedError(
            f"the process that searches ({pid}) has ended, perhaps for lack of memory; run the "
            "same command again with --no-daemon"
        )
    code, size = _ANSWER.unpack(head)
    return code, _received(connection, size).decode()


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
    """Do one search, and return its exit code; to stop has that of a signal."""
    connection.settimeout(_SECONDS)
    fds: list[int] = []
    try:
        head, fds, *_ = socket.recv_fds(connection, _SIZE.size, 1)
        asked = json.loads(_received(connection, _SIZE.unpack(head)[0]))
        connection.sendall(_STARTED.pack(os.getpid()))
    except (OSError, ValueError, struct.error):  # it was stopped meanwhile, or waited in vain
        for fd in fds:
            os.close(fd)
        return 0
    if "stop" in asked:
        os.close(fds[0])
        connection.detach()  # it closes when this process has ended
        return _INTERRUPTED
    printed = _Printed(asked["terminal"])
    code = _searched(asked, fds[0], printed, search)
    data = printed.getvalue().encode()
    with contextlib.suppress(OSError):
        connection.sendall(_ANSWER.pack(code, len(data)) + data)
    return code


class _Printed(io.StringIO):
    """What a search prints, for an output that may be a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def _searched(asked: dict[str, Any], fd: int, out: TextIO, search: Callable[[], None]) -> int:
    """Search with the stderr, the folder and the environment of another process."""
    own = os.dup(2)
    _replace_stderr(fd)
    try:
        os.environ.clear()
        os.environ.update(asked["environment"] | {VARIABLE: "0"})
        os.chdir(asked["folder"])
        sys.argv = ["clipvec-search", *asked["arguments"]]
        with contextlib.redirect_stdout(out):
            search()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        _replace_stderr(own)
        os.chdir("/")  # a file system may be taken away meanwhile
    return 0


def _replace_stderr(fd: int) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone
        sys.stderr.flush()
    os.dup2(fd, 2)
    os.close(fd)
