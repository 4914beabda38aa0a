"""Imports go strictly downward, through interfaces; heavy packages have one home each."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import clipvec

ROOT = Path(clipvec.__file__).parent
LEVELS = (
    ("errors", "locations"),
    (
        *("bootstrap", "exact_search", "extras", "files", "lock", "machine", "paths", "process"),
        *("progress", "shards", "vectors", "version"),
    ),
    ("config", "web"),
    ("cli", "data", "store", "tracking"),
    ("model", "projection", "retry"),
    ("embed", "index"),
    (
        *("check", "compact", "completion", "delete", "rejects"),
        *("search", "service", "recall", "jobs"),
    ),
    ("deploy", "dashboard", "evaluate", "photos"),
    ("api",),
)
"""Top-level packages and modules, lowest level first; one level's do not import each other."""
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
"""Those that are packages."""
COMMANDS = sorted(path.parent.name for path in ROOT.glob("*/__main__.py"))
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
BACKENDS = {"model/onnx": "model/load.py", "model/torch": "model/load.py"}
"""Backends and runtimes, and the module of their package that opens them."""
HOMES = {
    "torch": {"model/torch", "model/onnx/export.py"},
    "torchvision": {"model/torch"},
    "open_clip": {"model/torch", "model/onnx/tokenizer.py"},
    "onnxruntime": {"model/onnx"},
    "chromadb": {"index/chroma"},
    "faiss": {"index/faiss", "recall/systems", "exact_search.py"},
    "sky": {"jobs/skypilot/client.py"},
    "wandb": {"tracking/wandb_sdk.py"},
}
"""Where a package may be imported: folders, or a module."""


def room(module: Path) -> str:
    """Return the top-level package of a module, or the module itself."""
    return module.parts[0].removesuffix(".py")


