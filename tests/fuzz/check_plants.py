#!/usr/bin/env python3
"""src/base/plants.def and the points in the core agree: numbers ascend without a gap (from 1, and
from 101 those of races), each is used in exactly the file that its row names, and nowhere is a
number used that has no row."""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
text = (root / "src/base/plants.def").read_text()
rows = re.findall(r'^ASHLAR_PLANTED(?:_RACE)?\((\d+), (\w+), "(.*)", "(\S+)"\)$', text, re.M)
problems = []
if len(rows) != len(re.findall(r"^ASHLAR_PLANTED", text, re.M)):
    problems.append("a row is not one line of the known form")
races = len(re.findall(r"^ASHLAR_PLANTED_RACE\(", text, re.M))
numbers = [*range(1, len(rows) - races + 1), *range(101, 101 + races)]
if [int(row[0]) for row in rows] != numbers:
    problems.append("the numbers are not 1, 2, 3 ...")
if len(rows) < 20:
    problems.append("fewer than 20 planted bugs")
used = {}
for path in sorted((root / "src").rglob("*.[ch]")):
    for number in re.findall(r"ASH_PLANTED\((\d+)\)", path.read_text()):
        used.setdefault(int(number), set()).add(str(path.relative_to(root / "src")))
for number, name, _, file in rows:
    if used.pop(int(number), set()) != {file}:
        problems.append(f"{number} {name}: its points are not in {file} alone")
problems += [f"{number}: has no row" for number in used]
for problem in problems:
    print(problem)
print(f"{len(rows)} planted bugs")
sys.exit(1 if problems else 0)
