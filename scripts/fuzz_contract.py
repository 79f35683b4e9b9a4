"""What ClusterFuzz's builders promise to fuzz/build.sh, and what its runners ask of the result.

The environment is that of OSS-Fuzz's base-builder image (its Dockerfile, compile, compile_libfuzzer
and compile_afl), with the compilers and engines that are installed. The checks are those of
base-runner (test_all.py, bad_build_check, run_fuzzer), with its thresholds, and what the
documentation asks for besides: seeds, dictionary, options, nothing linked that a runner has not.

A check is a function of one output; it returns what is wrong, or None. tests/fuzz/test_contract.py
breaks an output once for each.
"""
import configparser
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import fuzz_engine as fe

UNDEFINED = ("array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,"
             "return,returns-nonnull-attribute,shift,signed-integer-overflow,unreachable,"
             "vla-bound,vptr")
SANITIZERS = {
    "address": "-fsanitize=address -fsanitize-address-use-after-scope",
    "undefined": f"-fsanitize={UNDEFINED},unsigned-integer-overflow "
                 f"-fno-sanitize-recover={UNDEFINED}",
    "memory": "-fsanitize=memory -fsanitize-memory-track-origins",
    # No sanitizer, but named as one: for reports of the lines that a corpus reaches.
    "coverage": "-fprofile-instr-generate -fcoverage-mapping -pthread -Wl,--no-as-needed -Wl,-ldl "
                "-Wl,-lm -Wno-unused-command-line-argument",
}
ENGINES = ["libfuzzer", "afl"]
COMMON = ("-O1 -fno-omit-frame-pointer -gline-tables-only "
          "-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION")
# How base-runner sets the sanitizers up, but for paths and colours.
RUNNER = {
    "ASAN_OPTIONS": "alloc_dealloc_mismatch=0:allocator_may_return_null=1:symbolize=0:"
                    "allocator_release_to_os_interval_ms=500:check_malloc_usable_size=0:"
                    "detect_odr_violation=0:detect_leaks=1:detect_stack_use_after_return=1:"
                    "handle_abort=1:handle_segv=1:handle_sigill=1:quarantine_size_mb=10:"
                    "strict_memcmp=1",
    "MSAN_OPTIONS": "print_stats=1:symbolize=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:print_summary=1:silence_unsigned_overflow=1:symbolize=0",
}
LIMITS = ["-rss_limit_mb=2560", "-timeout=25"]
RUNS = 4
EDGES_MIN = 100
# Calls that only instrumented code has (base-runner counts all of a sanitizer's functions, of which
# its runtime has thousands): at least so many in a build with it, at most in one without.
CALLS = {"asan": "__asan_(?:report_)?(?:load|store)", "msan": "__msan_(?:maybe_)?warning",
         "ubsan": "__ubsan_handle"}
CALLS_MIN = {"asan": 1000, "msan": 1000, "ubsan": 169}
CALLS_MAX = {"asan": 0, "msan": 3, "ubsan": 200}
CALL_OF = {"address": "asan", "memory": "msan", "undefined": "ubsan"}
LIBRARIES = re.compile(r"(libc|libm|libpthread|libdl|librt|libgcc_s|ld-linux-\S+)\.so(\.\d+)?")
OPTIONS = {"libfuzzer": {"dict", "max_len", "len_control", "timeout", "rss_limit_mb", "only_ascii",
                         "close_fd_mask", "use_value_profile"},
           "asan": None, "msan": None, "ubsan": None}
DICTIONARY_WORD = re.compile(r'(\w+(@\d+)?\s*=\s*)?"([^"\\]|\\["\\]|\\x[0-9a-fA-F]{2})+"')


