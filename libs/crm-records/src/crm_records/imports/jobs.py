"""An import's jobs: reading, dry run and storing are one kind, told apart by `phase`."""

from __future__ import annotations

from sqlalchemy import update

from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import images
from crm_records.imports import going_on, reading, trying
from crm_records.imports.tables import CANCELLED, CHECKING, FAILED, READING, READY, record_import
from crm_records.registry import Registry

IMPORT = "import"
READ, CHECK, STORE = "read", "check", "store"


def kinds_of_jobs(registry: Registry) -> list[Kind]:
    """The jobs of a service some of whose records can be imported."""
    if not any(r.import_keys for r in registry.records.values()):
        return []
    return [Kind(IMPORT, ("导入", "Import"), lambda call, job: _step(call, registry, job), ended=_ended)]


def _step(call: Call, registry: Registry, job: Job) -> Step:
    record = registry.records[job.record_type]
    return reading.step(call, record, job) if job.parameters["phase"] == READ else trying.step(call, record, job)


def _ended(call: Call, job: Job, how: str) -> None:
    """A file that cannot be read is a failed import; a dry run that ends early can be begun again."""
    phase, import_id = job.parameters["phase"], job.parameters["import"]
    reading.close(import_id)
    state = READY if phase == CHECK else FAILED if how == FAILED else CANCELLED
    found = going_on.counts_of(job)
    counts = {o: found.get(o, 0) for o in trying.OUTCOMES}
    values = {"state": state, "counts": counts, "version": record_import.c.version + 1}
    mine = record_import.c.id == import_id
    call.connection.execute(update(record_import).where(mine).values(values))
    if phase == STORE:
        images.finish(call, going_on.act_of(job))


STATES = {READ: READING, CHECK: CHECKING}