def imports(module: Path, *, types: bool = True) -> set[tuple[str, str]]:
    """Return all imports in a module, as pairs of module and name.

    Args:
        module: relative to the package.
        types: include imports for type checkers only.
    """
    found = set()
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    checked: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            checked.update(node.body)
    for node in ast.walk(tree):
        if node in checked and not types:
            continue
        if isinstance(node, ast.Import):
            found.update((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found.update((node.module or "", alias.name) for alias in node.names)
    return found


def face(name: str) -> dict[str, str]:
    """Return the names exported by a package, and the module that each comes from."""
    offered: dict[str, str] = {}
    stub = ROOT / name / "__init__.pyi"
    for node in ast.parse(stub.read_text(encoding="utf-8")).body if stub.exists() else ():
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = node.module or alias.name
                offered[alias.name] = f"clipvec.{name}.{inner}"
    return offered


FACES = {name: face(name) for name in ROOMS}
"""Of a package without an interface, nothing is used elsewhere."""


def dotted(module: Path) -> str:
    """Return the import name of a module."""
    return ".".join(("clipvec", *module.with_suffix("").parts)).removesuffix(".__init__")


def of_clipvec(module: Path) -> set[tuple[str, str, str]]:
    """Return the package, the path in it and the name of each import from clipvec itself."""
    found = set()
    for source, name in imports(module):
        package, _, rest = source.partition(".")
        assert package != "hydra_plugins", f"{module} imports {source}"
        if package == "clipvec":
            there, _, inner = (rest or name).partition(".")
            found.add((there, inner, name if rest else ""))
    return {(there, inner, name) for there, inner, name in found if there in LEVEL}


def test_the_picture_of_the_levels() -> None:
    """CONTRIBUTING.md shows each level, highest first, with its packages in alphabetical order."""
    text = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown: dict[int, list[str]] = {}
    for number, rooms in re.findall(r"^    (\d| )  (\w+(?:  \w+)*)  ", text, re.MULTILINE):
        shown.setdefault(int(number) if number.strip() else min(shown), []).extend(rooms.split())
    assert list(shown) == sorted(shown, reverse=True)
    assert shown == {level: sorted(rooms) for level, rooms in enumerate(LEVELS)}


def test_every_package_has_a_level() -> None:
    assert {room(module) for module in MODULES} - {"__init__", "__main__"} == set(LEVEL)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_down_and_through_interfaces(module: Path) -> None:
    here = room(module)
    for there, inner, name in of_clipvec(module):
        if there == here or here in {"__init__", "__main__"}:
            continue
        assert LEVEL[there] < LEVEL[here], f"{module} imports {there}"
        assert not inner, f"{module} reaches past the face of {there} into {inner}"
        assert not name or there not in FACES or name in FACES[there], f"{there} offers no {name}"


def test_exported_names_are_used_elsewhere() -> None:
    used: dict[str, set[str]] = {name: set() for name in ROOMS}
    plugins, page = ROOT.parent / "launchers", ROOT.parent / "docs/extending.md"
    files = [*(ROOT / module for module in MODULES), *plugins.rglob("*.py")]
    code = [(path, path.read_text(encoding="utf-8")) for path in files]
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for path, text in [*code, *((page, block) for block in blocks)]:
        tree = ast.parse(text)
        rooms = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "clipvec":
                rooms |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                name = node.module.removeprefix("clipvec.")
                if name in FACES and not path.is_relative_to(ROOT / name):
                    used[name].update(alias.name for alias in node.names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = rooms.get(node.value.id, "")
                if name in FACES:
                    used[name].add(node.attr)
    assert {name: set(FACES[name]) - used[name] for name in ROOMS} == {
        name: set() for name in ROOMS
    }


@pytest.mark.parametrize("name", ROOMS)
def test_interfaces(name: str) -> None:
    package = importlib.import_module(f"clipvec.{name}")
    assert sorted(getattr(package, "__all__", ())) == sorted(FACES[name])
    for offered, module in FACES[name].items():
        inner = importlib.import_module(module)
        if module == f"clipvec.{name}.{offered}":
            assert getattr(package, offered) is inner
        else:
            # Once imported, a submodule would shadow a name equal to its own.
            assert not (ROOT / name / offered).with_suffix(".py").exists(), offered
            assert getattr(package, offered) is getattr(inner, offered)


def test_homes_are_looked_up_in_one_place() -> None:
    """`Path.expanduser` raises where nobody has the name."""
    found = [m for m in MODULES if "expanduser" in (ROOT / m).read_text(encoding="utf-8")]
    assert found == [Path("locations.py")]


def test_no_circular_imports() -> None:
    graph = {}
    names = {dotted(module): module for module in MODULES}
    for name, module in names.items():
        needed = set()
        for source, imported in imports(module, types=False):
            parts = source.split(".")
            if parts[0] != "clipvec":
                continue
            if len(parts) == 2 and parts[1] in FACES and imported in FACES[parts[1]]:
                needed.add(FACES[parts[1]][imported])
            elif (
                (ROOT.parent / f"{source}.{imported}".replace(".", "/")).with_suffix(".py").exists()
            ):
                needed.add(f"{source}.{imported}")
            else:
                needed.add(source)
        graph[name] = needed
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_heavy_packages_have_one_home_each(module: Path) -> None:
    packages = {source.split(".")[0] for source, _ in imports(module)}
    for package in packages & set(HOMES):
        homes = HOMES[package]
        assert any(module.is_relative_to(home) for home in homes), f"{module} imports {package}"


def test_a_backend_is_imported_in_one_place() -> None:
    for module in MODULES:
        for there, inner, name in of_clipvec(module):
            path = "/".join([there, *(inner or name).split(".")[:1]])
            if path in BACKENDS and str(module) != "model/onnx/export.py":  # from torch to ONNX
                allowed = module.is_relative_to(path) or str(module) == BACKENDS[path]
                assert allowed, f"{module} imports {path}"


@pytest.mark.parametrize("command", COMMANDS)
def test_entry_points_and_help_are_light(command: str) -> None:
    code = (
        "import contextlib, io, sys\n"
        f"from clipvec.{command}.__main__ import main\n"
        "print(*sys.modules)\n"
        "sys.argv[1:] = ['--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    start, after = ({n.partition(".")[0] for n in x.split()} for x in done.stdout.splitlines())
    heavy = {*HOMES, *("bentoml", "datasets", "fsspec", "httpx", "numpy", "pandas", "PIL")}
    heavy |= {"pyarrow", "requests", "rich", "scipy"}
    assert heavy & after == set()
    assert {*heavy, "hydra", "pydantic"} & start == set()
