#!/usr/bin/env python3
"""src/base/plants.def and the points in the sources agree: the numbers of each kind ascend without a
gap from where the kind begins, each is used in exactly the file that its row names, and nowhere is
a number used that has no row."""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
text = (root / "src/base/plants.def").read_text()
rows = re.findall(r'^ASHLAR_PLANTED(_[A-Z]+)?\((\d+), (\w+), "(.*)", "(\S+)"\)$', text, re.M)
problems = []
if len(rows) != len(re.findall(r"^ASHLAR_PLANTED", text, re.M)):
    problems.append("a row is not one line of the known form")
numbers = []
for kind, first in {"": 1, "_RACE": 101, "_FAULT": 201, "_MISUSE": 301, "_CHECK": 401}.items():
    numbers += range(first, first + sum(row[0] == kind for row in rows))
if [int(row[1]) for row in rows] != numbers:
    problems.append("the numbers of a kind are not 1, 2, 3 ... from where it begins")
if len(rows) < 20:
    problems.append("fewer than 20 planted bugs")
used = {}
for path in sorted((root / "src").rglob("*.[ch]")):
    for number in re.findall(r"ASH_PLANTED\((\d+)\)", path.read_text()):
        used.setdefault(int(number), set()).add(str(path.relative_to(root / "src")))
for _, number, name, _, file in rows:
    if used.pop(int(number), set()) != {file}:
        problems.append(f"{number} {name}: its points are not in {file} alone")
problems += [f"{number}: has no row" for number in used]
for problem in problems:
    print(problem)
print(f"{len(rows)} planted bugs")
sys.exit(1 if problems else 0)
