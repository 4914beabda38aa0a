"""Every command in the documentation is accepted by the program."""

from __future__ import annotations

import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec.config.commands import SCHEMAS
from clipvec.delete import __main__ as delete
from clipvec.deploy import __main__ as deploy
from clipvec.jobs import __main__ as jobs
from clipvec.paths import CONF_DIR
from clipvec.photos import __main__ as photos
from clipvec.photos import run as photos_run
from clipvec.recall import __main__ as recall
from clipvec.search import __main__ as search

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HYDRA = {name: schema for name, schema in SCHEMAS.items() if name not in {"search", "serve"}}
FLAGS = {
    "--dry-run": "dry_run=true",
    "--forever": "forever=true",
    "--rebuild": "rebuild=true",
    "--local": "local=true",
    "--store-only": "store_only=true",
    **deploy.ACTIONS,
}


def commands() -> list[tuple[str, list[str]]]:
    """Return each clipvec command in documents, help texts and scripts, and where it is."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        for block in re.findall(r"```(?:bash|console)\n(.*?)```", page.read_text(), re.DOTALL):
            found += [(page.name, line) for line in block.splitlines()]
    for app in HYDRA:
        about = import_module(f"clipvec.{app}.__main__").__doc__ or ""
        found += [(f"{app} --help", line) for line in about.splitlines()]
    found += [("search --help", line) for line in search.parser().format_help().splitlines()]
    found += [("photos --help", line) for line in photos.parser().format_help().splitlines()]
    found += [("jobs --help", line) for line in jobs.parser().format_help().splitlines()]
    found += [("scripts/demo", line) for line in (ROOT / "scripts/demo").read_text().splitlines()]
    return [(where, words) for where, line in found if (words := words_of(line))]


def words_of(line: str) -> list[str]:
    """Return the words of a line that runs a clipvec command; empty for other lines."""
    line = line.strip().removeprefix("$ ").removeprefix("show ")
    if not line.startswith("clipvec "):
        return []
    words = shlex.split(line, comments=True)[1:]
    return [] if words[0].endswith(":") else words


def test_there_are_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize(("page", "words"), commands(), ids=str)
def test_command_is_accepted(page: str, words: list[str]) -> None:
    command, arguments = words[0], words[1:]
    if command == "search":
        search.parser().parse_intermixed_args(arguments)
        return
    if command == "jobs":
        jobs.parser().parse_args(arguments)
        return
    if command == "photos":
        given = photos.parser().parse_intermixed_args(arguments)
        for each, words in photos_run.overrides(str(ROOT), given.options).items():
            config.check_overrides(each, words)
        return
    if [command, *arguments[:1]] == ["recall", "compare"]:
        recall.comparing().parse_args(arguments[1:])
        return
    if {"--help", "-sc"} & set(arguments):
        return  # tests/e2e/test_help.py runs these
    if command == "delete":
        arguments = delete.COMMAND.words(arguments)
    overrides = [FLAGS.get(x, x) for x in arguments if x != "-m"]
    if "-m" in arguments:  # the first value of a sweep
        overrides = [re.sub(r"^([\w.]+=[\w-]+),[\w,-]+$", r"\1", x) for x in overrides]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(command, overrides=overrides)
    assert isinstance(config.read(cfg, HYDRA[command]), HYDRA[command])


def test_scripts_in_the_documents_exist() -> None:
    for page in PAGES:
        for script in re.findall(r"\./(scripts/[\w-]+)", page.read_text()):
            assert (ROOT / script).is_file(), f"{page.name}: {script}"


def test_links_are_not_broken() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_api_page() -> None:
    made = runpy.run_path(str(ROOT / "scripts/make_api_docs.py"))
    assert made["page"]() == made["PAGE"].read_text(), "run: python scripts/make_api_docs.py"
