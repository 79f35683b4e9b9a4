"""What scripts/fuzz and scripts/fuzz-plants share: building a harness, running an engine, reading
what it left behind.

Each campaign has a directory of its own under the build tree: corpus, logs, crashes and `stats`,
four counters that all processes of the campaign share (fuzz/fuzz_heap.c).
"""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BUILD_ROOT = Path(os.environ.get("ASHLAR_BUILD_ROOT", ROOT / "build"))
FUZZING = BUILD_ROOT / "fuzzing"
SEEDS = ROOT / "corpus" / "fuzz_heap"
THREAD_SEEDS = ROOT / "corpus" / "fuzz_threads"
REGRESSIONS = ROOT / "corpus" / "regressions"
# 1,024 operations: long enough to fill several slabs, short enough for thousands a second.
INPUT_BYTES = 8 + 24 * 1024
TIMEOUT_SECONDS = 20
FINISH_SECONDS = 10  # for an engine to write down what it found


class Program(NamedTuple):
    """Where a harness comes from: a target of a preset, and its file in the build directory."""
    preset: str
    target: str
    path: str


class Harness(NamedTuple):
    """What a harness starts from, whether its inputs are raw traces, how one is run again; for
    harnesses of an allocator (ashlar_add_fuzz_targets) the folder that its programs are in, and
    which target library.c is to take."""
    seeds: list
    traces: bool
    again: str
    folder: str = ""
    target: str = ""


HARNESSES = {
    "fuzz_heap": Harness([SEEDS, REGRESSIONS], True,
                         "ashlar replay --misuse expect --verify each --raw"),
    "fuzz_faults": Harness([SEEDS, REGRESSIONS], True, "fuzz_faults"),
    "fuzz_misuse": Harness([SEEDS, REGRESSIONS], True, "fuzz_misuse"),
    "fuzz_parse": Harness([ROOT / "corpus" / "fuzz_parse"], False, "fuzz_parse"),
    "fuzz_threads": Harness([THREAD_SEEDS], True,
                            "ashlar replay --misuse expect --verify each --raw"),
    "fuzz_corrupt": Harness([SEEDS, REGRESSIONS], True, "fuzz_corrupt"),
    # fuzz_target: on the teaching allocator without its bugs, and on the core through its malloc.
    "fuzz_teach": Harness([SEEDS], True, "fuzz_teach_replay_address", "fuzz/examples"),
    "fuzz_ashlar": Harness([SEEDS], True, "ASHLAR_FUZZ_TARGET=ashlar fuzz_ashlar_libfuzzer_address",
                           "fuzz", "ashlar"),
}
ENGINES = ("libfuzzer", "afl")


def program(name, engine):
    """Where the program of a harness for an engine is built."""
    folder = HARNESSES[name].folder
    if not folder:
        return Program(presets(engine), name, f"fuzz/{name}")
    file = f"{name}_{engine}_address"
    return Program("release", f"{file}_program", f"{folder}/{file}")


def environment(binary):
    """What a program of a harness runs in."""
    env = dict(os.environ, **SANITIZERS)
    for name, harness in HARNESSES.items():
        if harness.target and Path(binary).name.startswith(name + "_"):
            env["ASHLAR_FUZZ_TARGET"] = harness.target
    return env


def is_input(path):
    """Every file of a corpus but what is there for people."""
    return path.is_file() and not path.name.startswith(("README", "."))

SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:symbolize=0:detect_leaks=0:allocator_may_return_null=1:"
                    "handle_abort=0:quarantine_size_mb=16:detect_odr_violation=0",
    "UBSAN_OPTIONS": "print_stacktrace=0:halt_on_error=1:abort_on_error=1:symbolize=0",
}
AFL = {
    "AFL_NO_UI": "1",
    "AFL_SKIP_CPUFREQ": "1",
    "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
    "AFL_NO_AFFINITY": "1",
    "AFL_NO_STARTUP_CALIBRATION": "1",
    "AFL_CMPLOG_ONLY_NEW": "1",
    "AFL_LLVM_DENYLIST": str(ROOT / "fuzz" / "coverage_ignore.txt"),
    "AFL_QUIET": "1",
}


def steady():
    """Clang 14's sanitizers cannot start when the kernel randomizes more than 28 bits of addresses;
    where it does, sanitized programs run without randomization, if that is allowed."""
    try:
        bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text())
    except (OSError, ValueError):
        return []
    prefix = ["setarch", os.uname().machine, "-R"]
    if bits <= 28 or shutil.which("setarch") is None:
        return []
    return prefix if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0 else []


STEADY = steady()


def fail(message):
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(2)


