"""The frame of self-contained HTML pages: reports, projections, dashboards, results."""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from clipvec.web import format, palette

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True)
class PageAssets:
    """Templates, with the style sheets and scripts that they need."""

    package: str
    """Has them all in its folder ``templates``."""
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()


_SHARED = PageAssets("clipvec.web", ["page.css"], ["page.js"])


@dataclass(frozen=True)
class Script:
    """An inline script, and the hash that the page's Content-Security-Policy allows."""

    text: str
    hash: str


def environment(*packages: str, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Return the templates of some packages, with the filters of `clipvec.web.format`.

    Args:
        packages: each has its templates in a folder ``templates``.
        finalize: escapes the values in templates; None: HTML escaping.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=finalize is None,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= format.FILTERS
    return templates


def render(
    template: str,
    *assets: PageAssets,
    filters: Mapping[str, Callable[..., object]] | None = None,
    **values: Any,
) -> str:
    """Return a page; all values are escaped.

    Args:
        template: extends ``base.html``.
        assets: the page's own, besides the shared ones.
        filters: the template's own, besides those of `clipvec.web.format`.
        values: shown by the template.
    """
    every = [_SHARED, *assets]
    templates = environment(*(part.package for part in every))
    templates.filters |= filters or {}
    return templates.get_template(template).render(
        styles=[_text(part.package, name) for part in every for name in part.styles],
        scripts=[_script(part.package, name) for part in every for name in part.scripts],
        variables=palette.variables(),
        **values,
    )


def fragment(template: str, package: str, **values: Any) -> Markup:
    """Return a piece of a page from a package's template; all values are escaped."""
    from markupsafe import Markup

    return Markup(_fragments(package).get_template(template).render(**values))


@functools.cache
def _fragments(package: str) -> Environment:
    """Return the templates of a package, each of which is compiled once."""
    return environment(package, _SHARED.package)


def jpeg_url(jpeg: bytes) -> str:
    """Return an image as a ``data:`` URL, the only kind that pages allow."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _text(package: str, name: str) -> str:
    from markupsafe import Markup

    text = (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)


def _script(package: str, name: str) -> Script:
    text = _text(package, name)
    return Script(text, base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
