"""A module of src/ includes only modules above it in docs/architecture.md's table."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
order = re.findall(r"^\| `(\w+)` \|", (root / "docs/architecture.md").read_text(), re.M)
bad = []
for source in sorted((root / "src").rglob("*.*")):
    module = source.relative_to(root / "src").parts[0]
    if module not in order:
        bad.append(f"src/{module}: not in the table of docs/architecture.md")
        continue
    for used in re.findall(r'^#include "(\w+)/', source.read_text(), re.M):
        if used in order and order.index(used) > order.index(module):
            bad.append(f"{source.relative_to(root)}: includes {used}/")
print("\n".join(bad) or f"{len(order)} modules, each includes only those above it")
sys.exit(bool(bad))
