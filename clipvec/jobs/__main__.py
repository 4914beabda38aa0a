"""``python -m clipvec.jobs``: what became of a sweep, and what to do about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clipvec.cli import VersionOption, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.jobs.backend import Status
    from clipvec.jobs.record import Record

_EXAMPLES = """examples
  python -m clipvec.jobs list
  python -m clipvec.jobs status                              # of the latest sweep
  python -m clipvec.jobs wait embed-20260131-094500
  python -m clipvec.jobs logs --job 3 --follow
  python -m clipvec.jobs cancel --job 3
  python -m clipvec.jobs resume                              # start again what is missing

A sweep is named by its folder under data/sweeps. What counts as done is what the store holds.
"""


def main() -> None:
    """Run the command."""
    arguments = parser().parse_args()
    import logging

    from clipvec.progress import TerminalHandler

    log = logging.getLogger("clipvec")
    log.setLevel(logging.INFO)
    log.addHandler(TerminalHandler())
    log.propagate = False
    run(lambda: _COMMANDS[arguments.command](arguments))


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(
        prog="clipvec-jobs",
        description="Follow and steer sweeps that python -m clipvec.embed -m ... started.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=VersionOption)
    parser.add_argument("--sweeps", metavar="DIR", help="where sweeps are (default: data/sweeps)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="all sweeps, the oldest first")
    for name, text in (
        ("status", "each job with its id, shards and state"),
        ("wait", "wait until all jobs have ended; exit code 0 when all shards are committed"),
        ("logs", "the log of a job"),
        ("cancel", "stop jobs; finished parts are kept"),
        ("resume", "start again what is not committed and not under way"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("sweep", nargs="?", default="latest", help="default: the latest")
        if name in {"logs", "cancel"}:
            command.add_argument("--job", type=int, metavar="N", help="number of the job")
        if name == "logs":
            command.add_argument("--follow", "-f", action="store_true", help="until the job ends")
    return parser


def _find(arguments: argparse.Namespace) -> Record:
    from pathlib import Path

    from clipvec import config, paths
    from clipvec.jobs.record import Record

    config.load_env()
    return Record.find(arguments.sweep, Path(arguments.sweeps or paths.SWEEPS))


def _list(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from clipvec import paths
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.record import Record, folders

    table = Table(box=None, pad_edge=False)
    for name in ("sweep", "on", "jobs", "started", "committed"):
        table.add_column(name, justify="left" if name in {"sweep", "on"} else "right")
    for folder in folders(Path(arguments.sweeps or paths.SWEEPS)):
        record = Record.open(folder)
        sweep, progress = record.sweep, StoreProgress(record.sweep.jobs)
        done = f"{progress.committed:,} of {progress.wanted:,} shards" if progress.wanted else "-"
        started = str(len(record.started()))
        table.add_row(sweep.name, sweep.launcher.kind, str(len(sweep.jobs)), started, done)
    Console().print(table)


def _status(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from clipvec.jobs.watch import table

    record = _find(arguments)
    ids, statuses = _ids(record), _statuses(record)
    jobs = record.sweep.jobs
    rows = [(job, ids.get(job.number, ""), statuses[job.number]) for job in jobs]
    Console().print(table(rows))


def _statuses(record: Record) -> dict[int, Status]:
    """Return how each job stands; one that was never started is pending unless committed."""
    from clipvec.jobs.backend import State, Status
    from clipvec.jobs.launch import backend
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.watch import poll

    progress = StoreProgress(record.sweep.jobs)
    running = record.started()
    polled = poll(running, backend(record.sweep), progress)
    found = {s.job.number: status for s, status in zip(running, polled, strict=True)}
    unknown = Status(State.PENDING, "not started")
    return {
        job.number: found.get(job.number, progress.reconcile(job, unknown))
        for job in record.sweep.jobs
    }


def _wait(arguments: argparse.Namespace) -> None:
    from clipvec.jobs import launch

    launch.check(launch.attach(_find(arguments)))


def _resume(arguments: argparse.Namespace) -> None:
    from clipvec.jobs import launch

    launch.check(launch.resume(_find(arguments)))


def _logs(arguments: argparse.Namespace) -> None:
    from clipvec.jobs.launch import backend

    record = _find(arguments)
    for job, id_ in _chosen(record, arguments.job).items():
        if arguments.job is None:
            print(f"== job {job}")
        runs = backend(record.sweep)
        for line in runs.logs(record, job, id_, follow=arguments.follow):
            print(line.rstrip("\n"), flush=True)


def _cancel(arguments: argparse.Namespace) -> None:
    from clipvec.jobs.launch import backend
    from clipvec.progress import counted

    record = _find(arguments)
    chosen = _chosen(record, arguments.job)
    runs = backend(record.sweep)
    ended = {job for job, s in runs.poll(record, chosen).items() if s.state.ended}
    alive = {job: id_ for job, id_ in chosen.items() if job not in ended}
    runs.cancel(record, alive)
    print(f"{counted(len(alive), 'job')} of {record.sweep.name} cancelled, {len(ended)} had ended")


def _ids(record: Record) -> dict[int, str]:
    return {s.job.number: s.id for s in record.started()}


def _chosen(record: Record, job: int | None) -> Mapping[int, str]:
    """Return the ids of one job, or of all that were started."""
    from clipvec import shards
    from clipvec.errors import ConfigError

    ids = _ids(record)
    if job is None:
        return ids
    if job not in ids:
        raise ConfigError(
            f"--job {job}: sweep {record.sweep.name} started jobs {shards.format(ids) or 'none'}"
        )
    return {job: ids[job]}


_COMMANDS = {
    "list": _list,
    "status": _status,
    "wait": _wait,
    "logs": _logs,
    "cancel": _cancel,
    "resume": _resume,
}

if __name__ == "__main__":
    main()
