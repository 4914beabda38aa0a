"""``clipvec photos``: search your own photos: embed a folder, index it, and open its page.

Examples:
    clipvec photos ~/Pictures
    clipvec photos ~/Pictures model=sample      # a small model that needs no hub
    clipvec photos ~/Pictures --no-serve        # only take up what is new, changed or gone
    clipvec photos "/mnt/nas/Tom's photos [2020]" --port 8000 --no-open

Any folder as your shell completes it. Run it again after taking photos: it does what is missing, in
seconds. The options behind the folder are those of embed, index and bentoml serve.
"""

from __future__ import annotations

from clipvec.cli import Parser, run


def main() -> None:
    """Run the command."""
    arguments = parser().parse_intermixed_args()

    def photos() -> None:
        from clipvec.photos.run import show_photos

        show_photos(arguments)

    run(photos, resumes=True)


def parser() -> Parser:
    """Return the options of the command."""
    parser = Parser("photos", __doc__)
    add = parser.add_argument
    add("folder", nargs="?", metavar="FOLDER", help="photos, in it and in its subfolders")
    add("options", nargs="*", metavar="key=value", help="options of embed, index and serve")
    add("--port", type=int, help="port of the page (default: 3000, or the next that is free)")
    add("--no-open", action="store_true", help="do not open the page in the browser")
    add("--no-serve", action="store_true", help="stop when the photos can be searched")
    return parser


if __name__ == "__main__":
    main()