def build_environment(sanitizer, engine, out, work):
    """What build.sh sees. The image's C++ runtime is an archive only, and its operator new gives
    way to a sanitizer's."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("AFL_", "CMAKE_", "ASHLAR_")) and name != "LDFLAGS"}
    flags = f"{COMMON} {SANITIZERS[sanitizer]}"
    if engine == "libfuzzer":
        env.update(CC="clang", CXX="clang++", LIB_FUZZING_ENGINE="-fsanitize=fuzzer")
        flags += " -fsanitize=fuzzer-no-link" if sanitizer != "coverage" else ""
    else:
        driver = next(p for p in map(Path, ("/usr/lib/afl", "/usr/local/lib/afl")) if p.is_dir())
        env.update(CC="afl-clang-fast", CXX="afl-clang-fast++", AFL_QUIET="1",
                   LIB_FUZZING_ENGINE=str(driver / "libAFLDriver.a"))
    env.update(CFLAGS=flags, CXXFLAGS=f"{flags} -static-libstdc++ -Wl,-z,muldefs", OUT=str(out),
               WORK=str(work), SANITIZER=sanitizer, FUZZING_ENGINE=engine, CMAKE_GENERATOR="Ninja")
    return env


class Output(NamedTuple):
    """One harness as it lies in OUT; checks count in `facts`."""
    out: Path
    name: str
    sanitizer: str
    engine: str
    facts: dict

    @property
    def program(self):
        return self.out / self.name

    @property
    def archive(self):
        return self.out / f"{self.name}_seed_corpus.zip"

    def run(self, *command, cwd, seconds=120, **more):
        """As a runner does it: not where it was built, OUT not known, with the options for sanitizers
        that lie beside it. (exit code, what it said)"""
        env = {**os.environ, **RUNNER, **more}
        env.pop("OUT", None)
        parser = configparser.ConfigParser()
        parser.read(self.out / f"{self.name}.options")
        for section in {"asan", "msan", "ubsan"} & set(parser.sections()):
            for option in parser[section].items():
                env[f"{section.upper()}_OPTIONS"] += ":" + "=".join(option)
        try:
            done = subprocess.run([*fe.STEADY, *map(str, command)], cwd=cwd, env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            return 124, (late.stdout or b"").decode(errors="replace")
        return done.returncode, done.stdout.decode(errors="replace")

    def unpacked(self, folder):
        with zipfile.ZipFile(self.archive) as archive:
            archive.extractall(folder)
        return sorted(Path(folder).iterdir())


def tail(text):
    return "\n" + text[-1500:]


def read(*command):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True,
                          errors="replace", check=True).stdout


def named(o, _tmp):
    if not re.fullmatch(r"[A-Za-z0-9_-]+", o.name):
        return "a name of letters, digits, _ and - only"
    if not os.access(o.program, os.X_OK):
        return "is not there, or cannot be executed"
    content = o.program.read_bytes()
    if not content.startswith(b"\x7fELF") or b"LLVMFuzzerTestOneInput" not in content:
        return "is not taken for a fuzz target"
    return None


def seed_corpus(o, _tmp):
    if not o.archive.is_file():
        return f"there is no {o.archive.name}"
    with zipfile.ZipFile(o.archive) as archive:
        names = [entry.filename for entry in archive.infolist() if entry.file_size > 0]
        if archive.testzip() is not None or not names or any("/" in name for name in names):
            return "the seed corpus is broken, empty, or has folders"
    return None


def dictionary(o, _tmp):
    path = o.out / f"{o.name}.dict"
    if not path.is_file():
        return f"there is no {path.name}"
    lines = [line.strip() for line in path.read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in lines if not DICTIONARY_WORD.fullmatch(line)]
    return f"not a word of a dictionary: {wrong[0]}" if wrong else None if lines else "it is empty"


def options(o, _tmp):
    path = o.out / f"{o.name}.options"
    if not path.is_file():
        return f"there is no {path.name}"
    parser = configparser.ConfigParser()
    parser.read(path)
    for section in parser.sections():
        if section not in OPTIONS:
            return f"no runner reads the section [{section}]"
        known = OPTIONS[section]
        unknown = [name for name in parser[section] if known is not None and name not in known]
        if unknown:
            return f"not an option that runners know: {unknown[0]}"
    return None if parser.sections() else "it says nothing"


def libraries(o, _tmp):
    dynamic = read("readelf", "-dW", o.program)
    foreign = [name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
               if not LIBRARIES.fullmatch(name)]
    if foreign:
        return f"needs {', '.join(foreign)}, which runners may not have"
    return "has a path to libraries" if re.search(r"\((RPATH|RUNPATH)\)", dynamic) else None


def sanitizer(o, _tmp):
    code = read("objdump", "-d", "--no-show-raw-insn", o.program)
    calls = {kind: len(re.findall(rf"callq?\s+[0-9a-f]+\s+<{pattern}", code))
             for kind, pattern in CALLS.items()}
    wanted = CALL_OF[o.sanitizer]
    o.facts["calls"] = calls[wanted]
    if calls[wanted] < CALLS_MIN[wanted]:
        return f"{calls[wanted]} calls of {wanted}, not {CALLS_MIN[wanted]}"
    mixed = [kind for kind in calls if kind != wanted and calls[kind] > CALLS_MAX[kind]]
    return f"{calls[mixed[0]]} calls of {mixed[0]}, too" if mixed else None


def engine(o, _tmp):
    names = read("nm", o.program)
    if o.engine == "libfuzzer":
        return None if "LLVMFuzzerRunDriver" in names else "libFuzzer is not in it"
    content = o.program.read_bytes()
    marks = [mark for mark in (b"##SIG_AFL_PERSISTENT##", b"##SIG_AFL_DEFER_FORKSRV##")
             if mark not in content]
    missing = [n for n in ("__afl_area_ptr", "__afl_persistent_loop") if n not in names]
    return "AFL++ is not in it, or not in persistent mode" if marks or missing else None


def starts(o, tmp):
    """libFuzzer, which is the program itself; for AFL++ see fuzzes."""
    if o.engine == "afl":
        return None
    code, said = o.run(o.program, "-seed=1337", f"-runs={RUNS}", *LIMITS, cwd=tmp)
    if code != 0 or f"Done {RUNS} runs" not in said:
        return f"exit {code} instead of {RUNS} runs" + tail(said)
    edges = re.search(r"INFO: Loaded \d+ modules? +\((\d+) (inline 8-bit counters|guards)\)", said)
    o.facts["edges"] = seen = int(edges.group(1)) if edges else 0
    return None if seen > EDGES_MIN else f"{seen} edges, not more than {EDGES_MIN}"


def seeds(o, tmp):
    files = o.unpacked(tmp / "seeds")
    if o.engine == "libfuzzer":
        code, said = o.run(o.program, "-runs=0", *LIMITS, tmp / "seeds", cwd=tmp, seconds=900)
        ran = re.search(r"INFO: seed corpus: files: (\d+)", said)
        reached = re.search(r"INITED cov: (\d+)", said)
        ran = int(ran.group(1)) if ran and reached else 0
        o.facts["reached"] = int(reached.group(1)) if reached else 0
    else:
        code, said = o.run(o.program, *files, cwd=tmp, seconds=900)
        ran = said.count("Execution successful")
    o.facts["seeds"] = ran
    if code == 0 and ran == len(files):
        return None
    return f"exit {code}, {ran} seeds of {len(files)}" + tail(said)


def fuzzes(o, tmp):
    """AFL++ sees edges when the seeds run, and starts with one of them and the dictionary."""
    if o.engine == "libfuzzer":
        return None
    files = o.unpacked(tmp / "seeds")
    env = {"AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
           "AFL_TRY_AFFINITY": "1", "AFL_FAST_CAL": "1", "AFL_FORKSRV_INIT_TMOUT": "30000",
           "ASAN_OPTIONS": f"{RUNNER['ASAN_OPTIONS']}:abort_on_error=1",
           "MSAN_OPTIONS": f"{RUNNER['MSAN_OPTIONS']}:exit_code=86"}
    code, said = o.run("afl-showmap", "-C", "-q", "-m", "none", "-t", "25000", "-i", tmp / "seeds",
                       "-o", tmp / "map", "--", o.program, cwd=tmp, seconds=900, **env)
    tuples = len((tmp / "map").read_text().splitlines()) if (tmp / "map").exists() else 0
    o.facts["reached"] = tuples
    if code != 0 or tuples <= EDGES_MIN:
        return f"afl-showmap: exit {code}, {tuples} edges, not more than {EDGES_MIN}" + tail(said)
    (tmp / "first").mkdir()
    shutil.copy(files[0], tmp / "first")
    code, said = o.run("afl-fuzz", "-m", "none", "-t", "5000+", "-V", "1", "-i", tmp / "first",
                       "-o", tmp / "fuzzed", "-x", o.out / f"{o.name}.dict", "--", o.program,
                       cwd=tmp, **env)
    if code != 0 or "All set and ready to roll" not in said:
        return f"afl-fuzz: exit {code}" + tail(said)
    return None


def profiles(o, tmp):
    """As base-runner's `coverage` does: the seeds are run by a merge, which leaves a profile."""
    o.unpacked(tmp / "seeds")
    (tmp / "merged").mkdir()
    code, said = o.run(o.program, "-merge=1", "-timeout=100", tmp / "merged", tmp / "seeds", cwd=tmp,
                       seconds=900, LLVM_PROFILE_FILE=str(tmp / "%p.profraw"))
    sizes = [path.stat().st_size for path in tmp.glob("*.profraw")]
    return None if code == 0 and max(sizes, default=0) > 10000 else \
        f"exit {code}, profiles of {sizes} bytes" + tail(said)


CHECKS = [named, seed_corpus, dictionary, options, libraries, engine, starts, seeds, sanitizer,
          fuzzes]
CHECKS_OF_COVERAGE = [named, seed_corpus, dictionary, options, libraries, engine, profiles]


def check(output):
    """None, or the first check that fails and what is wrong; those behind it would repeat it."""
    for one in CHECKS_OF_COVERAGE if output.sanitizer == "coverage" else CHECKS:
        with tempfile.TemporaryDirectory() as tmp:
            wrong = one(output, Path(tmp))
        if wrong is not None:
            return one.__name__, wrong
    return None
