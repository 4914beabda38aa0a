"""Every error that a user of clipvec can cause.

    ClipvecError                 exit code 1  what is missing or failed may be there at a retry
    ├── ConfigError              2  the request is invalid
    │   ├── MissingPackageError  2  a package that it needs is not installed
    │   ├── ShardSpecError       2
    │   └── SchemaError          2  a file written by another version of clipvec
    ├── DatasetError             1  the dataset cannot be read
    ├── ModelError               1  the model cannot be loaded or run
    │   └── GpuError             4  this job was given a GPU that cannot be used as it is
    ├── StoreError               1  the store cannot be read or written
    │   ├── FingerprintError     2  made with another model, dataset or sharding
    │   └── IncompleteStoreError 1  shards are missing
    ├── TooManyRejects           3  more than max_reject_fraction of a shard was rejected
    ├── CollectionError          1  an index cannot be opened, built or searched
    │   └── DiskFullError        1  no space is left for it
    ├── SearchEndedError         1  the process that stays loaded for searches ended
    ├── LaunchError              1  jobs cannot be started or polled
    ├── SweepError               1  jobs of a sweep failed
    ├── TrackingError            1  wandb's server cannot be reached, or fails
    └── Interrupted              128 + signal number

A message is one line: the value seen, the values allowed, and how to fix it. Codes 2, 3
and 4 are for errors that running the same command again cannot fix, whatever comes: no job that
ended with one of them is restarted. A disk, a bucket, a store or an index that is missing may come
back, and has code 1.
"""

from __future__ import annotations

import re
import signal

_JOINERS = "\u200c\u200d"
"""Not printable, but needed to join or separate Persian letters and parts of emoji."""


_WEB = re.compile(r"(?:^|::)https?:/", re.IGNORECASE)
"""With one slash where somebody took the URL for a path; so below, too."""
_USER = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]*):(?:"
    r"//?[^/?#\s'\":]*:(?!:)(?P<password>[^/?#\s'\"]*|(?!\d*/)[^?#\s'\"@]*)@"  # or host:port/a@b
    r"|//(?P<user>[^/?#\s'\":]*)@"
    r"|(?<=http:|ttps:)/(?P<token>[^/?#\s'\":]*)@)",
    re.IGNORECASE,
)
_NOT_USERS = frozenset({"abfs", "abfss", "wasb", "wasbs", "git", "github"})
"""Schemes of fsspec in which what precedes ``@`` is a container or a repository."""
_ENDS = r"(?=['\")\]},;:.]*(?:\s|$))"
"""The end of a URL in a sentence."""
_QUERY = re.compile(rf"(https?:/[^?\s\"]*)\?\S*?{_ENDS}", re.IGNORECASE)
_NAMED = r"\b(?:x-\w+-signature|sig|signature|\w*token|\w*key|auth|password|secret)=[^&\s$]"
_SIGNATURE = re.compile(rf"(\b[a-z][a-z0-9+.-]*:/[^?\n]*)\?\S*?{_NAMED}\S*?{_ENDS}", re.IGNORECASE)
"""URLs whose query holds a secret by its name."""
_LONG = re.compile(r"https?:/[^?\n]*\?\S*?=[\w%+/-]{20}", re.IGNORECASE)
"""URLs whose query holds something as long as a secret."""
_INTERPOLATION = re.compile(r"\$\{[^}]*\}+")


class ClipvecError(Exception):
    """Base of all errors that are shown to the user as one line; without the secrets of URLs."""

    exit_code: int = 1
    """Exit code of a command that fails with it."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class ConfigError(ClipvecError):
    """The request is invalid."""

    exit_code = 2


class ShardSpecError(ConfigError):
    """A shard specification that cannot be parsed, or that names shards that do not exist."""


class MissingPackageError(ConfigError):
    """A package that the request needs is not installed here."""


class SchemaError(ConfigError):
    """A file of an older or newer schema than this version of clipvec reads."""


class DatasetError(ClipvecError):
    """The dataset cannot be read."""


class ModelError(ClipvecError):
    """The model cannot be loaded or run."""


class GpuError(ModelError):
    """This job was given a GPU, and would run on the CPU or leave some of its GPUs idle."""

    exit_code = 4


class StoreError(ClipvecError):
    """The store cannot be read or written."""


class FingerprintError(StoreError):
    """Vectors made with a different model, dataset or sharding."""

    exit_code = 2


class IncompleteStoreError(StoreError):
    """Shards of the store are missing."""


class TooManyRejects(ClipvecError):
    """More than ``max_reject_fraction`` of a shard could not be embedded."""

    exit_code = 3


class CollectionError(ClipvecError):
    """An index cannot be opened, built or searched."""


class DiskFullError(CollectionError):
    """There is no space left for an index."""


class SearchEndedError(ClipvecError):
    """The process that stays loaded for searches ended while it searched."""


class LaunchError(ClipvecError):
    """Jobs cannot be started or polled."""


class SweepError(ClipvecError):
    """Jobs of a sweep failed; what the others committed is kept."""


class TrackingError(ClipvecError):
    """wandb's server cannot be reached, does not answer, or fails."""


class Interrupted(ClipvecError):
    """The process was asked to stop by a signal."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum
        self.exit_code = 128 + signum


def signal_of(error: KeyboardInterrupt) -> int:
    """Return the signal behind an interrupt: for SIGTERM it carries the number, for Ctrl-C none."""
    return int(error.args[0]) if error.args else signal.SIGINT


def stopped(signum: int) -> str:
    """Return that a signal stopped the command; of Ctrl-C whoever pressed it knows."""
    by = "" if signum == signal.SIGINT else f" by {signal.Signals(signum).name}"
    return f"stopped{by}"


def one_line(text: object) -> str:
    """Return a text as one line of printable characters; messages and names are untrusted."""
    return " ".join(printable(text).split())


def brief(text: object, most: int = 200) -> str:
    """Return what others say as one line of at most about ``most`` characters, in whole words."""
    line = one_line(text)
    if len(line) <= most:
        return line
    return f"{line[: most + 1].rpartition(' ')[0] or line[:most]} …"


def printable(text: object) -> str:
    """Return a text with non-printable characters, including line ends, replaced by spaces."""
    return "".join(c if c.isprintable() or c in _JOINERS else " " for c in str(text))


def without_secrets(text: str) -> str:
    """Return a text without users, passwords and queries of URLs: a query may be a signature."""
    if ":/" not in text:
        return text
    text = _USER.sub(
        lambda m: m[0] if m["scheme"].lower() in _NOT_USERS else f"{m['scheme']}://", text
    )
    return _SIGNATURE.sub(r"\1", _QUERY.sub(r"\1", text))


def url_without_secrets(url: str) -> str:
    """Return `without_secrets` of what is a URL, or a path: blanks and quotes are part of it."""
    return without_secrets(without_query(url))


def without_query(url: str) -> str:
    """Return an http URL without its query, and any other or a path as it is."""
    return url.partition("?")[0] if _WEB.search(url) else url


def holds_secret(text: str) -> bool:
    """Return whether a text has a URL with a password, or with a query that may be a signature.

    What precedes the host of an http URL may be a token. ``${oc.env:NAME}`` is no secret.
    """
    text = _INTERPOLATION.sub("$", text)
    for found in _USER.finditer(text):
        web = found["scheme"].lower() in {"http", "https"}
        given = found["password"] or found["token"] or (web and found["user"]) or ""
        if given.strip("$") and found["scheme"].lower() not in _NOT_USERS:
            return True
    return any(pattern.search(text) for pattern in (_SIGNATURE, _LONG))
