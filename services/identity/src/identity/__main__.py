import sys

from identity import bootstrap
from identity.app import SERVICE
from identity.audit import verify

match sys.argv[1:]:
    case ["bootstrap"]:
        bootstrap.run(SERVICE)
    case ["audit-verify", *words]:
        verify.run(SERVICE, words)
    case _:
        SERVICE.run()
