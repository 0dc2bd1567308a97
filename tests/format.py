"""Sources have the layout of .clang-format, and no line of them is longer than 120 columns."""
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
folders = [root / name for name in ("src", "tests", "bench", "python")]
sources = sorted(p for folder in folders for p in folder.rglob("*.*") if p.suffix in {".cc", ".h"})
program = pathlib.Path(sys.executable).parent / "clang-format"
checked = subprocess.run([program, "--dry-run", *sources], capture_output=True, text=True)
bad = sorted({line.split(":")[0] for line in checked.stderr.splitlines() if "-Wclang-format-violations" in line})
bad = [f"{pathlib.Path(p).relative_to(root)}: run clang-format -i on it" for p in bad]
for source in sources:
    for number, line in enumerate(source.read_text().splitlines(), 1):
        if len(line) > 120:
            bad.append(f"{source.relative_to(root)}:{number}: {len(line)} columns")
print("\n".join(bad) or f"{len(sources)} files have the layout of .clang-format")
sys.exit(bool(bad) or checked.returncode)
