"""The table of programs that tests/programs/run runs: one row each.

Packages are Debian's; the first one gives the version that is shown. Commands are looked up in the
system's own folders, `{work}` is tests/programs/work. The work of a row is bounded, allocates much,
uses what is hard on an allocator (threads, forks, large blocks, growth), and prints digests of what
it made, the same in every run.
"""

import re
from dataclasses import dataclass, field
from typing import Callable


def everything(text):
    return text


def without(*patterns):
    """A filter: drops lines that match one of the patterns."""
    found = re.compile("|".join(patterns))

    def drop(text):
        return "".join(line for line in text.splitlines(keepends=True) if not found.search(line))
    return drop


@dataclass
class Program:
    name: str
    packages: list
    work: str  # what it does, for the table
    command: list
    needs: list  # programs (or, with a slash, files) without which the row is skipped
    quick: bool = True  # a few seconds: part of the test suite
    prepare: str = ""  # shell commands, run before and never with the library
    environment: dict = field(default_factory=dict)
    filter: Callable = everything  # of both outputs, before they are compared
    reports: list = field(default_factory=list)  # programs of which a report must be there
    status: int = 0
    seconds: int = 120  # limit for one run
    patience: float = 5  # seconds that orphans have to end by themselves
    unprivileged: bool = False  # refuses to run as root


def without_numbers_of_processes(text):
    return re.sub(r"process [0-9]+", "process N", text)


def python_results(text):
    """What each test of `python3 -m test -v` ended with. Other output may stand between the test's
    name and its result."""
    result = re.compile(r"^(\w+) \(([\w.]+)\)(?:\n[^\n]*)? \.\.\. .*?(ok|FAIL|ERROR|skipped|expected failure)",
                        re.M)
    found = sorted(" ".join(match.groups()) for match in result.finditer(text))
    return "\n".join(found + [line for line in text.splitlines() if line.startswith("Tests result")])


PYTHON_MODULES = """
    abc argparse array ast asyncgen atexit base64 binascii bisect bool builtin bytes bz2 calendar
    cmath codecs collections compile complex contextlib copy coroutines csv ctypes datetime
    decimal deque descr dict difflib enum exceptions fileinput float fork1 fractions fstring
    functools gc generators glob grammar gzip hashlib heapq io itertools json list long lzma
    marshal math memoryview mmap operator os pickle posix pty pyexpat queue random re sched select
    selectors set shelve shutil signal slice socket sort statistics string struct subprocess
    syntax sys tempfile textwrap thread threading threading_local time timeit tokenize
    traceback tuple types typing unicode unicodedata unpack userdict uuid wait3 weakref with xml_etree
    xml_etree_c zipfile zlib
""".split()


def script(name, package, interpreter, leaf, work, **more):
    return Program(name, [package], work, [*interpreter.split(), "{work}/" + leaf],
                   [interpreter.split()[0]], **more)


