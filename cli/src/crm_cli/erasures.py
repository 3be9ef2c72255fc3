"""`crm erasures`: the list of who was erased, kept beside the backups, and doing it again after a restore."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from crm_cli.client import Client, Json, Refused
from crm_cli.importers.options import Options, signs_in
from crm_cli.settings import Wrong

LOOK = 0.5
A_DAY = 24 * 3600
NEEDED = ("subjectType", "subjectId", "reason", "requestedBy")
KEPT = ("number", *NEEDED, "startTime", "finishTime")
REQUESTS = "/v1/privacy-requests"


@click.group()
def erasures() -> None:
    """Erasures of persons: list them, and carry them out again after a restore."""


@erasures.command("list")
@signs_in
def list_(options: Options) -> None:
    """Print every erasure that was started, a line of JSON each: keep them apart from the backups."""
    client = _client(options)
    for listed in started(client):
        one = client.get(f"{REQUESTS}/{listed['id']}")
        click.echo(json.dumps({name: one[name] for name in KEPT if name in one}, ensure_ascii=False))


@erasures.command()
@click.option("--file", type=click.Path(path_type=Path), help="Lines of `crm erasures list`, newer than the backup.")
@signs_in
def again(file: Path | None, options: Options) -> None:
    """Carry out every erasure again; exit code 1 and the reason where one could not be."""
    sys.exit(carry_out(_client(options), _lines(file) if file else [], click.echo))


def started(client: Client) -> list[Json]:
    """Erasures that the suite knows and that were more than a preview."""
    found = client.all(REQUESTS, "privacyRequests", filter="kind=erasure", orderBy="create_time")
    return [one for one in found if one["state"] != "preview"]


def carry_out(client: Client, lines: Iterable[Json], say: Callable[[str], None]) -> int:
    """All that the suite knows, and those of the lines that it does not; the exit code."""
    known = started(client)
    there = {_subject(one) for one in known}
    under_way, failed = [], 0
    for one in [*known, *(line for line in lines if _subject(line) not in there)]:
        try:
            under_way.append(_repeat(client, one) if "id" in one else _anew(client, one))
        except Refused as refusal:
            failed += 1
            say(f"{one['subjectType']} {one['subjectId']}: {refusal}.")
    for request_id in under_way:
        done = _until(client, request_id, lambda one: one["state"] == "done")
        problems = {p["problem"] for p in done.get("parts", []) if p.get("problem")}
        say(f"{done['number']}: {done['subjectType']} {done['subjectId']} {', '.join(sorted(problems)) or 'erased'}.")
    say(f"{len(under_way)} carried out, {failed} not.")
    return 1 if failed else 0


def _repeat(client: Client, one: Json) -> str:
    client.post(f"{REQUESTS}/{one['id']}:repeat", {"etag": one["etag"]})
    return str(one["id"])


def _anew(client: Client, line: Json) -> str:
    made = client.post(REQUESTS, {"kind": "erasure", **{name: line[name] for name in NEEDED}})
    counted = _until(client, made["id"], lambda one: not one.get("waitingFor"))
    client.post(f"{REQUESTS}/{made['id']}:start", {"etag": counted["etag"]})
    return str(made["id"])


def _until(client: Client, request_id: str, holds: Callable[[Json], bool]) -> Json:
    deadline = time.monotonic() + A_DAY
    while not holds(one := client.get(f"{REQUESTS}/{request_id}")):
        if time.monotonic() > deadline:
            raise Wrong(f"{one['number']} waits for {', '.join(one.get('waitingFor', []))}; look into their logs.")
        time.sleep(LOOK)
    return one


def _subject(one: Json) -> tuple[str, str]:
    return str(one["subjectType"]), str(one["subjectId"])


def _lines(file: Path) -> list[Json]:
    """Each person once: the last line of them."""
    try:
        read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return list({_subject(one): {name: str(one[name]) for name in NEEDED} for one in read}.values())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise Wrong(f"{file} is no list of erasures: {error}.") from None


def _client(options: Options) -> Client:
    client = Client(options.url)
    client.login(options.username, options.password())
    return client
