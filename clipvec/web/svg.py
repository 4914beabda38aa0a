"""Matplotlib figures inline in an HTML page, or as files for a paper."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from clipvec import paths
from clipvec.extras import missing
from clipvec.web import palette

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from markupsafe import Markup
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_CURVE = re.compile(r"curve-(\d+)-")
_PNG_DPI = 200


@contextmanager
def drawing(fonttype: str = "none") -> Iterator[None]:
    """Make matplotlib draw in the report's style, with the same bytes for the same data.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise missing("a figure", "recall", "matplotlib") from error

    ink, muted, grid = (palette.GROUND[name][0] for name in ("ink", "muted", "grid"))
    style: Any = {
        "svg.fonttype": fonttype,
        "svg.hashsalt": "clipvec",
        "text.parse_math": False,  # names may contain dollar signs
        "font.size": 9,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": muted,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": grid,
        "grid.linewidth": 0.8,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        # Scripts that matplotlib's font lacks are boxes in the PNG, but right in the page.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        yield


def inline(figure: Figure, prefix: str, alt: str, tips: Mapping[str, str]) -> Markup:
    """Return a figure as an ``<svg>`` element that inherits fonts and colours from its page.

    Args:
        figure: drawn within `drawing`.
        prefix: makes the figure's ids unique within the page.
        alt: its text alternative.
        tips: tooltips of artists, by their gid.
    """
    from markupsafe import Markup

    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for child in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(child)
    root.attrib |= {"role": "img", "aria-label": alt}
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    for element in root.iter():
        _adopt(element, prefix, tips)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    # ElementTree escapes its contents.
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _adopt(element: ElementTree.Element, prefix: str, tips: Mapping[str, str]) -> None:
    """Fit an element into a page: unique ids, colours by variable, its tooltip and curve."""
    name = element.get("id", "")
    if tip := tips.get(name):
        element.set("data-tip", tip)
    if curve := _CURVE.match(name):
        element.set("data-curve", curve[1])
    if name == "front":
        # There is one for each run, and nothing refers to it.
        element.set("class", element.attrib.pop("id"))
    elif name:
        element.set("id", f"{prefix}-{name}")
    for key in element.attrib:
        if key.endswith("href"):
            element.set(key, f"#{prefix}-{element.attrib[key].removeprefix('#')}")
        elif key == "clip-path":
            element.set(key, element.attrib[key].replace("url(#", f"url(#{prefix}-"))
    if style := element.get("style"):
        element.set("style", _by_name(style))


def _by_name(style: str) -> str:
    for variable, (light, _) in palette.variables().items():
        style = style.replace(light, f"var(--{variable})")
    return style


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as ``figures/<name>.png`` and ``.svg``, on a white background."""
    for suffix in ("png", "svg"):
        path = folder / paths.ReportPaths.figure(name, suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if suffix == "svg" else {}
        figure.savefig(path, dpi=_PNG_DPI, facecolor="white", metadata=metadata)
