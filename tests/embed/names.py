"""names.py SOURCE LIBASHLAR.SO LIBASHLAR.A LIBASHLAR-HEAP.A: the names that the libraries give away.

Exactly those that are documented, each with its version: the functions and objects that the installed
headers declare, and the names of malloc's family in docs/EMBEDDING.md. The shared library needs libc
and nothing else. What the archives define beside that begins with `ash_` and is hidden, so that a
program that is linked with one does not export it.
"""

import re
import subprocess
import sys

HEADERS = ["ashlar.h", "check.h", "finding.h", "heap.h", "os.h"]
VERSION = "ASHLAR_0"
# Of the headers, what a heap without the process's malloc has not.
PROCESS_HEADERS = ["ashlar.h"]


def declared(source, headers):
    names = set()
    for header in headers:
        with open(f"{source}/include/ashlar/{header}", encoding="utf-8") as stream:
            text = re.sub(r"/\*.*?\*/", "", stream.read(), flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        text = re.sub(r"\btypedef\b[^;]*;", "", text)
        while re.search(r"\{[^{}]*\}", text.replace('extern "C" {', "")):  # bodies of structs, enums
            text = re.sub(r"\{[^{}]*\}", "", text.replace('extern "C" {', ""))
        for statement in text.split(";"):
            found = re.search(r"\b(ashlar_\w+)\s*\(", statement) or \
                re.search(r"\bextern\b.*?\b(ashlar_\w+)\s*$", statement, re.S)
            if found:
                names.add(found.group(1))
    return names


def documented(source):
    """The names of malloc's family and the C++ operators: the block of code under its heading."""
    with open(f"{source}/docs/EMBEDDING.md", encoding="utf-8") as stream:
        section = stream.read().partition("\n## The names\n")[2]
    return set(section.split("```")[1].split())


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def exported(library):
    """name -> version; of the dynamic symbols, those defined."""
    names = {}
    for line in run("nm", "-D", "--defined-only", "--with-symbol-versions", library).splitlines():
        _, kind, name = line.split()
        if kind != "A":
            plain, _, version = name.partition("@")
            names[plain] = version.lstrip("@")
    return names


def visible(archive):
    """The global names an archive defines, each with its visibility."""
    names = {}
    for line in run("readelf", "-sW", archive).splitlines():
        parts = line.split()
        if len(parts) == 8 and parts[4] in ("GLOBAL", "WEAK") and parts[6] != "UND":
            names[parts[7]] = parts[5]
    return names


def compare(what, found, expected):
    for name in sorted(found - expected):
        print(f"{what}: {name} is there, and documented nowhere")
    for name in sorted(expected - found):
        print(f"{what}: {name} is documented, and not there")
    return len(found ^ expected)


def main():
    source, shared, static, heap = sys.argv[1:]
    functions, family = declared(source, HEADERS), documented(source)
    mistakes = compare("libashlar.so", set(exported(shared)), functions | family)
    for name, version in exported(shared).items():
        wanted = VERSION if name in functions else ""
        if version != wanted:
            print(f"libashlar.so: {name} has version '{version}', not '{wanted}'")
            mistakes += 1
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", shared))
    if not set(needed) <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}:
        print(f"libashlar.so needs {needed}")
        mistakes += 1
    core = declared(source, [name for name in HEADERS if name not in PROCESS_HEADERS])
    for archive, expected in ((static, functions | family), (heap, core)):
        names, leaf = visible(archive), archive.rsplit("/", 1)[-1]
        mistakes += compare(leaf, {n for n, v in names.items() if v == "DEFAULT"}, expected)
        for name, visibility in names.items():
            if visibility == "HIDDEN" and not name.startswith("ash_"):
                print(f"{leaf}: {name} is hidden, but would clash with a user's name")
                mistakes += 1
    print(f"{len(functions)} names of the headers, {len(family)} of malloc's family: "
          f"{mistakes} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
