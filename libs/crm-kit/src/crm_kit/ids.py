"""Keys made here rather than by the database, so that a record knows its id before it is stored."""

from __future__ import annotations

import os
import time


def uuid7() -> str:
    """A time-ordered UUID (RFC 9562, version 7): new rows land at the end of the index."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
