"""``python -m clipvec.photos.child MODULE ...``: runs a module that ends with its parent.

The parent keeps stdin open, and passes on the signals that it gets.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys

from clipvec import process


def main() -> None:
    """Run the module that the first argument names, as ``python -m`` does."""
    process.when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
