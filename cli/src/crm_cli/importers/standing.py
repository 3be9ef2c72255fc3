"""What every suite has from its start, and where to find it."""

from crm_cli.client import Client
from crm_cli.settings import Wrong


def root(client: Client) -> str:
    """The department that all others are below; of several the first one made."""
    query = {"filter": "parent_id = null", "orderBy": "create_time", "fields": "id,name"}
    for department in client.all("/v1/departments", "departments", **query):
        return str(department["id"])
    raise Wrong("The suite has no department at the root of its organisation.")


def default_price_list(client: Client) -> str:
    """The list that prices are taken from where none is named."""
    for price_list in client.all("/v1/price-lists", "priceLists", filter="default = true", fields="id,name"):
        return str(price_list["id"])
    raise Wrong("The suite has no default price list; make one (POST /v1/price-lists with default: true).")
