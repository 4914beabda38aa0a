"""``clipvec search``: search an index by texts and images.

Examples:
    clipvec search "a red bird"
    clipvec search "a red bird^1.5" "a branch" --minus "a person" -k 20
    clipvec search --image photo.jpg "at night" --where category=animals
    clipvec search "a red bird" --show -k 3
    clipvec search "a red bird" --where 'width>=200' --min-score 0.2 --json
    clipvec search "a red bird" --open index=chroma_http collection=sample--sample

The query is the weighted sum of its terms: ^1.5 after a term sets its weight, --minus subtracts.
The score is the cosine. Give text that looks like an override with --text.

The model stays loaded for 10 minutes (CLIPVEC_SEARCH_MINUTES), in a process that answers the next
search at once; --stop ends it before.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING

from clipvec.cli import Parser, run

if TYPE_CHECKING:
    from argparse import Namespace


def main() -> None:
    """Run the command."""
    arguments = parser().parse_intermixed_args()

    def search() -> None:
        from clipvec.search import daemon, pictures

        if arguments.stop:
            ended = daemon.stop()
            what = "search that stayed loaded" if ended == 1 else "searches that stayed loaded"
            print(f"ended {ended} {what}" if ended else "no search stays loaded")
            return
        if arguments.show:
            pictures.check_terminal()
        stays = not arguments.no_daemon and daemon.minutes() > 0
        found = daemon.ask(sys.argv[1:]) if stays else None
        if found is None and not arguments.show:
            _search(arguments)
            return
        code, printed = found or (0, _captured(arguments))
        if arguments.show and printed:
            pictures.draw(printed)
        else:
            sys.stdout.write(printed)
        sys.exit(code)

    run(search)


def answer() -> None:
    """Search in the process that stays loaded; what is printed goes to the one that asked."""
    arguments = parser().parse_intermixed_args()
    run(lambda: _search(arguments))


def _search(arguments: Namespace) -> None:
    from clipvec.progress import logs_on_terminal
    from clipvec.search.run import run_search

    with logs_on_terminal():
        run_search(arguments)


def _captured(arguments: Namespace) -> str:
    """Search in this process, and return what would be printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        _search(arguments)
    return printed.getvalue()


def parser() -> Parser:
    """Return the options of the command."""
    parser = Parser("search", __doc__, overrides=True)
    add = parser.add_argument
    add("words", nargs="*", metavar="TEXT|key=value", help="texts to search for, and overrides")
    add("--text", action="append", default=[], help="another text; may contain =")
    add("--image", action="append", default=[], metavar="FILE", help="an image to search for")
    add("--minus", action="append", default=[], metavar="TEXT", help="a text to subtract")
    add("--minus-image", action="append", default=[], metavar="FILE", help="an image to subtract")
    add("--where", action="append", default=[], help="key=value, also != > >= < <= ~, or JSON")
    add("-k", type=int, default=10, help="rows to show (default: 10)")
    add("--min-score", type=float, help="lowest cosine to show")
    add("--show", action="store_true", help="draw the pictures, on a terminal")
    add("--json", action="store_true", help="print a JSON list")
    add("--html", metavar="FILE", help="write a page with thumbnails")
    add("--open", action="store_true", help="open that page in the browser")
    add("--no-daemon", action="store_true", help="search in this process and leave none behind")
    add("--stop", action="store_true", help="end the process that stays loaded; search nothing")
    return parser


if __name__ == "__main__":
    main()
