"""What every step of an import works with: the suite, the progress shown, what is counted and what is listed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from crm_cli.client import Client, Json
from crm_cli.importers.base import Line, Reject
from crm_cli.importers.bulk import Stored, Tally, store
from crm_cli.settings import Wrong

BATCH = 500


class Bars:
    """One progress bar for each kind of record."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int) -> Callable[[int], None]:
        """A new bar, and the function that moves it on."""
        task = self._progress.add_task(what, total=total)
        return lambda count: self._progress.advance(task, count)


@dataclass(slots=True)
class Run:
    """One import from its first row to its report."""

    client: Client
    bars: Bars
    tally: Tally = field(default_factory=Tally)
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the person should know about decisions that the data left open."""

    def send(self, what: str, path: str, name: str, rows: Sequence[Json], *, also: Json | None = None) -> list[Stored]:
        """Sends rows in batches; nothing is counted yet, for some are sent twice."""
        move = self.bars.begin(what, len(rows))
        stored: list[Stored] = []
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            stored += store(self.client, path, name, batch, also=also)
            move(len(batch))
        return stored

    @staticmethod
    def must(stored: Sequence[Stored], names: Iterable[str]) -> None:
        """For what everything else stands on: without it there is no use in going on."""
        for name, one in zip(names, stored, strict=True):
            if one.outcome == "failed":
                raise Wrong(f"{name} was refused: {one.reason}.")

    def count(self, kind: str, stored: Sequence[Stored], lines: Sequence[Line] = ()) -> None:
        """Counts outcomes, and lists the rows of a file that were refused."""
        self.tally.add(kind, stored)
        failed = [(line, one.reason) for line, one in zip(lines, stored, strict=False) if one.outcome == "failed"]
        self.rejects += [Reject(line, reason) for line, reason in failed]

    def reject(self, kind: str, rejects: Sequence[Reject]) -> None:
        """Rows that are not sent at all."""
        if rejects:
            self.tally.fail(kind, len(rejects))
            self.rejects += rejects
