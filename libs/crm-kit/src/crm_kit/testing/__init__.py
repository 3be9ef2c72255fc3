"""For tests of a service: its real server and database, and callers with just the rights a test is about.

@pytest.fixture(scope="session")
def server():
    with running(SERVICE) as server:
        yield server

@pytest.fixture(autouse=True)
def empty(server):
    server.reset()

def test_a_reader_cannot_write(server):
    reader = server.person(rights=["customer.read"])
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.CreateCustomer(customer={"name": "上海钢铁"})
"""

from crm_kit.testing.client import Client
from crm_kit.testing.postgres import database, postgres
from crm_kit.testing.refusal import Refused, gets_through, refused
from crm_kit.testing.server import Server, connect, event, running, token

__all__ = [
    "Client",
    "Refused",
    "Server",
    "connect",
    "database",
    "event",
    "gets_through",
    "postgres",
    "refused",
    "running",
    "token",
]
