"""``python -m clipvec.search``: text, image and combined queries from the shell."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from clipvec.cli import OverridesParser, VersionOption, run

if TYPE_CHECKING:
    from clipvec.config import SearchConfig
    from clipvec.index import Hit, Term, VectorIndex
    from clipvec.model import Encoder

_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*=.*", re.DOTALL)
_EXAMPLES = """examples
  python -m clipvec.search "a red bird"
  python -m clipvec.search "a red bird^1.5" "a branch" --minus "a person" -k 20
  python -m clipvec.search --image photo.jpg "at night" --where category=animals
  python -m clipvec.search "a red bird" --where 'width>=200' --min-score 0.2 --json
  python -m clipvec.search "a red bird" --open index=chroma_http collection=sample--sample

The query is the weighted sum of its terms: ^1.5 behind a term is its weight, --minus subtracts.
The score is the cosine. Overrides are those of conf/search.yaml; text that looks like one goes
behind --text.
"""


def main() -> None:
    """Run the command."""
    arguments = parser().parse_intermixed_args()
    run(lambda: _search(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    parser = OverridesParser(
        "search",
        prog="clipvec-search",
        description="Search a collection that python -m clipvec.index made.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="TEXT|key=value", help="texts to look for, and overrides")
    add("--text", action="append", default=[], help="another text; may contain =")
    add("--image", action="append", default=[], metavar="FILE", help="an image to look for")
    add("--minus", action="append", default=[], metavar="TEXT", help="a text to subtract")
    add("--minus-image", action="append", default=[], metavar="FILE", help="an image to subtract")
    add("--where", action="append", default=[], help="key=value, also != > >= < <=, or JSON")
    add("-k", type=int, default=10, help="rows to show (default: 10)")
    add("--min-score", type=float, help="lowest cosine to show")
    add("--json", action="store_true", help="print a JSON list")
    add("--html", metavar="FILE", help="write a page with thumbnails")
    add("--open", action="store_true", help="open such a page in the browser")
    add("--version", action=VersionOption)
    return parser


def _search(arguments: argparse.Namespace) -> None:
    from clipvec import config
    from clipvec.errors import ConfigError
    from clipvec.index import filters, open_index, query_vector

    overrides = [word for word in arguments.words if _OVERRIDE.fullmatch(word)]
    texts = [word for word in arguments.words if word not in overrides] + arguments.text
    if not (texts or arguments.image or arguments.minus or arguments.minus_image):
        raise ConfigError('nothing to search for; give a text, as in: clipvec-search "a red bird"')
    if arguments.k < 1:
        raise ConfigError(f"-k {arguments.k}: at least 1 row is needed")
    config.load_env()
    settings = config.read_command("search", overrides, config.SearchConfig)
    with open_index(settings.index, settings.collection) as collection:
        where = filters.parse(arguments.where, collection.attributes)
        encoder = _encoder(settings, collection)
        vector = query_vector(_terms(arguments, texts), encoder)
        hits = collection.query(vector, arguments.k, where, arguments.min_score)
        _show(arguments, " ".join(texts) or "images", hits, collection)


def _encoder(settings: SearchConfig, collection: VectorIndex) -> Encoder:
    """Return the encoder of the query, which must be the one that made the collection."""
    from clipvec.model import load_checked

    chosen = settings.model.over(collection.model_config)
    made, where = collection.fingerprint.model, f"the collection {collection.location}"
    return load_checked(made, chosen, where)


def _terms(arguments: argparse.Namespace, texts: list[str]) -> list[Term]:
    """Return the terms of the query, those behind --minus with a negative weight."""
    from clipvec.index import Term, split_weight

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
    from pathlib import Path

    from clipvec.errors import ConfigError

    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"image {file!r} cannot be used: {error.strerror}") from error


def _show(
    arguments: argparse.Namespace, title: str, hits: list[Hit], collection: VectorIndex
) -> None:
    from clipvec.search import results

    if arguments.json:
        print(results.to_json(hits))
    elif hits:
        results.print_table(hits)
    else:
        print("no rows match", file=sys.stderr)
    if arguments.html or arguments.open:
        page = results.to_html(title, hits, collection.thumbnails(hits))
        _write_page(page, arguments.html, arguments.open)


def _write_page(page: str, file: str | None, show: bool) -> None:
    import tempfile
    import webbrowser
    from pathlib import Path

    from clipvec.errors import ConfigError

    path = Path(file or Path(tempfile.mkdtemp(prefix="clipvec-")) / "results.html").expanduser()
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {path}: {error.strerror}; choose another file") from error
    print(f"wrote {path}", file=sys.stderr)
    if show:
        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    main()
