"""Python's garbage collector, told what a server keeps."""

from __future__ import annotations

import gc


def settle() -> None:
    """Take what lives as long as the process out of the collector's sight.

    To be called when a process has loaded what it needs: some hundred thousand objects, which the collector would look
    through again and again while it searches the new ones for rings. That took an eighth of the time of an import.
    """
    gc.collect()
    gc.freeze()
