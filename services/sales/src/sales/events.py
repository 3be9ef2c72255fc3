"""What the sales service makes of others' events: it keeps who its customers are."""

from sales.tables import CUSTOMER

HANDLERS = {CUSTOMER.source: CUSTOMER.apply}
