"""From a folder of photos to a page: the commands that it takes, one after the other.

Each runs in a process of its own, so that nothing is held of one while the next runs.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import config
from clipvec.cli import literal_paths, refuse_cut_path
from clipvec.errors import ConfigError, signal_of
from clipvec.extras import require
from clipvec.locations import expanded
from clipvec.photos.running import PageClaim, taking_turns
from clipvec.store import Store, stores_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from clipvec.config import EmbedConfig, IndexConfig

_HOST = "127.0.0.1"
_PORTS = range(3000, 3020)
_DEFAULTS = {"dataset": "folder", "sharding": "x1", "max_reject_fraction": "1"}
"""One's photos are few, and those that cannot be read hold up no others."""
_CHOOSE_MODEL = {"model", "model.name", "model.arch", "model.pretrained", "experiment"}
_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 30


def show_photos(arguments: argparse.Namespace) -> None:
    """Embed and index the photos of a folder, and serve them until Ctrl-C.

    Args:
        arguments: parsed from the command line, see ``clipvec.photos.__main__``.

    Raises:
        ConfigError: the folder, an option or the port is not allowed, or a package is missing.
    """
    if others := [word for word in arguments.options if "=" not in word and word[:1] != "~"]:
        refuse_cut_path("photos", sys.argv[1:])
        raise ConfigError(
            f"{arguments.folder} and {others[0]}: one folder at a time; run clipvec photos for each"
        )
    config.load_env()
    words, embed = with_own_model(arguments.folder, arguments.options)
    collection = embed.collection
    index = config.read_command("index", words["index"], config.IndexCommandConfig)
    serve = [*words["serve"], config.override("collection", index.alias or collection)]
    served = config.read_command("serve", serve, config.ServeConfig).index
    if not arguments.no_serve:
        require("the page, which --no-serve leaves out,", "photos", "bentoml")
    location = absolute(served, collection)
    with PageClaim(location) as page:
        if not arguments.no_serve and page.take() and arguments.port is not None:
            choose_port(arguments.port)  # before anything takes long
        with taking_turns(location):
            for command in ("embed", "index"):
                with _child(f"clipvec.{command}", words[command]) as child:
                    code = child.wait()
                if code:  # it said why
                    sys.exit(code if code > 0 else 128 - code)
        if arguments.no_serve:
            print(f"search them: {search_of(words['serve'], index.alias or collection)}")
        else:
            opened = not arguments.no_open
            show_page(page, serve, collection, arguments.port, opened=opened)


def search_of(served: Sequence[str], collection: str) -> str:
    """Return a search, as it is typed, of a collection where some overrides have it served."""
    words = [word for word in served if config.takes("search", word)]
    return shlex.join(["clipvec", "search", "a red bird", *words, f"collection={collection}"])


def with_own_model(
    folder: str | None, options: Sequence[str]
) -> tuple[dict[str, list[str]], EmbedConfig]:
    """Return the overrides of each command, and what they mean for the first.

    Where they name no model, it is the one of the photos' store, which is said; of several stores,
    of the one that changed last.

    Raises:
        ConfigError: as in `overrides`, or an option is not allowed.
        StoreError: the store cannot be read.
    """
    words = overrides(folder, options)
    embed = config.read_command("embed", words["embed"], config.EmbedConfig)
    stores = stores_of(embed.store.root, embed.dataset.name)
    if not stores or any(map(_chooses_model, options)):
        return words, embed
    model = config.ModelConfig.of_store(Store.open(str(stores[0])).model)
    if len(stores) > 1 or model.name != embed.model.name:
        which = "store" if len(stores) == 1 else "newest store"
        said = f"the photos' model is {model.name}, that of their {which}; model=... names another"
        print(said, file=sys.stderr)
    keys = ("name", "arch", "pretrained", "precision")
    own = [config.override(f"model.{key}", getattr(model, key)) for key in keys]
    words = overrides(folder, ["model=local", *own, *options])
    return words, config.read_command("embed", words["embed"], config.EmbedConfig)


def absolute(index: IndexConfig, collection: str) -> str:
    """Return the location of an index, the same from whatever folder it is named."""
    location = index.location(collection)
    return location if index.folder is None else str(Path(location).resolve())


def overrides(folder: str | None, options: Sequence[str]) -> dict[str, list[str]]:
    """Return the overrides of each command for the photos of a folder.

    Args:
        folder: as it was typed, and completed by a shell; None: it was not.
        options: overrides of any of the commands.

    Raises:
        ConfigError: no folder is given, or there is no such one.
    """
    if folder is None:
        raise ConfigError("give the folder of your photos, as in: clipvec photos ~/Pictures")
    path = expanded(folder).absolute()
    if not path.is_dir():
        what = "is a file" if path.exists() else "is not there"
        raise ConfigError(f"{folder} {what}; give the folder of your photos")
    given = {word.partition("=")[0] for word in options}
    words = [f"{key}={value}" for key, value in _DEFAULTS.items() if key not in given]
    words += [config.override("dataset.path", path), *literal_paths(options)]
    index = [word for word in words if config.takes("index", word)]
    serve = [
        word for word in words if config.takes("serve", word) and not _chooses_collection(word)
    ]
    others = [word for word in index + serve if not config.takes("embed", word)]
    return {
        "embed": [word for word in words if word not in others],  # it refuses unknown ones
        "index": index,
        "serve": serve,
    }