def build(preset, *targets):
    """Configures (once) and builds; returns the build directory."""
    directory = BUILD_ROOT / preset
    env = dict(os.environ, **AFL)
    steps = []
    if not (directory / "build.ninja").exists():
        steps.append(["cmake", "--preset", preset, "-B", str(directory), "-S", str(ROOT)])
    steps.append(["cmake", "--build", str(directory), "-j", "2", "--target", *targets])
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(done.stdout, file=sys.stderr)
            fail(f"the build failed: {' '.join(step)}")
    return directory


def presets(engine):
    return {"libfuzzer": "fuzz", "afl": "afl"}[engine]


def mutator_library():
    """What runs within afl-fuzz comes from a build without sanitizers."""
    return build("release", "ashlar_mutator") / "fuzz" / "libashlar_mutator.so"


class Campaign:
    """One engine, some processes, one harness, until a time limit or the first finding."""

    def __init__(self, engine, binary, directory, seconds, jobs=1, seeds=(SEEDS,), seed=1,
                 mutator=None):
        self.engine, self.binary, self.directory = engine, Path(binary), Path(directory)
        self.seconds, self.jobs, self.seed, self.mutator = seconds, jobs, seed, mutator
        shutil.rmtree(self.directory, ignore_errors=True)
        self.corpus = self.directory / "corpus"
        self.crashes = self.directory / "crashes"
        self.corpus.mkdir(parents=True)
        self.crashes.mkdir()
        self.stats = self.directory / "stats"
        self.logs, self.processes = [], []
        self.gather_seeds(seeds)

    def gather_seeds(self, seeds):
        """Both engines get a flat copy of files and folders: neither may write to the tree."""
        self.inputs = self.directory / "seeds"
        self.inputs.mkdir()
        for place in map(Path, seeds):
            for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if is_input(path):
                    shutil.copyfile(path, self.inputs / path.name)
        if not any(self.inputs.iterdir()):
            (self.inputs / "empty").write_bytes(bytes(8 + 24))

    def dictionaries(self):
        words = ROOT / "fuzz" / f"{self.binary.name}.dict"
        return [words] if words.exists() else []

    def command(self, job):
        if self.engine == "libfuzzer":
            return [*STEADY, str(self.binary), str(self.corpus), str(self.inputs),
                    f"-seed={self.seed + job}", f"-max_total_time={self.seconds}",
                    f"-max_len={INPUT_BYTES}", f"-timeout={TIMEOUT_SECONDS}",
                    f"-artifact_prefix={self.crashes}/", "-rss_limit_mb=3000", "-reload=1",
                    "-len_control=1", "-print_final_stats=1",
                    *[f"-dict={d}" for d in self.dictionaries()],
                    "-entropic=1", "-entropic_scale_per_exec_time=1", "-use_value_profile=0"]
        role = ["-M", "main"] if job == 0 else ["-S", f"other{job}"]
        return [*STEADY, "afl-fuzz", "-i", str(self.inputs), "-o", str(self.corpus), *role,
                "-V", str(self.seconds), "-G", str(INPUT_BYTES), "-t", f"{TIMEOUT_SECONDS}000",
                "-m", "none", "-s", str(self.seed + job),
                *[word for d in self.dictionaries() for word in ("-x", str(d))], "--", str(self.binary)]

    def start(self):
        env = dict(environment(self.binary), ASHLAR_FUZZ_STATS=str(self.stats))
        if self.engine == "afl":
            env.update(AFL)
            env["ASAN_OPTIONS"] += ":symbolize=0"
            if self.mutator:
                env["AFL_CUSTOM_MUTATOR_LIBRARY"] = str(self.mutator)
        self.started = time.monotonic()
        for job in range(self.jobs):
            log = self.directory / f"log{job}"
            self.logs.append(log)
            with open(log, "wb") as stream:
                self.processes.append(subprocess.Popen(
                    self.command(job), stdout=stream, stderr=subprocess.STDOUT, env=env,
                    cwd=self.directory, start_new_session=True))

    def run(self):
        """Until the first finding, the end of the time, or the end of a process that cannot run."""
        self.start()
        limit = self.started + self.seconds + 60
        try:
            while time.monotonic() < limit:
                if self.finding_files() or all(p.poll() is not None for p in self.processes):
                    break
                time.sleep(0.05)
        finally:
            self.elapsed = time.monotonic() - self.started
            self.let_finish()
            self.stop()
        self.found = self.finding_files()
        return self.found

    def let_finish(self):
        """libFuzzer ends at its finding: before, the file may not be whole. (AFL++ writes it before
        it obeys a signal.)"""
        limit = time.monotonic() + FINISH_SECONDS
        while (self.engine == "libfuzzer" and self.finding_files() and time.monotonic() < limit
               and all(p.poll() is None for p in self.processes)):
            time.sleep(0.05)

    def stop(self):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes:
                if process.poll() is None:
                    try:
                        os.killpg(process.pid, sign)
                    except ProcessLookupError:
                        pass
            for process in self.processes:
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    pass

    def finding_files(self):
        """Inputs that an engine kept as crashes, hangs or memory eaters."""
        if self.engine == "libfuzzer":
            return sorted(p for p in self.crashes.iterdir() if p.name[:4] != "slow")
        return sorted(p for kind in ("crashes", "hangs")
                      for p in self.corpus.glob(f"*/{kind}/id*"))

    def counters(self):
        return counters(self.stats)

    def coverage(self):
        """(edges, inputs kept), as the engine counts them."""
        edges = kept = 0
        if self.engine == "libfuzzer":
            for log in self.logs:
                text = log.read_text(errors="replace")
                edges = max([edges] + [int(n) for n in re.findall(r" cov: (\d+)", text)])
            kept = sum(1 for p in self.corpus.iterdir() if p.is_file())
        else:
            for stats in self.corpus.glob("*/fuzzer_stats"):
                fields = dict(re.findall(r"^(\w+)\s*: (.*)$", stats.read_text(), re.M))
                edges = max(edges, int(fields.get("edges_found", 0)))
                kept = max(kept, int(fields.get("corpus_count", 0)))
        return edges, kept

    def kept_inputs(self):
        """The inputs that the engine found worth keeping, its seeds among them for AFL++."""
        places = [self.corpus] if self.engine == "libfuzzer" else self.corpus.glob("*/queue")
        return sorted(p for place in places for p in place.iterdir() if is_input(p))

    def minimize(self):
        """Of the inputs kept, those that are enough for the same coverage; all, and a word about it,
        when the engine cannot tell. (`-`: AFL++'s driver reads one input, which shows afl-cmin that
        there is coverage.)"""
        out = self.directory / "minimized"
        env = dict(environment(self.binary), **(AFL if self.engine == "afl" else {}),
                   AFL_ALLOW_TMP="1")
        if self.engine == "libfuzzer":
            out.mkdir()
            command = [*STEADY, str(self.binary), "-merge=1", str(out), str(self.corpus),
                       str(self.inputs)]
        else:
            command = [*STEADY, "afl-cmin", "-i", str(self.corpus / "main" / "queue"), "-o",
                       str(out), "-m", "none", "--", str(self.binary), "-"]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        enough = sorted(p for p in out.iterdir() if is_input(p)) if out.is_dir() else []
        if enough:
            return enough
        print(f"{self.binary.name}: not minimised: {done.stdout.decode(errors='replace')[-500:]}",
              file=sys.stderr)
        return self.kept_inputs()

    def broke_down(self):
        """What the engine said when it never ran: no input counted, nothing found."""
        if self.counters()[0] or self.found:
            return None
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in self.logs)


