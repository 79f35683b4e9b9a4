"""What is measured: cases of four kinds, each a function from an allocator to one run's figures.

A run's figures are a dictionary: cpu_ns, wall_ns, memory_kib (the peak, less what the harness itself
holds) and, of the kinds that count them, operations and grown_kib (the peak less what was resident
when the work began, the allocator's own start included).
"""
import dataclasses
import json
import pathlib
import re
import resource
import signal
import subprocess
import typing

KINDS = ["patterns", "replays", "programs", "sizes", "live"]
COUNTS = "instructions"  # a kind that is run only when it is named
# Kinds that the aim for time and memory is about.
AIMED = ["patterns", "replays"]
LONGEST_SECONDS = 100  # of processor time
HUNG_SECONDS = 900
EXIT_NO_ROOM = 6  # see sizes.c


class Failed(Exception):
    """A run that did not do its work"""


class TooLong(Failed):
    """A run that was ended because it took too long"""


class NoRoom(Exception):
    """A case that this machine has no memory for"""


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str
    name: str
    title: str
    run: typing.Callable  # allocator -> figures

    @property
    def key(self):
        return f"{self.kind}/{self.name}"


def limit_time():
    """For the process that is about to become the program"""
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_SECONDS, LONGEST_SECONDS + 5))


def run_program(command, allocator):
    """Standard output of a program of ours on that allocator"""
    process = subprocess.Popen([str(part) for part in command], env=allocator.environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=limit_time)
    try:
        output, said = process.communicate(timeout=HUNG_SECONDS)
    except subprocess.TimeoutExpired as late:
        process.kill()
        process.communicate()
        raise TooLong("hangs") from late
    if process.returncode == -signal.SIGXCPU:
        raise TooLong(f"over {LONGEST_SECONDS} s")
    if process.returncode == EXIT_NO_ROOM:
        raise NoRoom(said.strip())
    if process.returncode != 0:
        raise Failed(f"status {process.returncode}: {said.strip()[-300:]}")
    # A library that cannot be preloaded leaves the C library's allocator in its place.
    if "LD_PRELOAD" in said:
        raise Failed(said.strip())
    return output


def figures(output):
    """Of what meter_print wrote"""
    run = json.loads(output)
    run["memory_kib"] = run["peak_kib"] - run["own_kib"]
    run["grown_kib"] = run["peak_kib"] - run["start_kib"]
    return run


def runner(command):
    return lambda allocator: figures(run_program(command, allocator))


def listed(program):
    lines = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def pattern_cases(folder, cpu):
    program = folder / "ashlar-bench-patterns"
    for row in listed(program):
        # One thread stays on one CPU; two are left to the scheduler.
        pinned = ["--cpu", cpu] if row["threads"] == 1 else []
        yield Case("patterns", row["name"], row["title"], runner([program, row["name"], *pinned]))


def replay_cases(folder, cpu, root):
    program = folder / "ashlar-bench-replay"
    threaded = {"git-repack", "python3-threads", "xz"}
    for path in sorted((root / "corpus" / "recorded").glob("*.ashtrace")):
        pinned = [] if path.stem in threaded else ["--cpu", cpu]
        yield Case("replays", path.stem, f"trace of {path.stem}", runner([program, path, *pinned]))


def count_instructions(program, name, operations, allocator):
    """Of one run, harness and all, under Valgrind, which counts the same every time"""
    output = run_program(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                          "--log-fd=1", program, name, "--operations", operations], allocator)
    return int(re.search(r"Collected : (\d+)", output)[1])


def instructions(program, name, operations, allocator):
    """For each operation, start and end left out: what twice as many take more"""
    few, many = (count_instructions(program, name, times * operations, allocator)
                 for times in (1, 2))
    return {"instructions": (many - few) / operations}


def instruction_cases(folder):
    program = folder / "ashlar-bench-patterns"
    for row in listed(program):
        # Valgrind runs threads in turns, and what the system does is not in its count. One phase of
        # `phases` is more than is run here.
        if row["threads"] > 1 or row["operations"] < 1000000 or row["name"] == "phases":
            continue
        operations = min(row["operations"] // 20, 400000)
        yield Case(COUNTS, row["name"], row["title"],
                   lambda allocator, name=row["name"], operations=operations:
                   instructions(program, name, operations, allocator))


def size_cases(folder, cpu):
    program = folder / "ashlar-bench-sizes"
    for power in range(4, 27):
        yield Case("sizes", str(1 << power), f"blocks of {in_units(1 << power)}",
                   runner([program, "size", 1 << power, "--cpu", cpu]))
    for live in [1000, 10000, 100000, 1000000, 10000000, 50000000]:
        yield Case("live", str(live), f"{live:,} blocks of 16-112 B live",
                   runner([program, "live", live, "--cpu", cpu]))


def in_units(count):
    for unit in ["B", "KiB", "MiB"]:
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} GiB"


def in_thousands(count):
    for unit in ["", " k", " M"]:
        if count < 1000:
            return f"{count}{unit}"
        count //= 1000
    return f"{count} G"


def cases(root, build, cpu, work):
    from .programs import program_cases
    folder = pathlib.Path(build) / "bench"
    yield from pattern_cases(folder, cpu)
    yield from replay_cases(folder, cpu, root)
    yield from program_cases(build, work)
    yield from size_cases(folder, cpu)
    yield from instruction_cases(folder)