def _chooses_model(word: str) -> bool:
    """Return whether an override says which model it is, not just how that runs."""
    return word.lstrip("+~").partition("=")[0] in _CHOOSE_MODEL


def _chooses_collection(word: str) -> bool:
    """Return whether an override is of the model or dataset, of which the collection is named."""
    return word.lstrip("+~").startswith(("model", "dataset"))


def choose_port(asked: int | None) -> int:
    """Return the port that was asked for, or else the first that is free.

    Raises:
        ConfigError: it is taken, or is none, or none is free.
    """
    if asked is not None and not 0 < asked < 65536:
        raise ConfigError(f"--port {asked}: a port is a number from 1 to 65535")
    candidates = _PORTS if asked is None else (asked,)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of one that just ended
            try:
                probe.bind((_HOST, port))
            except OSError as error:
                refused = error
                continue
        if port != candidates[0]:
            print(f"port {candidates[0]} is not free, {port} is", file=sys.stderr)
        return port
    if asked is None:
        raise ConfigError(f"the ports {_PORTS[0]} to {_PORTS[-1]} are taken; give another: --port")
    why = "is not allowed to you" if isinstance(refused, PermissionError) else "is taken"
    raise ConfigError(f"port {asked} {why}; without --port a free one is found")


@contextmanager
def _child(module: str, words: Sequence[str], **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module in a process that ends with the context, and with this process.

    It and its own processes import nothing from the current folder, which may be that of the
    photos.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "clipvec.photos.child", module, *words],
        stdin=subprocess.PIPE,
        # Ctrl-C comes here alone, and is passed on once.
        start_new_session=True,
        env=os.environ | {"PYTHONSAFEPATH": "1"} | env,
    )
    try:
        yield child
    except KeyboardInterrupt as error:
        signum = signal_of(error)
        child.send_signal(signum)
        child.wait()
        sys.exit(128 + signum)
    finally:
        child.terminate()
        child.wait()


def show_page(
    page: PageClaim, words: Sequence[str], collection: str, port: int | None, *, opened: bool
) -> None:
    """Serve a collection until a signal comes, or show the page that another process serves."""
    waiting = False
    while not page.take():
        url = page.url()
        if url and is_ready(url):
            _say(f"the page is already running at {url}", url, opened)
            return
        if not waiting:
            print("their page is another command's, and not ready yet; waiting", file=sys.stderr)
        waiting = True
        time.sleep(_POLL_SECONDS)
    # Now: one that was free before the photos were embedded may be taken.
    _serve(page, words, collection, choose_port(port), opened=opened)


def _serve(
    page: PageClaim, words: Sequence[str], collection: str, port: int, *, opened: bool
) -> None:
    """Serve a collection until a signal comes, and say when the page is there."""
    url = f"http://{_HOST}:{port}"
    page.tell(url)
    print(f"starting the page at {url}", file=sys.stderr)
    command = ["serve", "clipvec.service.bento:Clipvec", "--port", str(port), "--quiet"]
    environment = {"CLIPVEC_SERVE": shlex.join(words), "BENTOML_DO_NOT_TRACK": "True"}
    with _child("bentoml", command, **environment) as child:
        while child.poll() is None and not is_served(url, collection):
            time.sleep(_POLL_SECONDS)
        if child.poll() is None:
            _say(f"search your photos at {url}; Ctrl-C ends it", url, opened)
        code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)


def _say(text: str, url: str, opened: bool) -> None:
    print(text, flush=True)
    if opened:
        webbrowser.open(url)


def is_ready(url: str) -> bool:
    """Return whether a service answers at a URL."""
    try:
        _opener().open(f"{url}/readyz", timeout=_ANSWER_SECONDS).close()
    except (OSError, HTTPException, ValueError):
        return False
    return True


def is_served(url: str, collection: str) -> bool:
    """Return whether a service is ready, and not that of somebody else who took the same port."""
    if not is_ready(url):
        return False
    try:
        with _opener().open(f"{url}/stats", timeout=_ANSWER_SECONDS) as answer:
            return bool(json.load(answer)["collection"] == collection)
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return False


def _opener() -> urllib.request.OpenerDirector:
    """Return what asks a service of this machine, with the key that it may ask for."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is elsewhere
    # its bytes, as headers have them
    key = os.environ.get(config.API_KEY, "").encode().decode("latin-1")
    opener.addheaders = [("X-API-Key", key)] if key else []
    return opener