def counters(stats):
    """(inputs, operations, skipped, misuses reported) of all processes together."""
    try:
        return struct.unpack("<4Q", Path(stats).read_bytes()[:32])
    except (OSError, struct.error):
        return (0, 0, 0, 0)


def replay(binary, *paths, stats=None):
    """Runs a harness on files; returns what it printed. `stats`: where it is to count."""
    env = dict(environment(binary), **({"ASHLAR_FUZZ_STATS": str(stats)} if stats else {}))
    try:
        done = subprocess.run([*STEADY, str(binary), *map(str, paths)], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=2 * TIMEOUT_SECONDS + len(paths))
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace") + "\nERROR: libFuzzer: timeout"
    return done.stdout.decode(errors="replace")


def classify(text):
    """(layer, code) of what a harness printed about a finding. Not by lines: the rest of what a
    driver had to say may come in the middle of one."""
    found = re.search(r"FINDING code=(\S+) layer=(\S+)", text, re.M)
    if found:
        return found.group(2), found.group(1)
    found = re.search(r"ashlar: internal error: (?:.*/)?(\S+:\d+): not true: (.*)$", text, re.M)
    if found:
        return "assertion", f"{found.group(1)} {found.group(2)}"
    found = re.search(r"(?:.*/)?(\S+:\d+):\d+: runtime error: (.*)$", text, re.M)
    if found:
        return "sanitizer", f"UBSan {found.group(1)} {found.group(2)}"
    found = re.search(r"ERROR: AddressSanitizer: (\S+)", text)
    if found:
        return "sanitizer", f"ASan {found.group(1)}"
    found = re.search(r"ERROR: libFuzzer: ([a-z-]+)", text)
    if found:
        return "engine", found.group(1)
    return "none", ""
