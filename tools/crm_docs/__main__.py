"""`make docs`: writes what is not current and names it."""

import sys

from crm_docs import ROOT
from crm_docs.generated import documents

for path, text in documents().items():
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
