"""Which names this service answers to.

A page elsewhere may let its own name point to this machine, and would then be one with the service
in the eyes of a browser (DNS rebinding). It cannot do so under an address, nor with the key.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from fastapi import HTTPException

from clipvec.service.limits import key_is_set, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send


_PROBES = {"/readyz"}
"""Paths that are asked for by any name, and tell nothing that a page could not know."""

_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:@/]+))(?::\d*)?")


class HostCheck:
    """Refuses requests for another host than localhost, this machine, an address, or ``allowed``.

    Args:
        app: the application.
        allowed: further names; ``*`` is any.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        names = ("localhost", socket.gethostname(), *allowed)
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is for another host."""
        if scope["type"] == "http" and not self._serves(scope):
            reason = (
                "the Host header names none that is served here; whoever runs the service adds it: "
                "allowed_hosts=[name] in CLIPVEC_SERVE"
            )
            await refuse(scope, receive, send, HTTPException(421, reason), 0)
            return
        await self._app(scope, receive, send)

    def _serves(self, scope: Scope) -> bool:
        if "*" in self._names or key_is_set() or scope["path"] in _PROBES:
            return True
        given = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
        if not given:
            return True  # HTTP/1.0; no browser
        name = _without_port(given[0]).lower().rstrip(".")
        return name in self._names or name.endswith(".localhost") or _is_address(name)


def _without_port(host: str) -> str:
    """Return the name or address in a Host header; empty: it is none."""
    found = _HOST.fullmatch(host)
    return found[1] or found[2] if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
