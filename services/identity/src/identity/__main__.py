import sys

from crm_kit import commands
from identity import bootstrap
from identity.app import SERVICE
from identity.audit import verify

match sys.argv[1:]:
    case ["bootstrap"]:
        bootstrap.run(SERVICE)
    case ["audit-verify", *words]:
        verify.run(SERVICE, words)
    case _:
        commands.run(SERVICE)
