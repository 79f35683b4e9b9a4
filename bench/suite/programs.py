"""Programs of Debian packages, unchanged, with the allocator preloaded.

Each makes its input from nothing but arithmetic, does one to four seconds of work, and is right only
when it prints what it prints without any library preloaded (the reference, made once). Their own
time limits are those of all runs. redis-server is measured as a server on a socket in the folder of
its work, and answers redis-benchmark, which is not measured.
"""
import dataclasses
import hashlib
import json
import pathlib
import signal
import subprocess
import time
import typing

from . import cases, inputs


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    title: str
    prepare: typing.Callable  # folder -> command, run in the folder
    files: tuple = ()  # what it writes there besides its output


def clean_environment(folder):
    """Nothing that differs from user to user"""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": str(folder), "PYTHONHASHSEED": "0",
            "PYTHONMALLOC": "malloc", "PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0",
            "GIT_CONFIG_NOSYSTEM": "1"}


def launch(launcher, folder, library, command):
    """Starts the command on the library; see launch.c"""
    with open(folder / "said.txt", "wb") as said, open(folder / "output.bin", "wb") as output:
        return subprocess.Popen([launcher, folder / "cost.json", library or "", *command],
                                cwd=folder, env=clean_environment(folder), stdin=subprocess.DEVNULL,
                                stdout=output, stderr=said, preexec_fn=cases.limit_time)


def finish(process, seconds):
    """Waits; ends what takes too long. The launcher passes the signal on."""
    try:
        status = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired as late:
        process.terminate()
        process.wait()
        raise cases.TooLong("hangs") from late
    if status == 128 + signal.SIGXCPU:
        raise cases.TooLong(f"over {cases.LONGEST_SECONDS} s")
    return status


def said(folder):
    return (folder / "said.txt").read_text(errors="replace").strip()


def digest(folder, files):
    total = hashlib.sha256()
    for name in ("output.bin", *files):
        total.update((folder / name).read_bytes())
    return total.hexdigest()


def run_once(launcher, folder, program, command, library):
    """Cost of one run, and the digest of what it wrote"""
    for name in program.files:
        (folder / name).unlink(missing_ok=True)
    status = finish(launch(launcher, folder, library, command), cases.HUNG_SECONDS)
    if status != 0 or "LD_PRELOAD" in said(folder):
        raise cases.Failed(f"{program.name}: status {status}: {said(folder)[-300:]}")
    return json.loads((folder / "cost.json").read_text()), digest(folder, program.files)


class Prepared:
    """A program with its input made and its right output known, on first use"""

    def __init__(self, program, launcher, folder):
        self.program, self.launcher, self.folder = program, launcher, folder
        self.command = self.right = None

    def __call__(self, allocator):
        if self.command is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.command = self.program.prepare(self.folder)
            _, self.right = run_once(self.launcher, self.folder, self.program, self.command, None)
        cost, wrote = run_once(self.launcher, self.folder, self.program, self.command,
                               allocator.library)
        if wrote != self.right:
            raise cases.Failed(f"{self.program.name}: another output than without a library")
        return cost


class Redis:
    """redis-server, under a fixed load of redis-benchmark"""
    title = "redis-server: set, get, lpush, sadd, hset, 16 at a time"
    # The package's server is linked with jemalloc. The C library goes first to be measured at all.
    C_LIBRARY = "libc.so.6"
    LOAD = ["-q", "-n", "150000", "-r", "50000", "-d", "200", "-P", "16", "-c", "10",
            "-t", "set,get,lpush,sadd,hset,incr"]

    def __init__(self, launcher, folder):
        self.launcher, self.folder = launcher, folder

    def client(self, *command):
        return subprocess.run(["redis-cli", "-s", self.folder / "socket", *command],
                              capture_output=True, text=True, check=False,
                              timeout=cases.HUNG_SECONDS).stdout.strip()

    def wait_until_up(self, server):
        for _ in range(200):
            if self.client("ping") == "PONG":
                return
            if server.poll() is not None:
                break
            time.sleep(0.05)
        raise cases.Failed(f"redis-server does not answer: {said(self.folder)[-300:]}")

    def program(self):
        """The server is redis-check-rdb under another name. The package redis-server has that name,
        but would also start a server of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        link = self.folder / "redis-server"
        if not link.is_symlink():
            link.symlink_to("/usr/bin/redis-check-rdb")
        return link

    def __call__(self, allocator):
        program = self.program()
        server = launch(self.launcher, self.folder, allocator.library or self.C_LIBRARY,
                        [program, "--port", "0", "--unixsocket", "socket", "--save", "",
                         "--appendonly", "no", "--daemonize", "no"])
        try:
            self.wait_until_up(server)
            load = subprocess.run(["redis-benchmark", "-s", self.folder / "socket", *self.LOAD],
                                  check=False, capture_output=True, text=True,
                                  timeout=cases.HUNG_SECONDS)
            if load.returncode != 0:
                raise cases.Failed(f"redis-benchmark: {load.stderr.strip()[-300:]}")
            self.client("set", "stone", "laid" * 1000)
            right = (self.client("get", "stone") == "laid" * 1000
                     and self.client("llen", "mylist") == "150000")
            self.client("shutdown", "nosave")
            status = finish(server, 120)
        finally:
            if server.poll() is None:
                server.terminate()
                server.wait()
        if status != 0 or not right or "LD_PRELOAD" in said(self.folder):
            raise cases.Failed(f"redis: status {status}, answers right: {right}: "
                               f"{said(self.folder)[-300:]}")
        return json.loads((self.folder / "cost.json").read_text())


PROGRAMS = [
    Program("python3", "counts, trees, JSON and regular expressions, every object from malloc",
            inputs.python),
    Program("sqlite3", "tables, indexes and joins in memory", inputs.sqlite),
    Program("cc1", "the C compiler on 80 functions, -O2", inputs.cc1, ("work.s",)),
    Program("cc1plus", "the C++ compiler on templates of the library, -O1", inputs.cc1plus,
            ("work.s",)),
    Program("clang", "Clang on the same, -O1", inputs.clang, ("work.s",)),
    Program("z3", "pigeons, bit vectors and arrays", inputs.z3),
    Program("gs", "Ghostscript: text, paths and a pattern, four pages", inputs.ghostscript,
            ("page1.ppm", "page4.ppm")),
    Program("perl", "hashes, records and substitutions", inputs.perl),
    Program("git-log", "log with patches, renames and copies of 600 commits", inputs.git_log),
    Program("git-index", "index-pack and verify of the same", inputs.git_index),
    Program("lua", "tables, closures and strings, collected", inputs.lua),
    Program("gawk", "associative arrays, joins and sorting of fields", inputs.gawk),
    Program("jq", "group, sort and rebuild records", inputs.jq),
    Program("cmake", "strings and lists of a script", inputs.cmake),
]


def program_cases(build, work):
    launcher = pathlib.Path(build).resolve() / "bench" / "ashlar-bench-launch"
    work = pathlib.Path(work).resolve()
    for program in PROGRAMS:
        run = Prepared(program, launcher, work / program.name)
        yield cases.Case("programs", program.name, program.title, run)
    yield cases.Case("programs", "redis", Redis.title, Redis(launcher, work / "redis"))
