"""Lines of an opportunity: products, quantities, prices, and what they add up to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, select

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import rows, sql, writing
from crm_records.record import Row
from sales import price_items
from sales.price_items import Steps
from sales.tables import product

errors.texts({"product_retired": ("产品“{name}”已停售", "The product “{name}” is off sale")})

CENT = Decimal("0.01")
LARGEST = Decimal(10) ** 15
_PRODUCT = ("产品", "Product")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a line must know of a product."""

    name: str
    active: bool
    steps: Steps


_PRODUCTS = sql.prepare(
    select(product.c.id, product.c.name, product.c.active).where(
        product.c.id == any_(bindparam("ids", type_=ARRAY(product.c.id.type))), product.c.delete_time.is_(None)
    )
)


def look_up(call: Call, product_ids: Iterable[str]) -> dict[str, Offer | None]:
    """Products with their prices, by id; asked for once in a call however many rows hold them."""
    known: dict[str, Offer | None] = call.memo.setdefault("offers", {})
    new = {i for i in product_ids if i not in known and kinds.is_id(i)}
    if new:
        found = _PRODUCTS.run(call.connection, {"ids": list(new)}).fetchall()
        prices = price_items.standard(call, [i for i, _, _ in found])
        known.update(dict.fromkeys(new))
        known.update({i: Offer(name, active, prices[i]) for i, name, active in found})
    return known


def settle(call: Call, row: Row, before: Row | None, *, may_be_retired: bool = False) -> None:
    """Fill in what lines leave open; let the expected amount follow them unless the caller says one."""
    old = before["lines"] if before is not None else []
    if row["lines"] != old:
        kept = {line["productId"] for line in old}
        row["lines"] = _complete(call, row["lines"], kept, may_be_retired)
    changed = row["lines"] != old and "expected_amount" not in writing.named(call)
    if row["lines"] and (row["expected_amount"] is None or (before is not None and changed)):
        row["expected_amount"] = _total(row["lines"])


def _complete(
    call: Call, lines: list[dict[str, Any]], kept: Collection[str], may_be_retired: bool
) -> list[dict[str, Any]]:
    offers = look_up(call, [line["productId"] for line in lines])
    problems: list[Problem] = []
    made = []
    for i, line in enumerate(lines):
        offer = offers.get(line["productId"])
        if offer is None:
            problems.append(Problem(f"lines[{i}].productId", "unknown_reference", {"label": _PRODUCT}))
            continue
        if not offer.active and line["productId"] not in kept and not may_be_retired:
            problems.append(Problem(f"lines[{i}].productId", "product_retired", {"name": offer.name}))
            continue
        quantity = Decimal(line.get("quantity") or 1)
        given = line.get("unitPrice")
        price = Decimal(given) if given else price_items.price_of(offer.steps, quantity)
        if price is None:
            problems.append(Problem(f"lines[{i}].unitPrice", "required", {"label": ("单价", "Unit price")}))
            continue
        with localcontext(prec=60):
            price = price.quantize(CENT)
            amount = (quantity * price).quantize(CENT, ROUND_HALF_UP)
        if amount > LARGEST:
            params = {"label": ("金额", "Amount"), "limit": f"{LARGEST:f}"}
            problems.append(Problem(f"lines[{i}].amount", "too_large", params))
        made.append(
            {
                "productId": line["productId"],
                "quantity": rows.decimal_text(quantity.normalize()),
                "unitPrice": rows.decimal_text(price),
                "amount": rows.decimal_text(amount),
                "productName": offer.name,
            }
        )
    writing.refuse(problems)
    return made


def _total(lines: list[dict[str, Any]]) -> Decimal:
    total = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    if total > LARGEST:
        params = {"label": ("预计金额", "Expected amount"), "limit": f"{LARGEST:f}"}
        raise errors.Invalid(Problem("expectedAmount", "too_large", params))
    return total
