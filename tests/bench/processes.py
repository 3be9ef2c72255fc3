"""What processes use, from /proc: CPU seconds and proportional memory, by what each one is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One running process of the suite, under the name of the child of `crm up` that it belongs to."""

    pid: int
    name: str

    def cpu(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def pss(self) -> float:
        """MiB, with what is shared divided among those who share it."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        raise LookupError("no Pss")


def below(pid: int, name: str) -> list[Process]:
    """A process and all its children."""
    found = [Process(pid, name)]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += below(int(child), name)
    return found


def cpu_by_name(processes: list[Process]) -> dict[str, float]:
    """CPU seconds of each name."""
    spent: dict[str, float] = {}
    for process in processes:
        spent[process.name] = spent.get(process.name, 0.0) + process.cpu()
    return spent
