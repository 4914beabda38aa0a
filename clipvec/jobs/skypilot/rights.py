"""Whether buckets can be written to, before machines are paid for that find out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import locations
from clipvec.errors import ConfigError, StoreError
from clipvec.store import Folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.jobs.plan import Job


def lines(jobs: Sequence[Job]) -> list[str]:
    """Return a line for each URL that jobs would write to, and this machine cannot.

    That is no reason to refuse them: their machines may have a role of their own.
    """
    targets = {
        job.visible(folder): option for job in jobs for option, folder in job.folders.items()
    }
    found = []
    for url, option in targets.items():
        try:
            if locations.local_root(url) is None:
                Folder(url).check_writable()
        except (ConfigError, StoreError) as error:
            found.append(
                f"{option}: this machine cannot write there, nor can jobs, unless their machines "
                f"have other credentials: {error}"
            )
    return found
