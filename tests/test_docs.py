"""Every command in the documentation is accepted by the program."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec.config.commands import SCHEMAS
from clipvec.jobs import __main__ as jobs
from clipvec.paths import CONF_DIR
from clipvec.photos import __main__ as photos
from clipvec.photos import run as photos_run
from clipvec.recall import __main__ as recall
from clipvec.search import __main__ as search

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HYDRA = {name: schema for name, schema in SCHEMAS.items() if name not in {"search", "serve"}}


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
    if "--help" in arguments:
        return  # tests/e2e/test_help.py runs these
    taken = import_module(f"clipvec.{command}.__main__").COMMAND.words(arguments)
    overrides = [word for word in taken if word != "-m"]
    if "-m" in arguments:  # the first value of a sweep
        overrides = [re.sub(r"^([\w.]+=[\w-]+),[\w,-]+$", r"\1", x) for x in overrides]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(command, overrides=overrides)
    assert isinstance(config.read(cfg, HYDRA[command]), HYDRA[command])


def test_scripts_in_the_documents_exist() -> None:
    for page in PAGES:
        for script in re.findall(r"\./(scripts/[\w-]+)", page.read_text()):
            assert (ROOT / script).is_file(), f"{page.name}: {script}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as scripts/docs builds it; a link to nothing is an error."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_links_are_not_broken(site: Path) -> None:
    """Those of other pages than the site's, to files and to places in the site's pages."""
    for page in (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")):
        for link, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", page.read_text()):
            assert (ROOT / link).exists(), f"{page.name}: {link}"
            if anchor:
                made = (site / Path(link).with_suffix(".html").name).read_text()
                assert f'id="{anchor}"' in made, f"{page.name}: {link}#{anchor}"


def test_links_of_the_site_stay_in_it() -> None:
    for page in PAGES[1:]:
        assert "](../" not in page.read_text(), f"{page.name}: the site has only what is in docs/"


def test_every_page_is_in_the_navigation() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    found = [name for entry in nav for value in entry.values() for name in names_in(value)]
    assert sorted(found) == sorted(page.name for page in PAGES[1:])
    home = (ROOT / "docs/README.md").read_text()
    assert [name for name in found[1:] if f"]({name})" not in home] == []


def names_in(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_site_asks_nobody_else(site: Path) -> None:
    """No font, script, style or picture comes from another server."""
    pages = [*site.glob("*.html")]
    assert len(pages) == len(PAGES)  # with 404.html, without README.md's
    for page in pages:
        loaded = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?([^\" >]+)", page.read_text()
        )
        assert loaded
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], page.name


def test_the_page_on_experiments_is_what_the_pictures_show() -> None:
    """Its commands are those of scripts/screenshots, which nobody has typed twice."""
    script = (ROOT / "scripts/screenshots").read_text()
    run = [line for line in script.splitlines() if line.startswith("clipvec ")]
    assert [
        " ".join(["clipvec", *map(str, words)])
        for page, words in commands()
        if page == "experiments.md"
    ] == run


def test_api_page() -> None:
    made = runpy.run_path(str(ROOT / "scripts/make_api_docs.py"))
    assert made["page"]() == made["PAGE"].read_text(), "run: python scripts/make_api_docs.py"
