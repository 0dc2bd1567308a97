"""Each test that docs/reliability.md names exists."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
rows = re.findall(r"^\| (?!promise|---)(.*) \| (.*) \|$", (root / "docs/reliability.md").read_text(), re.M)
named = {name for _, tests in rows for name in re.findall(r"`(\w+\.\w+)`", tests)}
there = {f"{suite}.{test}" for file in (root / "src").rglob("*_test.cc")
         for suite, test in re.findall(r"^TEST(?:_[FP])?\((\w+),\s*(\w+)\)", file.read_text(), re.M)}
there |= {f"{file.stem}.{test}" for folder in ("command", "python") for file in (root / "tests" / folder).glob("test_*.py")
          for test in re.findall(r"^def (test_\w+)", file.read_text(), re.M)}
missing = sorted(named - there)
missing += [f"a promise without a test: {promise}" for promise, tests in rows if "`" not in tests]
print("\n".join(missing) or f"{len(rows)} promises, {len(named)} tests")
sys.exit(bool(missing))
