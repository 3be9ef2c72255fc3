import sys

from identity import bootstrap
from identity.app import SERVICE

if sys.argv[1:] == ["bootstrap"]:
    bootstrap.run(SERVICE)
else:
    SERVICE.run()
