"""One search from the shell: its query, its filters, and what to show."""

from __future__ import annotations

import difflib
import re
import sys
import tempfile
import webbrowser
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import config
from clipvec.cli import literal_paths, refuse_cut_path
from clipvec.data import is_light, open_image
from clipvec.errors import ConfigError, printable
from clipvec.files import open_regular
from clipvec.index import Term, filters, open_index, query_vector, split_weight
from clipvec.locations import expanded
from clipvec.model import load_checked
from clipvec.search import pictures, results

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from clipvec.config import SearchConfig
    from clipvec.index import Hit, VectorIndex
    from clipvec.model import Encoder

_loaded: dict[str, Encoder] = {}
"""The encoder of the last search, which the next one in this process may want too."""
_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*=.*", re.DOTALL)


def run_search(arguments: argparse.Namespace) -> None:
    """Search, and show what was found.

    Args:
        arguments: parsed from the command line, see ``clipvec.search.__main__``.

    Raises:
        ConfigError: the query, a filter or an override is not allowed.
        CollectionError: there is no index, or there are several to choose from.
        FingerprintError: the encoder is not the one that made the index.
    """
    overrides = [word for word in arguments.words if _OVERRIDE.fullmatch(word)]
    texts = [word for word in arguments.words if word not in overrides] + arguments.text
    if not (texts or arguments.image or arguments.minus or arguments.minus_image):
        taken = f"; {overrides[0]} is an option, --text makes it a text" if overrides else ""
        raise ConfigError(
            f'nothing to search for; give a text, as in: clipvec search "a red bird"{taken}'
        )
    if not all(text.strip() for text in [*texts, *arguments.minus]):
        raise ConfigError("a text to search for is empty; give one, or leave it out")
    if arguments.html and not expanded(arguments.html).absolute().parent.is_dir():
        raise ConfigError(f"--html {arguments.html}: there is no such folder; choose another file")
    if arguments.show and arguments.json:
        raise ConfigError("--show and --json: one of them; --json prints what is found as a list")
    if arguments.k < 1:
        raise ConfigError(f"-k {arguments.k}: at least 1 row is needed")
    if arguments.min_score is not None and not isfinite(arguments.min_score):
        raise ConfigError(f"--min-score {arguments.min_score}: a cosine is a number from -1 to 1")
    config.load_env()
    settings = config.read_command("search", literal_paths(overrides), config.SearchConfig)
    terms = _terms(arguments, texts)
    with open_index(settings.index, *settings.wanted) as index:
        where = filters.parse(arguments.where, index.attributes)
        vector = query_vector(terms, _encoder(settings, index))
        hits = index.query(vector, arguments.k, where, arguments.min_score)
        _show(arguments, " ".join(texts) or "images", hits, index)
        if not hits:
            said = _nothing(index, vector, where, arguments.min_score)
            print(printable(said), file=sys.stderr)


def _encoder(settings: SearchConfig, index: VectorIndex) -> Encoder:
    """Return the encoder of the query, which must be the one that made the index."""
    chosen = settings.model.over(index.model_config)
    made, where = index.fingerprint.model, f"the index {index.location}"
    key = repr((made, chosen))
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = load_checked(made, chosen, where)
    return _loaded[key]


def _terms(arguments: argparse.Namespace, texts: list[str]) -> list[Term]:
    """Return the terms of the query, those of --minus with a negative weight."""
    terms = []
    for words, files, sign in (
        (texts, arguments.image, 1),
        (arguments.minus, arguments.minus_image, -1),
    ):
        for given in words:
            text, weight = split_weight(given)
            terms.append(Term(text, sign * weight))
        for given in files:
            file, weight = split_weight(given)
            terms.append(Term(file, sign * weight, _read(file)))
    return terms


def _read(file: str) -> bytes:
    """Return the bytes of an image; one that is none is refused before the model is loaded."""
    try:
        with open_regular(expanded(file)) as stream:
            data = stream.read()
        if is_light(data):  # of others the decoder says it, in a process of its own
            open_image(data).close()
    except Exception as error:  # Pillow's decoders raise almost any class
        if isinstance(error, FileNotFoundError):
            refuse_cut_path("search", sys.argv[1:])
        why = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigError(f"image {file!r} cannot be used: {why}") from error
    return data


def _show(arguments: argparse.Namespace, title: str, hits: list[Hit], index: VectorIndex) -> None:
    if arguments.json:
        print(results.to_json(hits))
    elif arguments.show and hits:
        print(pictures.to_json(hits, index.thumbnails(hits)))
    elif hits:
        results.print_table(hits)
    if arguments.html or arguments.open:
        page = results.to_html(title, hits, index.thumbnails(hits))
        _write_page(page, arguments.html, arguments.open)


def _nothing(
    index: VectorIndex, vector: np.ndarray, where: filters.Filter | None, least: float | None
) -> str:
    """Return what to say where no row matches: the best score, or values that a filter excludes."""
    said = "no rows match"
    if least is not None and (best := index.query(vector, 1, where)):
        return f"{said}; the best score is {best[0].score:.4f}, below --min-score {least:g}"
    if where is None:
        return said
    near = index.query(vector, 100)
    for each in filters.comparisons(where):
        values = {str(hit.attributes[each.key]) for hit in near if each.key in hit.attributes}
        if values and each.operator in {"=", "in"}:
            # All of them, beginning with those that are spelt most like it.
            like = difflib.get_close_matches(str(each.value), sorted(values), n=5, cutoff=0)
            said += f"; {each.key} of the nearest rows: {', '.join(like)}"
    return said


def _write_page(page: str, file: str | None, show: bool) -> None:
    path = expanded(file or Path(tempfile.mkdtemp(prefix="clipvec-")) / "results.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {path}: {error.strerror}; choose another file") from error
    print(f"wrote {path}", file=sys.stderr)
    if show:
        webbrowser.open(path.resolve().as_uri())
