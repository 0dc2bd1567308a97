"""A module of src/ includes only modules above it in docs/architecture.md's table. Its files have at most 400 lines, its
folders at most 40 files, and the first line of each source names the licence. The protocols are listed in one file, and
an analysis reads the protocol in one line, its factory."""
import collections
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
order = re.findall(r"^\| `(\w+)` \|", (root / "docs/architecture.md").read_text(), re.M)
bad = []
for folder in sorted(p for p in (root / "src").rglob("*") if p.is_dir()):
    files = sum(p.is_file() for p in folder.iterdir())
    if files > 40:
        bad.append(f"{folder.relative_to(root)}: {files} files; at most 40, so give a subject a folder of its own")
for source in sorted((root / "src").rglob("*.*")):
    lines = source.read_text().splitlines()
    if len(lines) > 400:
        bad.append(f"{source.relative_to(root)}: {len(lines)} lines; at most 400")
    if source.suffix in (".cc", ".h") and lines[0] != "// SPDX-License-Identifier: Apache-2.0":
        bad.append(f"{source.relative_to(root)}: the first line is not the licence's")
    module = source.relative_to(root / "src").parts[0]
    if module not in order:
        bad.append(f"src/{module}: not in the table of docs/architecture.md")
        continue
    for used in re.findall(r'^#include "(\w+)/', source.read_text(), re.M):
        if used in order and order.index(used) > order.index(module):
            bad.append(f"{source.relative_to(root)}: includes {used}/")

readers = collections.defaultdict(list)  # lines that read the protocol, by the analysis' folder
for source in sorted((root / "src").rglob("*.*")):
    name = source.relative_to(root)
    if source.suffix not in (".cc", ".h") or source.stem.endswith("_test") or source.stem.startswith("test_"):
        continue
    for number, line in enumerate(source.read_text().splitlines(), 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]
        if re.search(r"\bpaper_?\b", code) or re.search(r'[!=]= *"(strict|paper)"', line):
            bad.append(f"{name}:{number}: asks for a protocol by name: read a field of Protocol (src/results/protocol.h)")
        if re.search(r"\bprotocol\b|\bas_published\b", code) and name.parts[1] == "analysis" and len(name.parts) > 3:
            readers[name.parent].append(f"{name}:{number}")
for folder, lines in readers.items():
    if len(lines) > 1:
        bad.append(f"{folder}: reads the protocol in {', '.join(lines)}: decide once, in the factory")
print("\n".join(bad) or f"{len(order)} modules, each includes only those above it; files and folders are small; "
      f"{len(readers)} analyses, each reads the protocol once")
sys.exit(bool(bad))
