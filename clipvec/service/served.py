"""What the service answers from, and how it takes up another index without a restart."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError, ConfigError, FingerprintError, ModelError, one_line
from clipvec.index import published
from clipvec.service.kept import Kept
from clipvec.service.searcher import Searcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import ServeConfig
    from clipvec.index import Published

_LOOK_SECONDS, _SERVER_SECONDS = 1.0, 10.0
"""Between two looks at what is published in a folder, and on a server."""
_RETRY_SECONDS = 60.0
"""Until what could not be opened is tried again, unless something else is published."""
_END_SECONDS = 5.0
"""That what is being opened may hold up the end."""
_READY_SECONDS = 5.0
"""That an answer of ``/readyz`` is kept: anyone may ask, and each answer runs the model."""
log = logging.getLogger(__name__)


class _ChangingError(CollectionError):
    """An index is being written."""


_WHY = (
    (FingerprintError, "another model made it"),
    (ModelError, "its model cannot be loaded"),
    (_ChangingError, "it is being written"),
)
"""What anyone may know of an error, which names folders of this machine."""


@dataclass(eq=False)
class _Use:
    """A searcher, and who uses it."""

    searcher: Searcher
    requests: int = 0
    replaced: bool = False


class Served:
    """The searcher that answers, until another one takes its place.

    A request holds one searcher from its start to its end: all of its answer is of one index and
    one model. A searcher that was replaced is closed when the last request that holds it ends.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.waiting = ""
        """Why what is published is not taken up, as anyone may know it; empty: it is."""
        self.ready = Kept(self._ready, _READY_SECONDS)
        """Returns whether the searcher answers as it should."""
        self._use, self._lock = _Use(searcher), threading.Lock()

    @contextlib.contextmanager
    def hold(self) -> Iterator[Searcher]:
        """Give the searcher to a request, until the context ends."""
        with self._lock:
            use = self._use
            use.requests += 1
        try:
            yield use.searcher
        finally:
            with self._lock:
                use.requests -= 1
                ended = use.replaced and not use.requests
            if ended:
                _close(use.searcher)

    def replace(self, searcher: Searcher) -> None:
        """Let another searcher answer all requests that begin from now on."""
        with self._lock:
            old, self._use = self._use, _Use(searcher)
            old.replaced = True
            ended = not old.requests
        if ended:
            _close(old.searcher)

    def close(self) -> None:
        """Close the searcher; no request may hold it any more."""
        self._use.searcher.close()

    async def _ready(self) -> bool:
        with self.hold() as searcher:
            return await searcher.ready()


def mismatch(served: Served, beside: Served) -> str:
    """Return why two are no models of the same images, as anyone may know it; empty: they are."""
    with served.hold() as one, beside.hold() as other:
        mine, others = one.collection, other.collection
        if mine.name == others.name:
            return "it is the collection that is served"
        same = mine.fingerprint.dataset["name"] == others.fingerprint.dataset["name"]
        return "" if same else "it is of another dataset than what is served"


def _close(searcher: Searcher) -> None:
    """Close a searcher in a thread: it waits for running work, which may hang for ever."""
    threading.Thread(target=searcher.close, name="closing", daemon=True).start()


class Watch:
    """Looks for what is published, every second, opens it beside what is served, and swaps.

    The files of another build, another folder in the place of the old one, rows that were added,
    and an alias that stands for another collection are the same to it. What cannot be opened
    changes nothing but what is logged, and said by ``/readyz``.
    """

    def __init__(self, settings: ServeConfig) -> None:
        """Open the index that ``settings`` name, and look after it until `close`.

        Raises:
            CollectionError: there is no such collection.
            FingerprintError: the encoder is not the one that made it.
            ModelError: the encoder cannot be loaded.
        """
        self._found = published(settings.index, *settings.wanted)
        # It stays the same collection when another one in the folder is the newest.
        self._settings = replace(settings, collection=settings.collection or self._found.name)
        self.served = Served(Searcher.open(self._settings))
        self._failed: Published | None = None
        """What could not be opened; None: nothing, or it is not known what is published."""
        self._failures, self._again, self._said = 0, 0.0, ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def beside(self) -> Watch | None:
        """Return what looks after the collection to compare with, if there is to be one.

        Raises:
            CollectionError: there is no such collection.
            ConfigError: it is the same one, or of another dataset.
            FingerprintError: its encoder is not the one that made it.
            ModelError: its encoder cannot be loaded.
        """
        name = self._settings.beside
        if name is None:
            return None
        # its encoder is the one that made it, and not the one that may be named for the other
        model = replace(self._settings.model, name=None, arch=None, pretrained=None)
        found = Watch(replace(self._settings, collection=name, model=model))
        if why := mismatch(self.served, found.served):
            found.close()
            raise ConfigError(
                f"beside={name}: {why}; name a collection of the same dataset by another model"
            )
        return found

    def close(self) -> None:
        """Look no more, and close what is served."""
        self._end.set()
        self._thread.join(_END_SECONDS)
        self.served.close()

    def _run(self) -> None:
        server = self._settings.index.folder is None
        while not self._end.wait(_SERVER_SECONDS if server else _LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        found = None
        try:
            found = self._published()
            if found == self._found:
                self._forget()
            elif found != self._failed or time.monotonic() >= self._again:
                self._take_up(found)
        except Exception as error:  # whatever it is, what is served goes on
            self._fail(found, error)

    def _published(self) -> Published:
        return published(self._settings.index, self._settings.collection)

    def _take_up(self, found: Published) -> None:
        """Open what was found, and let it answer, unless it was replaced in the meantime."""
        if not found.settled:
            raise _ChangingError(
                f"{found.name} is being written, or clipvec index was interrupted; wait for it, or "
                "run clipvec index with the same options again"
            )
        with self.served.hold() as old:
            new = Searcher.open(self._settings, old.queries)
        with contextlib.ExitStack() as unless_wanted:
            unless_wanted.callback(new.close)
            if self._published() != found:
                return
            unless_wanted.pop_all()
        self._found = found
        self.served.replace(new)
        self._forget()
        about = new.collection
        log.warning(
            "took up %s, %s rows by %s: %s",
            *(found.name, f"{about.count():,}", about.model_config.name, about.location),
        )

    def _fail(self, found: Published | None, error: Exception) -> None:
        """Say why something is not taken up, once, and not if it was so for a moment only.

        The text of an error may be another each time, and tells nothing of whether it is the same.

        Args:
            found: what is not taken up; None: it is not known what is published.
            error: the reason.
        """
        now = time.monotonic()
        self._failures = self._failures + 1 if found == self._failed else 1
        self._failed = found
        if self._failures == 1:  # what is being written takes a while
            self._again = now if found is None or found.settled else now + _RETRY_SECONDS
        elif now >= self._again:
            self._again = now + _RETRY_SECONDS
            self._say(error)

    def _say(self, error: Exception) -> None:
        if str(error) != self._said:
            self._said = str(error)
            log.error("not taken up, what was served before goes on: %s", one_line(error))
        why = next((why for kind, why in _WHY if isinstance(error, kind)), "it cannot be opened")
        self.served.waiting = f"what is published now is not taken up: {why}; see the log"

    def _forget(self) -> None:
        """Forget what could not be opened: it is, or is no longer wanted."""
        self._failed, self._failures = None, 0
        self._said = self.served.waiting = ""
