"""Lines: prices found, amounts computed, products checked, and the expected amount that follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, refused
from sales.first_entries import DEFAULT_PRICE_LIST

pytestmark = pytest.mark.feature("SAL-10")
Product = Callable[..., Any]


def test_a_line_takes_name_and_price_of_its_product(boss: Client, product: Product, make: Callable[..., Any]) -> None:
    made = make(boss, lines=[{"product_id": product("整版广告", "1200").id, "quantity": "2.5"}])

    (line,) = made.lines
    assert (line.product_name, line.quantity, line.unit_price, line.amount) == ("整版广告", "2.5", "1200.00", "3000.00")
    assert made.expected_amount == "3000.00"


def test_the_price_is_the_one_of_the_quantity(boss: Client, product: Product, make: Callable[..., Any]) -> None:
    thing = product(price="10")
    step = {"price_list_id": DEFAULT_PRICE_LIST, "product_id": thing.id, "price": "8", "min_quantity": "100"}
    boss.CreatePriceItem(price_item=step)

    made = make(boss, lines=[{"product_id": thing.id, "quantity": q} for q in ("", "99", "100")])

    assert [(x.quantity, x.unit_price) for x in made.lines] == [("1", "10.00"), ("99", "10.00"), ("100", "8.00")]


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("3", "0.335", None),
        ("0.5", "0.01", "0.01"),
        ("1.005", "1", "1.01"),
        ("0.3333", "99.99", "33.33"),
        ("0", "5", "0.00"),
    ],
)
def test_amounts_are_rounded_half_up_to_cents(
    boss: Client, product: Product, quantity: str, price: str, amount: str | None, make: Callable[..., Any]
) -> None:
    line = {"product_id": product().id, "quantity": quantity, "unit_price": price}
    if amount is None:
        with refused("INVALID_ARGUMENT", "INVALID", "lines[0].unitPrice"):
            make(boss, lines=[line])
    else:
        assert make(boss, lines=[line]).lines[0].amount == amount


def test_the_expected_amount_follows_the_lines_unless_it_is_said_with_them(
    boss: Client, product: Product, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    line = {"product_id": product(price="100").id}

    said = make(boss, lines=[line], expected_amount="150")
    kept = change(boss, said, title="金额不变")
    followed = change(boss, kept, lines=[line, line])
    insisted = change(boss, followed, lines=[line], expected_amount="200")

    assert [o.expected_amount for o in (said, kept, followed, insisted)] == ["150.00", "150.00", "200.00", "200.00"]


def test_every_wrong_line_is_named(boss: Client, product: Product, make: Callable[..., Any]) -> None:
    unpriced, retired = product(), product(price="1")
    boss.RetireProduct(id=retired.id, etag=retired.etag)

    with refused(
        "INVALID_ARGUMENT", "INVALID", "lines[0].unitPrice", "lines[1].productId", "lines[2].productId"
    ) as refusal:
        make(boss, lines=[{"product_id": i} for i in (unpriced.id, retired.id, ids.uuid7())])

    assert "已停售" in refusal.fields["lines[1].productId"]


def test_a_retired_product_stays_on_the_lines_it_is_on(
    boss: Client, product: Product, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    thing = product(price="10")
    made = make(boss, lines=[{"product_id": thing.id}])
    boss.RetireProduct(id=thing.id, etag=thing.etag)

    more = change(boss, made, lines=[{"product_id": thing.id, "quantity": "3"}])

    assert more.expected_amount == "30.00"


def test_amounts_that_no_column_holds_are_refused(boss: Client, product: Product, make: Callable[..., Any]) -> None:
    line = {"product_id": product().id, "quantity": "999999999999", "unit_price": "999999999999"}

    with refused("INVALID_ARGUMENT", "INVALID", "lines[0].amount"):
        make(boss, lines=[line])
