"""Categories, products, price lists and prices: the standard RPCs, and putting a product on or off sale."""

from __future__ import annotations

from crm.sales.v1 import products_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from sales.categories import CATEGORIES
from sales.price_items import PRICE_ITEMS
from sales.price_lists import PRICE_LISTS
from sales.products import PRODUCTS, set_active

_SERVICES = pb.DESCRIPTOR.services_by_name


class ProductCategoryServicer(Servicer):
    record = CATEGORIES
    service = _SERVICES["ProductCategoryService"]


class PriceListServicer(Servicer):
    record = PRICE_LISTS
    service = _SERVICES["PriceListService"]


class PriceItemServicer(Servicer):
    record = PRICE_ITEMS
    service = _SERVICES["PriceItemService"]


class ProductServicer(Servicer):
    record = PRODUCTS
    service = _SERVICES["ProductService"]

    def RetireProduct(self, call: Call, request: pb.RetireProductRequest) -> pb.Product:
        return set_active(call, request, "retired")

    def ActivateProduct(self, call: Call, request: pb.ActivateProductRequest) -> pb.Product:
        return set_active(call, request, "activated")
