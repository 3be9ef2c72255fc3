"""CUS-25: how fast a register file becomes a table, how much memory that takes, and how fast a name is found in it."""

from __future__ import annotations

import itertools
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote

import data
import pytest
from stdnum.cn import uscc
from suite import Suite

LINES = 200_000
SEARCHES = 100


def lines(count: int) -> Iterator[str]:
    """A register as it is sold: codes, names of which many share their parts, a scope of some length."""
    chance = random.Random(25)
    yield "企业名称,统一社会信用代码,法定代表人,注册资本,成立日期,登记状态,住所,经营范围"
    for n in range(count):
        body = f"91500000{n:09}"
        word, trade, place = chance.choice(data.WORDS), chance.choice(data.TRADES), chance.choice(data.PLACES)
        name = f"{place}{word}{chr(0x4E00 + n % 4000)}{chr(0x4E00 + n // 4000)}{trade}有限公司"
        code = body + uscc.calc_check_digit(body)
        facts = f"李雷,{n % 900 + 100}万元,2001-03-05,存续,{place}市人民路 {n} 号,{trade}的制造与销售；进出口。"
        yield f"{name},{code},{facts}"


@pytest.mark.bench
@pytest.mark.feature("CUS-25")
def test_a_register_of_many_lines(suite: Suite, say: Callable[[str], None], tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(LINES))
    size = path.stat().st_size / 1024 / 1024
    environment = suite.environment | {"COMPANY_REGISTER_FILE": str(path)}
    began = time.perf_counter()
    command = [sys.executable, "-m", "crm_cli", "import-register"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    assert f"companies stored: {LINES}," in done.stdout
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    say(f"{LINES / took:.0f} lines/s: {LINES} lines, {size:.0f} MiB in {took:.0f} s, a process had {peak:.0f} MiB")
    say(_search(suite, path))


def _search(suite: Suite, path: Path) -> str:
    """The searches are asked of the provider itself: the suite that runs was started without a register."""
    os.environ["COMPANY_REGISTER_FILE"] = str(path)
    from crm_kit import db
    from crm_kit.organisation_reader import Organisation
    from crm_kit.rpc import system_call
    from customer.register.from_file import FromFile

    engine = db.engine(_database(suite), "bench", size=1, read_only=True)
    chance, took = random.Random(7), []
    kinds = {"two rare characters": lambda: chance.choice(data.WORDS) + chr(0x4E00 + chance.randrange(4000))}
    kinds["a word of every twelfth name"] = lambda: chance.choice(data.TRADES)
    said = []
    with engine.connect() as connection:
        call = system_call(connection, "customer", Organisation(engine))
        for what, make in kinds.items():
            took = []
            for _ in itertools.repeat(None, SEARCHES):
                name, began = make(), time.perf_counter()
                FromFile().search(call, name, 20, "")
                took.append((time.perf_counter() - began) * 1000)
            said.append(f"{what}: p50 {quantiles(took)[1]:.1f} ms, p95 {quantiles(took, n=20)[18]:.1f} ms")
    engine.dispose()
    return f"a search by {'; by '.join(said)}"


def _database(suite: Suite) -> str:
    import json

    secrets = json.loads((suite.data / "data" / "secrets.json").read_text())
    port = suite.environment["POSTGRES_PORT"]
    return f"postgresql://customer:{quote(secrets['customer'])}@127.0.0.1:{port}/customer"
