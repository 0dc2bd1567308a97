"""Sources of src/ pass the checks of .clang-tidy. tests/tidy.py BUILD [FILE...]: all sources that the build folder BUILD
compiles except tests, or only these files, which may be tests.

Most of clang-tidy's time goes into LibTorch's headers. One run therefore checks many sources, through a file that
includes all sources that can be compiled together (cmake/unity.py). If a source still does not compile among the
others, it is checked again with fewer of them, and finally alone."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "cmake"))

from unity import units  # noqa: E402

program = pathlib.Path(sys.executable).parent / "clang-tidy"
build = pathlib.Path(sys.argv[1]).resolve()
asked = [pathlib.Path(p).resolve() for p in sys.argv[2:]]

def compiled_files():
    """(source, words of its compiler command); the sources of a unity build's translation units each alone."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        included = re.findall(r'^#include "(.*)"', file.read_text(), re.M) if file.parent.name == "Unity" else [file]
        for source in included:
            yield pathlib.Path(source), shlex.split(entry["command"])


def sources():
    """{source: flags of its compiler}, sorted."""
    found = {}
    for source, words in compiled_files():
        if source in asked if asked else source.is_relative_to(root / "src") and not source.stem.endswith("_test"):
            first = next(i for i, word in enumerate(words) if word.startswith("-"))
            flags = words[first:words.index("-o")]
            if "-include" in flags:  # GCC's precompiled header
                at = flags.index("-include")
                del flags[at:at + 2]
            found[source] = tuple(flag for flag in flags if flag != "-fpch-preprocess")
    return dict(sorted(found.items()))


def check(members, flags):
    """The diagnostics, one a line, of a file that includes the sources."""
    unit = build / "tidy.cc"
    unit.write_text("".join(f'#include "{source}"\n' for source in members))
    command = [program, "--quiet", f"--config-file={root}/.clang-tidy", f"--header-filter={root}/(src|tests)/.*", unit, "--",
               *flags, "-Wno-unknown-warning-option", "-ferror-limit=0"]
    printed = subprocess.run(command, capture_output=True, text=True).stdout
    return [line for line in printed.splitlines() if re.match(r"/\S+:\d+:\d+: (error|warning): ", line)]


bad = set()
pending = sources()
count = len(pending)
for most in (60, 8, 1):
    again = {}
    for members in units(pending, most, root / "src"):
        flags = pending[members[0]]
        found = check(members, flags)
        clashes = {pathlib.Path(line.split(":")[0]) for line in found if "clang-diagnostic-error" in line}
        if clashes and most > 1:
            again |= dict.fromkeys(clashes if clashes <= set(members) else members, flags)
            found = [line for line in found if pathlib.Path(line.split(":")[0]) not in again]
        bad |= {line.replace(f"{root}/", "") for line in found}
    pending = again
print("\n".join(sorted(bad)) or f"{count} sources pass the checks of .clang-tidy")
sys.exit(bool(bad))
