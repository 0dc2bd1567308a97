"""Sources that can be compiled in one translation unit.

A file of src/ defines names in anonymous namespaces. In one translation unit such a name would clash with an equal one
of another file, or with one that a header declares which another file includes: these files are kept apart.
cmake/unity.cmake and tests/tidy.py use this.

unity.py ROOT MOST SOURCE...: prints, a line for each translation unit of at most MOST sources, their paths, separated
by semicolons. ROOT: the folder to which paths of included headers are relative."""
import functools
import pathlib
import re
import sys

definition = re.compile(r"^(?:(?:struct|class|enum class) (\w+)|using (\w+) =|(?!using |template |//|#|namespace)"
                        r"\w[^(={;/]*?\b(\w+)(?:\(|\{| =(?: |$)|;|\[))", re.M)


def defined(text):
    """The names that a text defines or declares at the start of a line."""
    names = {next(filter(None, found)) for found in definition.findall(text)}
    lists = re.findall("^const.*;", text, re.M)  # constexpr int a = 1, b = 2;
    return names | {name for line in lists for name in re.findall(r", (\w+) = ", line)}


def hidden_names(source):
    """The names that a source defines in anonymous namespaces."""
    return defined("".join(re.findall(r"^namespace \{$(.*?)^\}  // namespace$", source.read_text(), re.M | re.S)))


@functools.cache
def headers_of(file, root):
    """The headers below `root` that a file includes, directly or through others."""
    found = set()
    for name in re.findall(r'^#include "(.*)"', file.read_text(), re.M):
        header = root / name
        if header not in found and header.is_file():
            found |= {header} | headers_of(header, root)
    return frozenset(found)


@functools.cache
def declared_names(header):
    return frozenset(defined(header.read_text()))


def units(sources, most, root):
    """Lists of at most `most` sources that can be compiled together. sources: {path: key}; a list has one key."""
    made = []
    for source, key in sources.items():
        hidden = hidden_names(source)
        seen = hidden.union(*map(declared_names, headers_of(source, root)))
        for unit in made:
            members, their_hidden, their_seen = unit
            clash = hidden & their_seen or their_hidden & seen
            if sources[members[0]] == key and len(members) < most and not clash:
                break
        else:
            unit = [[], set(), set()]
            made.append(unit)
        unit[0].append(source)
        unit[1] |= hidden
        unit[2] |= seen
    return [members for members, _, _ in made]


if __name__ == "__main__":
    paths = map(pathlib.Path, sys.argv[3:])
    for members in units(dict.fromkeys(paths), int(sys.argv[2]), pathlib.Path(sys.argv[1])):
        print(";".join(map(str, members)))
