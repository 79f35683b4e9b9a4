#!/usr/bin/env python3
"""scripts/fuzz-plants, with a program and an engine that are played: which inputs of the corpus show
a bug, that mutation starts from the others, the medians of several runs, and the exit.

  check_hunt.py SOURCE_DIRECTORY SCRATCH_DIRECTORY
"""
import contextlib
import io
import sys
from pathlib import Path

from script import load

root, scratch = Path(sys.argv[1]), Path(sys.argv[2])
plants = load(root, "fuzz-plants", scratch)
(scratch / "corpus").mkdir()
(scratch / "fuzz").mkdir()

# Ends at the first file that says so, as a harness ends at its first finding.
PROGRAM = """#!/bin/sh
count=0
for file; do
    count=$((count + 1))
    {
        printf "\\\\$(printf %%o $count)"
        head -c 31 /dev/zero
    } >"${ASHLAR_FUZZ_STATS:-/dev/null}"
    if grep -q %s "$file"; then
        echo "FINDING code=ASH-TEST layer=checker operation=1"
        kill -ABRT $$
    fi
done
"""
for name, text in {"a": "good", "bb": "bad!!", "c": "good", "ddd": "bad!!!!"}.items():
    (scratch / "corpus" / name).write_text(text)
for number, word in {1: "bad", 2: "found", 3: "found", 5: "found"}.items():
    program = scratch / "fuzz" / f"fuzz_heap_plant_{number}"
    program.write_text(PROGRAM % word)
    program.chmod(0o755)
started = {}


class Campaign(plants.fe.Campaign):
    """Finds bug 2 with two of three random seeds, after 10 and 30 executions; bug 3 never; bug 5
    with each, but only one input shows it again."""

    def run(self):
        number = int(self.binary.name.rpartition("_")[2])
        started.setdefault(number, sorted(p.name for p in self.inputs.iterdir()))
        executions = 10 * self.seed
        self.stats.write_bytes(b"".join(n.to_bytes(8, "little") for n in (executions, 1, 0, 0)))
        self.elapsed, self.found = float(self.seed), []
        if number == 2 and self.seed != 2:
            path = self.crashes / "input"
            path.write_text("found")
            self.found = [path]
        if number == 5:
            path = self.crashes / "input"
            path.write_text("found" if self.seed == 3 else "lost")
            self.found = [path]
        return self.found


plants.fe.Campaign = Campaign
plants.fe.build = lambda *_: scratch
plants.fe.HARNESSES = {"fuzz_heap": plants.fe.HARNESSES["fuzz_heap"]._replace(
    seeds=[scratch / "corpus"])}
plants.plants = lambda: [plants.Plant(n, f"bug_{n}", "fuzz_heap") for n in (1, 2, 3, 4, 5)]
sys.argv[1:] = ["--seeds", "3", "--plant", "1", "--plant", "2..3", "--plant", "5"]
with (contextlib.redirect_stdout(io.StringIO()) as said,
      contextlib.redirect_stderr(io.StringIO()) as complaints):
    status = plants.main()
rows = [line.split() for line in said.getvalue().splitlines() if " bug_" in line]
lines = {cells[0]: cells for cells in rows}
problems = []


def expect(what, true):
    if not true:
        problems.append(what)


expect("exit 1 when one is missed", status == 1)
expect("only those asked for", "4" not in lines)
expect("bug 1: two inputs, the third is the first",
       lines["1"][3] == "2" and lines["1"][4].endswith("/3"))
expect("bug 1: not found by mutation, but found",
       lines["1"][5:] == ["0", "of", "3", "checker", "ASH-TEST"])
expect("mutation starts from what does not show it", started[1] == ["a", "c"])
expect("bug 2: medians of two of three runs",
       lines["2"][3:] == ["0", "2", "of", "3", "2.0", "20", "checker", "ASH-TEST"])
expect("inputs that show a bug are left",
       [(scratch / "fuzzing" / f"plant-libfuzzer-{n}.input").exists() for n in (1, 2, 3)] ==
       [True, True, False])
expect("bug 3 is missed", lines["3"][3:] == ["0", "0", "of", "3", "MISSED"])
expect("bug 5: what does not show it again is said, and not counted",
       lines["5"][3:7] == ["0", "1", "of", "3"] and complaints.getvalue().count("again") == 2)
expect("the sum", "3 of 4 planted bugs found with libfuzzer, 2 of them by mutation"
       in said.getvalue())
for problem in problems:
    print(f"not so: {problem}")
if problems:
    print(said.getvalue(), started)
sys.exit(1 if problems else 0)
