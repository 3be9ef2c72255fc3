"""Series become categories, products get their price in the default price list."""

from crm_cli.client import Json
from crm_cli.importers.base import Line, Reject
from crm_cli.importers.bulk import merged
from crm_cli.importers.crm_sales_opportunities.source import Source, external
from crm_cli.importers.crm_sales_opportunities.values import Unusable, amount
from crm_cli.importers.run import Run
from crm_cli.importers.standing import default_price_list

KIND = "products"


def load(run: Run, source: Source) -> dict[str, str]:
    """Answers product → id."""
    run.reject(KIND, source.products.rejects)
    prices: dict[str, str] = {}
    lines: list[Line] = []
    for line in source.products.lines:
        try:
            prices[line["product"]] = amount(line, "sales_price")
            lines.append(line)
        except Unusable as reason:
            run.reject(KIND, [Reject(line, str(reason))])

    series = list(dict.fromkeys(line["series"] for line in lines if line["series"]))
    rows: list[Json] = [{"externalId": external(name), "name": name} for name in series]
    stored = run.send("product categories", "product-categories", "productCategories", rows)
    run.must(stored, series)
    run.count("product categories", stored)
    categories = {name: one.id for name, one in zip(series, stored, strict=True)}

    rows = [_product(line, categories.get(line["series"], "")) for line in lines]
    stored = run.send(KIND, "products", "products", rows)
    ids = {line["product"]: one.id for line, one in zip(lines, stored, strict=True)}

    price_list = default_price_list(run.client)
    priced = [(place, name) for place, name in enumerate(ids) if ids[name] and prices[name]]
    rows = [
        {
            "externalId": external(f"price:{name}"),
            "priceListId": price_list,
            "productId": ids[name],
            "price": prices[name],
        }
        for _, name in priced
    ]
    whole = list(stored)
    for (place, _), one in zip(priced, run.send("prices", "price-items", "priceItems", rows), strict=True):
        whole[place] = merged(stored[place], one)
    run.count(KIND, whole, lines)
    return ids


def _product(line: Line, category: str) -> Json:
    row: Json = {"externalId": external(line["product"]), "name": line["product"]}
    return row | ({"series": line["series"]} if line["series"] else {}) | ({"categoryId": category} if category else {})
