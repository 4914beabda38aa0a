"""The frame of an HTML page that asks the network for nothing: reports, maps, dashboards."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from clipvec.web import format, palette

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Part:
    """Templates, and the style sheets and scripts that they want on their page."""

    package: str
    """Has them all in a folder ``templates``."""
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()


_SHARED = Part("clipvec.web", ["page.css"], ["page.js"])


@dataclass(frozen=True)
class Script:
    """A script within a page, and what its page allows it by."""

    text: str
    hash: str


def render(
    template: str,
    *parts: Part,
    filters: Mapping[str, Callable[..., object]] | None = None,
    **values: Any,
) -> str:
    """Return a page; whatever its template is given is escaped.

    Args:
        template: extends ``base.html``.
        parts: what the page has besides what all have.
        filters: what the template uses besides `clipvec.web.format`.
        values: what the template shows.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    every = [_SHARED, *parts]
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(part.package) for part in every]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= format.FILTERS
    templates.filters |= filters or {}
    return templates.get_template(template).render(
        styles=[_asset(part.package, name) for part in every for name in part.styles],
        scripts=[_script(part.package, name) for part in every for name in part.scripts],
        variables=palette.variables(),
        **values,
    )


def jpeg_url(jpeg: bytes) -> str:
    """Return a picture as a URL that holds it, which is what a page may show."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _asset(package: str, name: str) -> str:
    from markupsafe import Markup

    text = (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)


def _script(package: str, name: str) -> Script:
    text = _asset(package, name)
    return Script(text, base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
