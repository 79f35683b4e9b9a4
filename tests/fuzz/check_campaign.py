#!/usr/bin/env python3
"""scripts/fuzz as a campaign, with an engine that is played: the time is divided evenly, a harness
that found something gets no more turns while the others go on, what one engine kept is where the
next one starts, and the end is a table, the findings and exit 1. A finding is whole before its engine
is ended.

  check_campaign.py SOURCE_DIRECTORY SCRATCH_DIRECTORY
"""
import contextlib
import io
import os
import sys
from pathlib import Path

from script import load

root, scratch = Path(sys.argv[1]), Path(sys.argv[2])
fuzz = load(root, "fuzz", scratch)
turns = []


class Campaign(fuzz.fe.Campaign):
    """Finds something with the second turn of fuzz_misuse, and keeps one input every time."""

    def run(self):
        harness = self.binary.name
        had = {p.read_bytes() for p in self.inputs.iterdir()}
        turns.append((harness, self.engine, self.seconds, had))
        self.elapsed, self.found = 2.0, []
        self.stats.write_bytes(b"".join(n.to_bytes(8, "little") for n in (10, 100, 5, 0)))
        self.kept = self.directory / "input"
        self.kept.write_text(f"{harness} turn {len(turns)}")
        if len([t for t in turns if t[0] == harness == "fuzz_misuse"]) == 2:
            self.found = [self.kept]
        return self.found

    def coverage(self):
        return 7, 1

    def kept_inputs(self):
        return [self.kept]

    def minimize(self):
        return [self.kept]


class Slow(fuzz.fe.Campaign):
    """An engine that takes its time to write its finding down."""

    def command(self, job):
        name = self.crashes / "crash-1"
        return ["sh", "-c", f"printf first >'{name}'; sleep 0.5; printf ' rest' >>'{name}'"]


whole = Slow("libfuzzer", "none", scratch / "slow", 10, seeds=()).run()[0].read_text()

# A tool that cannot minimise: everything is kept. Its next word is about an input that is enough.
afl = Slow("afl", "none", scratch / "afl", 10, seeds=())
queue = afl.corpus / "main" / "queue"
queue.mkdir(parents=True)
for name in "one", "two":
    (queue / name).write_text(name)
(scratch / "bin").mkdir()
tool = scratch / "bin" / "afl-cmin"
os.environ["PATH"] = f"{scratch}/bin:{os.environ['PATH']}"
tool.write_text("#!/bin/sh\necho no coverage\nexit 1\n")
tool.chmod(0o755)
with contextlib.redirect_stderr(io.StringIO()) as complaint:
    all_kept = [p.name for p in afl.minimize()]
tool.write_text('#!/bin/sh\nmkdir "$4" && cp "$2/two" "$4"\n')
enough = [p.name for p in afl.minimize()]
fuzz.fe.Campaign = Campaign
fuzz.fe.build = lambda *_: None
fuzz.fe.mutator_library = lambda: None
fuzz.fe.replay = lambda *_: "FINDING code=ASH-TEST layer=checker operation=1"
fuzz.fe.HARNESSES = {name: fuzz.fe.HARNESSES[name]._replace(seeds=[])
                     for name in ("fuzz_misuse", "fuzz_parse")}
sys.argv[1:] = ["--harness", "all", "--engine", "both", "--time", "80", "--rounds", "2"]
with contextlib.redirect_stdout(io.StringIO()) as said:
    status = fuzz.main()
said = said.getvalue()
order = [(harness, engine) for harness, engine, _, _ in turns]
both = ["libfuzzer", "afl"]
problems = []


def expect(what, true):
    if not true:
        problems.append(what)


expect("all are kept where none is known to be enough", all_kept == ["one", "two"])
expect("which is said", "no coverage" in complaint.getvalue())
expect("else those that are", enough == ["two"])
expect("the finding is whole", whole == "first rest")
expect("exit 1 at a finding", status == 1)
expect("two rounds, the second without fuzz_misuse",
       order == [("fuzz_misuse", e) for e in both] + [("fuzz_parse", e) for e in both] * 2)
expect("80 s for eight turns", {seconds for _, _, seconds, _ in turns} == {10})
expect("AFL++ starts from what libFuzzer kept", b"fuzz_parse turn 3" in turns[3][3])
expect("libFuzzer starts from what AFL++ kept",
       {b"fuzz_parse turn 3", b"fuzz_parse turn 4"} <= turns[4][3])
kept = {p.read_text() for p in (scratch / "fuzzing/kept/fuzz_parse").iterdir()}
expect("what is enough is kept", kept == {"fuzz_parse turn 5", "fuzz_parse turn 6"})
expect("a row of the table", "| `fuzz_parse` | afl | 4 | 20 | 5 | 50 | 7 | 1 | 1 | 0 |" in said)
expect("the finding is listed", "findings     1\n  checker: ASH-TEST\n" in said)
expect("and its input is saved", len(list((scratch / "fuzzing/findings").iterdir())) == 1)
for problem in problems:
    print(f"not so: {problem}")
if problems:
    print(said, *turns, sep="\n")
sys.exit(1 if problems else 0)
