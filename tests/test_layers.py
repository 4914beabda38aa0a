"""Imports go strictly downward; heavy packages are imported where they are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import clipvec

ROOT = Path(clipvec.__file__).parent
LEVELS = {
    "errors": 0,
    "code": 1,
    "machine": 1,
    "shards": 1,
    "paths": 1,
    "progress": 1,
    "config": 2,
    "measures": 2,
    "advice": 3,
    "data": 3,
    "model": 3,
    "store": 3,
    "tracking": 3,
    "app": 4,
    "embedding": 4,
    "exact": 4,
    "vectors": 4,
    "report": 4,
    "sweeps": 4,
    "contest": 5,
    "maps": 5,
    "service": 5,
    "benchmark": 6,
    "board": 6,
    "dashboard": 7,
    "deploy": 7,
    "embed": 7,
    "index": 7,
    "jobs": 7,
    "recall": 7,
    "search": 7,
}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
TORCH_ONLY_IN = "model"


def room(module: Path) -> str:
    """Return the top-level room of a module: its package, or itself."""
    return module.parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """Return the full names that a module imports, wherever in its code."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_every_room_has_a_level() -> None:
    assert {room(module) for module in MODULES} - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_down(module: Path) -> None:
    here = room(module)
    for name in imported(module):
        package, _, rest = name.partition(".")
        assert package != "hydra_plugins", f"{module} imports {name}"
        there = rest.split(".")[0]
        if package != "clipvec" or there in {"", here, "__version__"}:
            continue
        assert LEVELS[there] < LEVELS[here], f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_torch_is_only_in_model(module: Path) -> None:
    if room(module) != TORCH_ONLY_IN:
        packages = {name.split(".")[0] for name in imported(module)}
        assert not packages & {"torch", "open_clip", "torchvision"}


@pytest.mark.parametrize(
    "command", ["dashboard", "deploy", "embed", "index", "jobs", "recall", "search"]
)
def test_entry_points_are_light(command: str) -> None:
    code = (
        f"import sys, clipvec.{command}\n"
        "heavy = {'torch', 'pyarrow', 'chromadb', 'hydra', 'PIL', 'numpy', 'pydantic', 'rich'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