PROGRAMS = [
    script("bash", "bash", "bash", "bash.sh", "arrays, pipes, subshells, a coprocess", reports=["bash"]),
    script("gawk", "gawk", "gawk -f", "gawk.awk", "arrays of arrays, 150,000 words", reports=["gawk"]),
    script("perl", "perl", "perl", "perl.pl", "300,000 words, regular expressions, 4 threads, 8 forks",
           reports=["perl"]),
    script("lua", "lua5.4", "lua5.4", "lua.lua", "tables, coroutines, both collectors",
           reports=["lua5.4"]),
    script("ruby", "ruby", "ruby", "ruby.rb", "threads, forks, fibers, compaction", reports=["ruby"]),
    script("php", "php-cli", "php -n", "php.php", "its own allocator off; cycles, serializing",
           environment={"USE_ZEND_ALLOC": "0"}, reports=["php"]),
    script("tclsh", "tcl", "tclsh", "tcl.tcl", "dictionaries, coroutines, interpreters",
           reports=["tclsh"]),
    script("node", "nodejs", "node", "node.js", "4 workers, transferred buffers, the thread pool",
           reports=["node"]),
    script("python3", "python3", "python3", "python3.py",
           "every object from malloc; threads, a fork beside them, processes, C libraries",
           environment={"PYTHONMALLOC": "malloc"}, reports=["python3"]),
    Program("sqlite3", ["sqlite3"], "120,000 rows: joins, sorts, full text, JSON, VACUUM",
            ["sqlite3", ":memory:", ".read {work}/sqlite3.sql"], ["sqlite3"], reports=["sqlite3"]),
    Program("tools", ["coreutils", "xz-utils", "zstd", "bzip2", "jq", "openssl"],
            "sort, xz and zstd with threads; bzip2, tar, find, sed, diff, jq, openssl",
            ["bash", "{work}/tools.sh"], ["sort", "xz", "zstd", "bzip2", "jq", "openssl"],
            reports=["sort", "xz", "zstd", "bzip2", "tar", "find", "sed", "diff", "jq", "openssl"]),
    Program("git", ["git"], "60 commits, clone, gc, repack, fsck, rebase, bundle",
            ["bash", "{work}/git.sh"], ["git"], reports=["git"], filter=without("^Rebasing")),
    Program("gcc", ["gcc", "g++"], "compiles and links the heap core, with LTO too; C++ templates",
            ["bash", "{work}/compile.sh", "gcc"], ["gcc", "g++"],
            reports=["gcc", "cc1", "cc1plus", "as", "ld", "lto1", "parts"]),
    Program("clang", ["clang"], "the same",
            ["bash", "{work}/compile.sh", "clang"], ["clang", "clang++"],
            reports=["clang", "ld", "parts"]),
    Program("gdb", ["gdb"], "breakpoints, stacks, Python inside", ["bash", "{work}/gdb.sh"],
            ["gdb", "gcc"], filter=without_numbers_of_processes, reports=["gdb", "debugged"]),
    Program("redis", ["redis-server", "redis-tools"],
            "redis-benchmark with 20 clients; 40,000 keys, their digest, saving by fork, reloading",
            ["bash", "{work}/redis.sh", "3000"], ["redis-server", "redis-benchmark"],
            reports=["redis-server", "redis-benchmark"]),
    Program("memcached", ["memcached"], "4 threads, a client with 6, values to 9 KB",
            ["bash", "{work}/memcached.sh"], ["memcached"], unprivileged=True,
            reports=["memcached"]),
    Program("nginx", ["nginx-light"], "2 workers, gzip, a proxy to itself, 8 clients, a reload",
            ["bash", "{work}/web.sh", "nginx"], ["nginx"], reports=["nginx"]),
    Program("z3", ["z3"], "bit vectors, integers, arrays, quantifiers", ["z3", "-smt2", "{work}/z3.smt2"],
            ["z3"], reports=["z3"]),
    Program("vim", ["vim-nox"], "30,000 lines sorted and replaced, undo, a dictionary",
            ["bash", "-c", "vim -es -N -u NONE -i NONE -S \"$WORK/vim.vim\"; cat out.txt"], ["vim"],
            reports=["vim"]),
    Program("ocaml", ["ocaml-nox"], "compiles to native and to byte code, runs both",
            ["bash", "{work}/ocaml.sh"], ["ocamlopt"], reports=["ocamlopt", "native"]),
    Program("apache", ["apache2-bin"], "threads, compression, a proxy to itself, a graceful restart",
            ["bash", "{work}/web.sh", "apache2"], ["apache2"], quick=False, reports=["apache2"]),
    Program("ghostscript", ["ghostscript"], "six pages to a raster, to PDF, and that to a raster",
            ["bash", "{work}/ghostscript.sh"], ["gs"], quick=False, reports=["gs"]),
    Program("imagemagick", ["imagemagick"], "draws, resizes, blurs, composes, encodes; threads",
            ["bash", "{work}/magick.sh"], ["convert-im6.q16"], quick=False,
            reports=["convert-im6.q16"]),
    Program("emacs", ["emacs-nox"], "buffers, byte compilation, threads, processes, collection",
            ["emacs", "--batch", "-Q", "-l", "{work}/emacs.el"], ["emacs"], quick=False,
            reports=["emacs"]),
    Program("octave", ["octave"], "matrices, cells, strings, FFT",
            ["octave-cli", "--no-gui", "--norc", "{work}/octave.m"], ["octave-cli"], quick=False,
            reports=["octave-cli"]),
    Program("java", ["openjdk-17-jdk-headless"], "compiles and runs 6 threads; direct buffers, zlib",
            ["java", "-Xmx512m", "{work}/Work.java"], ["java"], quick=False, reports=["java"]),
    Program("postgresql", ["postgresql"], "initdb, pgbench, parallel queries, JIT, dump and restore",
            ["bash", "{work}/postgres.sh", "500"], ["psql"], quick=False, unprivileged=True,
            reports=["postgres", "pgbench", "psql", "initdb"]),
    Program("mariadb", ["mariadb-server-core", "mariadb-client-core"],
            "30,000 rows, joins, full text, 4 clients side by side", ["bash", "{work}/mariadb.sh"],
            ["mariadbd", "mariadb-install-db"], quick=False, unprivileged=True,
            filter=without(r"max_open_files"), reports=["mariadbd", "mariadb"]),
    Program("ffmpeg", ["ffmpeg"], "H.264 with 4 threads, filters, FLAC, PNG",
            ["bash", "{work}/ffmpeg.sh"], ["ffmpeg"], quick=False, reports=["ffmpeg"]),
    Program("numpy", ["python3-numpy"], "arrays grown, sorted, multiplied; 4 threads",
            ["python3", "{work}/numpy_work.py"], ["/usr/lib/python3/dist-packages/numpy"], quick=False,
            reports=["python3"]),
    Program("stress-ng", ["stress-ng"], "its allocator stressor: 4 processes, contents verified",
            ["stress-ng", "--malloc", "4", "--malloc-bytes", "64M", "--malloc-ops", "40000",
             "--malloc-pthreads", "2", "--verify", "--temp-path", "tmp"],
            ["stress-ng"], quick=False, filter=without("."), reports=["stress-ng"]),
    Program("chromium", ["chromium"], "--headless --dump-dom of a local page: DOM, canvas, maps, buffers",
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--user-data-dir=profile", "--virtual-time-budget=10000", "--dump-dom",
             "file://{work}/page.html"],
            ["chromium"], quick=False, reports=["chromium"], filter=without(r"^\[[0-9:/.]+:")),
    Program("python3-tests", ["libpython3.11-testsuite", "python3.11"],
            f"`-m test` of {len(PYTHON_MODULES)} modules, every object from malloc",
            ["bash", "{work}/python_tests.sh", *(f"test_{module}" for module in PYTHON_MODULES)],
            ["/usr/lib/python3.11/test/test_gc.py"], quick=False, filter=python_results,
            environment={"PYTHONMALLOC": "malloc"}, reports=["python3"], seconds=3000),
    Program("gcc-project", ["gcc", "cmake", "ninja-build"],
            "cmake, ninja and gcc build all of Ashlar; the tests of what came out pass",
            ["bash", "{work}/project.sh", "gcc"], ["gcc", "cmake", "ninja"], quick=False,
            reports=["cmake", "ninja", "cc1", "ctest"], seconds=900),
    Program("clang-project", ["clang", "cmake", "ninja-build"], "the same with clang",
            ["bash", "{work}/project.sh", "clang"], ["clang", "cmake", "ninja"], quick=False,
            reports=["cmake", "ninja", "clang", "ctest"], seconds=900),
]
