"""Sources that can be compiled in one translation unit.

Files of src/ define names in anonymous namespaces, and two files may define the same one: such files do not share a
translation unit. cmake/unity.cmake and tests/tidy.py use this.

unity.py MOST SOURCE...: prints, a line for each translation unit of at most MOST sources, their paths, separated by
semicolons."""
import pathlib
import re
import sys

definition = re.compile(r"^(?:(?:struct|class|enum class) (\w+)|using (\w+) =|(?!using |template |//|#|namespace)"
                        r"\w[^(={;/]*?\b(\w+)(?:\(|\{| = |;|\[))", re.M)


def hidden_names(source):
    """The names that a source defines in anonymous namespaces, at the start of a line."""
    parts = re.findall(r"^namespace \{$(.*?)^\}  // namespace$", source.read_text(), re.M | re.S)
    names = {next(filter(None, found)) for part in parts for found in definition.findall(part)}
    lists = [line for part in parts for line in re.findall("^const.*;", part, re.M)]  # constexpr int a = 1, b = 2;
    return names | {name for line in lists for name in re.findall(r", (\w+) = ", line)}


def units(sources, most):
    """Lists of at most `most` sources that can be compiled together. sources: {path: key}; only equal keys share one."""
    made = []
    for source, key in sources.items():
        own = hidden_names(source)
        for members, names in made:
            if sources[members[0]] == key and len(members) < most and not own & names:
                break
        else:
            members, names = [], set()
            made.append((members, names))
        members.append(source)
        names |= own
    return [members for members, _ in made]


if __name__ == "__main__":
    for members in units(dict.fromkeys(map(pathlib.Path, sys.argv[2:])), int(sys.argv[1])):
        print(";".join(map(str, members)))
