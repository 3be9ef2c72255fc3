"""The catalogue: a tree of categories, products on and off sale, price lists and prices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from sales.first_entries import DEFAULT_PRICE_LIST

pytestmark = pytest.mark.feature("SAL-01")
Product = Callable[..., Any]


def category(client: Client, name: str, parent_id: str = "") -> Any:
    return client.CreateProductCategory(product_category={"name": name, "parent_id": parent_id})


def put_below(client: Client, made: Any, parent_id: str) -> Any:
    return client.UpdateProductCategory(
        product_category={"id": made.id, "parent_id": parent_id}, update_mask={"paths": ["parent_id"]}, etag=made.etag
    )


def test_categories_may_lie_below_one_another_as_deep_as_one_likes(boss: Client) -> None:
    parent = ""
    for depth in range(5):
        made = category(boss, f"第{depth}级", parent)
        assert made.parent_id == parent
        parent = made.id


def test_a_category_cannot_lie_below_itself(boss: Client) -> None:
    top = category(boss, "媒体")
    middle = category(boss, "平面", top.id)
    bottom = category(boss, "报纸", middle.id)

    for parent in (top, middle, bottom):
        with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
            put_below(boss, top, parent.id)
    assert put_below(boss, bottom, top.id).parent_id == top.id


def test_two_moves_at_once_make_no_circle(boss: Client, server: Server) -> None:
    for _ in range(5):
        one, other = category(boss, "甲"), category(boss, "乙")

        with ThreadPoolExecutor(2) as pool:
            tries = [pool.submit(put_below, boss, a, b.id) for a, b in ((one, other), (other, one))]
        assert sum(t.exception() is None for t in tries) == 1


def test_a_category_with_something_in_it_stays(boss: Client, product: Product, change: Callable[..., Any]) -> None:
    top = category(boss, "媒体")
    category(boss, "平面", top.id)
    thing = product(category_id=top.id)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        boss.DeleteProductCategory(id=top.id, etag=top.etag)

    assert "下级类别 1" in refusal.message
    assert "产品 1" in refusal.message
    empty = category(boss, "户外")
    assert boss.DeleteProductCategory(id=empty.id, etag=empty.etag).etag == "2"
    with refused("INVALID_ARGUMENT", "INVALID", "categoryId"):
        change = {"id": thing.id, "category_id": empty.id}
        boss.UpdateProduct(product=change, update_mask={"paths": ["category_id"]}, etag=thing.etag)


def test_a_product_is_on_sale_from_its_name_on(boss: Client, product: Product) -> None:
    made = product("整版广告", unit="issue")

    assert (made.kind, made.active, made.list_price, made.number[:3]) == ("goods", True, "", "CP-")
    with refused("INVALID_ARGUMENT", "INVALID", "kind", "unit"):
        product("坏的", kind="thing", unit="parsec")


def test_a_product_goes_off_sale_and_on_again_and_says_so(boss: Client, server: Server, product: Product) -> None:
    made = product()

    off = boss.RetireProduct(id=made.id, etag="1")
    with refused("FAILED_PRECONDITION", "PRODUCT_OFF_SALE"):
        boss.RetireProduct(id=made.id, etag="2")
    on = boss.ActivateProduct(id=made.id, etag="2")
    with refused("FAILED_PRECONDITION", "PRODUCT_ON_SALE"):
        boss.ActivateProduct(id=made.id, etag="3")

    assert (off.active, on.active) == (False, True)
    assert [e.action for e in server.events("product")] == ["created", "retired", "activated"]


def test_the_list_price_is_that_of_one_in_the_default_list(boss: Client, product: Product) -> None:
    priced, bare = product("有价", "12.5"), product("无价")
    step = {"price_list_id": DEFAULT_PRICE_LIST, "product_id": priced.id, "price": "9", "min_quantity": "10"}
    boss.CreatePriceItem(price_item=step)

    assert boss.GetProduct(id=priced.id).list_price == "12.50"
    assert {p.name: p.list_price for p in boss.ListProducts().products} == {"有价": "12.50", "无价": ""}
    assert {p.list_price for p in boss.ListProducts(fields="name").products} == {""}
    assert boss.GetProduct(id=bare.id).list_price == ""


def test_a_price_list_that_is_not_in_force_gives_no_price(boss: Client, product: Product) -> None:
    priced = product(price="12.5")

    boss.UpdatePriceList(
        price_list={"id": DEFAULT_PRICE_LIST, "valid_until": "2020-12-31"},
        update_mask={"paths": ["valid_until"]},
        etag="1",
    )

    assert boss.GetProduct(id=priced.id).list_price == ""


def test_one_price_list_is_the_default_and_hands_the_mark_on(boss: Client, server: Server) -> None:
    made = boss.CreatePriceList(price_list={"name": "大客户价", "default": True})

    old = boss.GetPriceList(id=DEFAULT_PRICE_LIST)
    assert (made.default, old.default, old.etag, made.currency) == (True, False, "2", "CNY")
    told = [(e.record_id, e.action) for e in server.events("price_list")]
    assert told == [(DEFAULT_PRICE_LIST, "updated"), (made.id, "created")]
    with refused("INVALID_ARGUMENT", "INVALID", "default"):
        boss.UpdatePriceList(price_list={"id": made.id}, update_mask={"paths": ["default"]}, etag="1")
    with refused("FAILED_PRECONDITION", "DEFAULT_NEEDED"):
        boss.DeletePriceList(id=made.id, etag="1")


def test_of_many_that_want_to_be_the_default_one_is(boss: Client, server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: boss.CreatePriceList(price_list={"name": f"价格表{i}", "default": True}), range(8)))

    assert server.sql('SELECT count(*) FROM price_list WHERE "default"') == [(1,)]
    assert len(boss.ListPriceLists().price_lists) == 9


def test_a_product_has_one_price_for_a_quantity_in_a_list(boss: Client, product: Product) -> None:
    thing = product(price="5")
    item = {"price_list_id": DEFAULT_PRICE_LIST, "product_id": thing.id, "price": "6"}

    with refused("ALREADY_EXISTS", "EXISTS"):
        boss.CreatePriceItem(price_item=item)
    assert boss.CreatePriceItem(price_item=item | {"min_quantity": "10"}).min_quantity == "10.00"


def test_what_is_used_is_not_deleted(boss: Client, product: Product, make: Callable[..., Any]) -> None:
    priced, sold = product("有价", "5"), product("已售")
    make(boss, lines=[{"product_id": sold.id, "unit_price": "1"}])

    for thing, what in ((priced, "价格 1"), (sold, "商机 1")):
        with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
            boss.DeleteProduct(id=thing.id, etag="1")
        assert what in refusal.message


def test_a_list_of_prices_comes_and_ends_within_its_validity(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "validUntil"):
        boss.CreatePriceList(price_list={"name": "春季", "valid_from": "2026-06-01", "valid_until": "2026-05-31"})


@pytest.mark.parametrize("kind", ["Product", "PriceList", "ProductCategory"])
def test_the_same_rows_twice_change_nothing_the_second_time(boss: Client, server: Server, kind: str) -> None:
    name, plural = {
        "Product": ("Products", "products"),
        "PriceList": ("PriceLists", "price_lists"),
        "ProductCategory": ("ProductCategories", "product_categories"),
    }[kind]
    rows = [{"name": f"第{i}个", "external_id": f"x{i}"} for i in range(3)]
    send = getattr(boss, f"Import{name}")

    first = send(**{plural: [*rows, {"external_id": "bad"}]})
    told = len(server.events())
    second = send(**{plural: rows})

    assert (first.created, first.failed, first.results[3].problems[0].field) == (3, 1, "name")
    assert (second.unchanged, second.created, second.updated) == (3, 0, 0)
    assert len(server.events()) == told
