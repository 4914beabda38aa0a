"""How every command runs: its output, its exit code, and what it leaves unchanged."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException
from omegaconf import DictConfig

from clipvec import version
from clipvec.cli import HydraCommand
from clipvec.config import IndexCommandConfig, read_command
from clipvec.config.commands import SCHEMAS
from clipvec.errors import ConfigError, StoreError

Start = Callable[..., None]
Task = Callable[[DictConfig], None]


def ignore(cfg: DictConfig) -> None:
    """A task that does nothing."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run ``clipvec-embed`` in a folder of its own, with a different task."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def start(*arguments: str, task: Task = ignore) -> None:
        monkeypatch.setattr(sys, "argv", ["clipvec-embed", *arguments])
        flags = dict.fromkeys(("--now", "--rebuild", "now"), "shards=3")
        about = "``embed``: images in"
        HydraCommand("embed", task, about, flags, subcommands=["compare"]).main()

    return start


def test_the_task_gets_the_configuration(start: Start) -> None:
    seen: list[DictConfig] = []
    start("model=sample", "--now", task=seen.append)
    assert [(cfg.model.arch, cfg.shards) for cfg in seen] == [("sample", 3)]
    assert sys.argv == ["clipvec-embed", "model=sample", "--now"]
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_reader_that_has_read_enough(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as ended:
            start(task=lambda cfg: print("enough", flush=True))
    assert (ended.value.code, capfd.readouterr().err) == (0, "")


def test_another_pipe_that_breaks(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    def write(cfg: DictConfig) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(SystemExit) as ended:
        start(task=write)
    assert ended.value.code == 1
    assert capfd.readouterr().err == (
        "error: [Errno 32] Broken pipe: a process or a server that this command writes to has "
        "gone; run it again\n"
    )


def test_paths_are_taken_as_a_shell_completes_them(start: Start) -> None:
    seen: list[DictConfig] = []
    typed = "/mnt/Tom's photos [2020] (a=b), {c}"
    start("dataset=folder", f"dataset.path={typed}", "store.root=my store", task=seen.append)
    start("dataset=parquet", "dataset.path=['/a,b','/c']", task=seen.append)
    start("-m", "dataset=folder", "dataset.path=/a,/b", task=seen.append)
    assert [cfg.dataset.path for cfg in seen] == [typed, ["/a,b", "/c"], "/a", "/b"]
    assert seen[0].store.root == "my store"


def test_a_variable_in_a_path_is_looked_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "birds")
    seen: list[DictConfig] = []
    start("store.root=/scratch/${oc.env:TEAM}", task=seen.append)
    assert seen[0].store.root == "/scratch/birds"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["batch_sise=3"], "batch_sise is not an option here; did you mean batch_size?"),
        (["modle=sample"], "modle is not an option here; did you mean model?"),
        (
            ["-m", "model=sampl"],
            "model=sampl: no such option; did you mean sample? There are ",
        ),
        (["--help", "modle=3"], "modle is not an option here; did you mean model?"),
        (["model=null"], "a group takes one of its options, and neither null nor a number"),
        (
            ["launcher=sky", "shards=0-3"],
            "launcher=sky starts sweeps, which -m asks for: "
            "clipvec embed -m launcher=sky shards=0-3",
        ),
        (["-m", "launcher=sky,workers"], "launcher=sky,workers: a sweep has one launcher; start"),
        (["/my/photos"], "/my/photos is no option: those are written key=value, without blanks;"),
        (["model=sample", "/my"], "/my is no option: those are written key=value, without blanks;"),
        (
            ["dataset=folder", "dataset.path=/my", "pictures"],
            "pictures is no option: those are written key=value; if it belongs to the value of "
            "dataset.path, put that in quotes: 'dataset.path=... pictures'",
        ),
        (
            ["--shards", "3"],
            "--shards is not a flag here; options are written key=value, as in sh",
        ),
        (["--rebiuld"], "--rebiuld is not a flag here; did you mean --rebuild?"),
        (["--hepl"], "--hepl is not a flag here; did you mean --help?"),
        (["--multi"], "--multi is not a flag here; did you mean --multirun?"),
        (["--hel"], "--hel is not a flag here; did you mean --help?"),
        (["--rebuild=yes"], "--rebuild=yes: --rebuild takes no value; write it alone"),
        (["comapre", "a"], "comapre is not a word here; did you mean compare?"),
        (["onw"], "onw is not a word here; did you mean now?"),
        (
            ["launcher.dry_run=true"],
            "launcher.dry_run is not an option here; it is one of launcher=sky or "
            "launcher=workers, which -m starts\n",
        ),
        (["--cfg"], "argument --cfg/-c: expected one argument; --hydra-help explains Hydra's fl"),
        (["shards=[0"], "cannot parse shards=[0; quote a value with ~ { } = , or spaces"),
    ],
    ids=str,
)
def test_an_error_is_one_line(
    start: Start, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(*arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {line}")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "arguments", "line"),
    [
        ("jobs", ["stauts"], "no such command: stauts; did you mean status?"),
        ("completion", ["zhs"], "no such shell: zhs; did you mean zsh?"),
        ("jobs", [], "the following arguments are required: COMMAND; clipvec jobs --help explains"),
        ("jobs", ["logs", "--jbo"], "--jbo: not an option here; did you mean --job?"),
        ("jobs", ["--hepl"], "--hepl: not an option here; did you mean --help?"),
        ("jobs", ["logs", "--foll"], "--foll: not an option here; did you mean --follow?"),
        ("search", ["--wher", "a"], "--wher: not an option here; did you mean --where?"),
        (
            "search",
            ["-k", "x"],
            "argument -k: invalid int value: 'x'; clipvec search --help explai",
        ),
        (
            "recall",
            ["compare"],
            "the following arguments are required: REPORT; clipvec recall comp",
        ),
    ],
    ids=str,
)
def test_a_refused_flag_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    arguments: list[str],
    line: str,
) -> None:
    monkeypatch.setattr(sys, "argv", [f"clipvec-{command}", *arguments])
    with pytest.raises(SystemExit) as ended:
        import_module(f"clipvec.{command}.__main__").main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {line}")
    assert printed.count("\n") == 1


