"""``clipvec jobs``: follow, cancel and resume sweeps.

Examples:
    clipvec jobs list
    clipvec jobs status                              # the latest sweep
    clipvec jobs wait embed-20260131-094500
    clipvec jobs logs --job 3 --follow
    clipvec jobs cancel --job 3
    clipvec jobs resume                              # restart the missing jobs

A sweep is named by its folder under data/sweeps. Only shards committed to the store count as done.
Jobs of other sweeps that work on the same shards are shown, and cancelled, with its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import Arguments, Parser, run

if TYPE_CHECKING:
    import argparse


def main() -> None:
    """Run the command."""
    arguments = parser().parse_args()
    import logging

    from clipvec.progress import TerminalHandler

    log = logging.getLogger("clipvec")
    log.setLevel(logging.INFO)
    log.addHandler(TerminalHandler())
    log.propagate = False
    run(lambda: _run(arguments))


def parser() -> Parser:
    """Return the options of the command."""
    parser = Parser("jobs", __doc__)
    parser.add_argument("--sweeps", metavar="DIR", help="folder of sweeps (default: data/sweeps)")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Arguments
    )
    commands.add_parser("list", help="list all sweeps, oldest first")
    for name, text in (
        ("status", "show each job with its id, shards and state"),
        ("wait", "wait until all jobs have ended; exit code 0 if all shards are committed"),
        ("logs", "print the log of a job"),
        ("cancel", "stop jobs; finished parts are kept"),
        ("resume", "start jobs for shards that are neither committed nor in progress"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("sweep", nargs="?", default="latest", help="default: the latest")
        if name in {"logs", "cancel"}:
            command.add_argument("--job", type=int, metavar="N", help="job number")
        if name == "logs":
            command.add_argument(
                "--follow", "-f", action="store_true", help="follow the log until the job ends"
            )
    return parser


def _run(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from clipvec import config, paths
    from clipvec.jobs import follow, launch
    from clipvec.jobs.record import Record

    config.load_env()
    root = Path(arguments.sweeps or paths.SWEEPS)
    if arguments.command == "list":
        follow.print_sweeps(root)
        return
    record = Record.find(arguments.sweep, root)
    if arguments.command == "status":
        follow.print_status(record)
    elif arguments.command == "wait":
        launch.check(launch.attach(record))
    elif arguments.command == "logs":
        follow.print_logs(record, arguments.job, follow=arguments.follow)
    elif arguments.command == "cancel":
        follow.cancel(record, arguments.job)
    else:
        launch.check(launch.resume(record))


if __name__ == "__main__":
    main()
