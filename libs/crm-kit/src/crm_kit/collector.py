"""Python's garbage collector, set for a server: it looks for rings of objects, which are few here."""

from __future__ import annotations

import gc


def settle() -> None:
    """Take what lives as long as the process out of the collector's sight, and let it look less often.

    To be called when a process has loaded what it needs. Rings apart, objects go by themselves; looking for those
    every 700 new ones took an eighth of the time of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 25, 10)