def test_a_path_that_the_shell_cut(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it's my = photos").mkdir()
    with pytest.raises(SystemExit) as ended:
        start("dataset=folder", "dataset.path=it's", "my", "=", "photos", "--cfg", "job")
    assert ended.value.code == 2
    meant = "clipvec embed dataset=folder 'dataset.path=it'\"'\"'s my = photos' --cfg job"
    assert capsys.readouterr().err == (
        f"error: it's my = photos has blanks in it, which end a word; put it in quotes: {meant}\n"
    )


@pytest.mark.parametrize("command", ["photos ~no-such-user", "search red index.path=~no-such-user"])
def test_a_home_that_nobody_has_is_a_name(tmp_path: Path, command: str) -> None:
    done = clipvec(*command.split(), cwd=tmp_path)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "~no-such-user" in done.stderr


def test_words_that_are_no_path_are_not_looked_up(start: Start) -> None:
    with pytest.raises(SystemExit) as ended:
        start("~dataset.limit", "~no-such-user", "x" * 5000)
    assert ended.value.code == 2


def test_an_error_of_the_task_does_not_stop_a_sweep(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def fail(cfg: DictConfig) -> None:
        seen.append(cfg.batch_size)
        raise StoreError(f"no store\nfor {cfg.batch_size}")

    with pytest.raises(SystemExit) as ended:
        start("-m", "batch_size=1,2", task=fail)
    assert (ended.value.code, seen) == (1, [1, 2])
    assert capsys.readouterr().err == "error: no store for 1\nerror: no store for 2\n"


def test_a_bug_keeps_its_traceback(start: Start) -> None:
    def bug(cfg: DictConfig) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        start(task=bug)
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_tracebacks_on_demand(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(cfg: DictConfig) -> None:
        raise ConfigError("no")

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError, match="no"):
        start(task=fail)
    with pytest.raises(MissingConfigException):
        start("model=nope")
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_the_job_has_the_tasks_module(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    import hydra

    seen = []
    monkeypatch.setattr(hydra, "main", lambda **_: lambda job: lambda: seen.append(job.__module__))
    start()
    assert seen == [__name__]


def test_help_and_version(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start("--help", "dataset=folder")
    said = capsys.readouterr().out
    assert said.startswith("embed: images in\n\nConfig groups")
    assert "dataset.manifest" in said
    start("--version")
    assert capsys.readouterr().out == f"clipvec {version.version()}\n"


def clipvec(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python -m clipvec``."""
    command = [sys.executable, "-m", "clipvec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_commands_are_listed() -> None:
    listed = clipvec().stdout
    for name in [*SCHEMAS, "jobs"]:
        assert f"\n  {name} " in listed or name == "serve"
    assert "  embed      embed the shards of a dataset into a Parquet store.\n" in listed


@pytest.mark.parametrize("command", [(), ("embed",), ("search",), ("jobs",)], ids=str)
def test_every_command_has_the_version(command: tuple[str, ...]) -> None:
    assert clipvec(*command, "--version").stdout == f"clipvec {version.version()}\n"


@pytest.mark.parametrize(("typed", "meant"), [("embd", "embed"), ("--hepl", "--help")])
def test_a_misspelt_command(typed: str, meant: str) -> None:
    done = clipvec(typed, "model=sample")
    said = f"error: no such command: {typed}; did you mean {meant}?\n"
    assert (done.returncode, done.stderr) == (2, said)


SECRET = "dataset.path='https://me:hunter2@host/a.tar'"


@pytest.mark.parametrize(
    "arguments",
    [
        [SECRET],
        ["-m", "shards=0,1", SECRET],
        ["dataset.path='https://host/a.tar?X-Amz-Date=1&X-Amz-Signature=hunter2'"],
        ["dataset.path='https://host/a.tar?id=hunter2hunter2hunter2'"],
        ["store.root='s3://KEY:hunter2@bucket/stores'"],
        ["dataset.path='https://hunter2@huggingface.co/a.tar'"],
    ],
)
def test_a_secret_in_a_url_is_not_written(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        start(*arguments, "dataset=webdataset")
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "dataset.path='${oc.env:DATASET_URL}'" in error
    assert "hunter2" not in error
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_secret_of_the_environment_is_written_as_its_name(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATASET_URL", "https://me:hunter2@host/a.tar?download=1&sig=hunter2")

    def task(cfg: DictConfig) -> None:
        assert "hunter2" in cfg.dataset.path
        logging.getLogger("other").warning("cannot read %s", cfg.dataset.path)
        logging.shutdown()

    start("dataset=webdataset", "dataset.path='${oc.env:DATASET_URL}'", task=task)
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("cannot read https://host/a.tar\n" in text for text in written)
    assert any("${oc.env:DATASET_URL}" in text for text in written)
    assert not any("hunter2" in text for text in written)


@pytest.mark.parametrize("option", ["store.root", "index.path"])
def test_a_place_that_is_shown_has_no_secret(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv("PLACE", "s3://KEY:hunter2@bucket/x")
    with pytest.raises(ConfigError, match=f"{option}.*put the credentials into the env") as raised:
        read_command("index", [f"{option}='${{oc.env:PLACE}}'"], IndexCommandConfig)
    assert "hunter2" not in str(raised.value)


def test_a_query_without_a_secret_is_taken(start: Start) -> None:
    start("dataset=webdataset", "dataset.path='https://host/a.tar?download=1'")
