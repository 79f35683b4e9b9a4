#!/usr/bin/env python3
"""Each check of scripts/fuzz_contract.py can fail: a small harness passes all of them, and then one
thing of it is broken at a time.

The harness is a table of many small functions, so that it has the calls and edges that checks
count.
"""
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import fuzz_contract as fc  # noqa: E402

CASES = 150
STEPS = "".join(f"    if (data[{n}] > {n}) heap[data[{n}]] += data[{n + 1}] + NUMBER;\n"
                for n in range(4))
TABLE = "".join(f"static void case{n}(const unsigned char *data) {{\n"
                f"{STEPS.replace('NUMBER', str(n))}}}\n" for n in range(CASES))
TABLE = (f"extern int heap[256];\n{TABLE}void (*const cases[{CASES}])(const unsigned char *) = {{"
         + ", ".join(f"case{n}" for n in range(CASES)) + "};\n")
TARGET = """#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int heap[256];
extern void (*const cases[])(const unsigned char *);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (STOPS) exit(3);
    if (size < 5) return 0;
    if (memcmp(data, "CRASH", 5) == 0) abort();
    memset(heap, 0, sizeof heap);
    cases[data[0] % CASES](data);
    return 0;
}
"""


def run(command, env):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")


def compiled(source, folder, compiler, flags, env):
    item = Path(tempfile.mkdtemp(dir=folder)) / "toy.o"
    item.with_suffix(".c").write_text(source)
    run([compiler, *flags, "-c", str(item.with_suffix(".c")), "-o", str(item)], env)
    return str(item)


@functools.cache
def table(folder, sanitizer, engine, compiler, cflags):
    """The larger part, once for all that have it alike."""
    env = fc.build_environment(sanitizer, engine, folder, folder)
    return compiled(TABLE, folder, compiler or env["CC"], cflags(env["CFLAGS"].split()), env)


def same(flags):
    return flags


def output(tmp, sanitizer="address", engine="libfuzzer", *, name="toy", compiler=None, linker=None,
           cflags=same, link=(), stops="0", driver=None):
    """A harness as build.sh leaves it, in a folder of its own."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    env = fc.build_environment(sanitizer, engine, out, out)
    flags = [*cflags(env["CFLAGS"].split()), f"-DSTOPS={stops}", f"-DCASES={CASES}"]
    items = [compiled(TARGET, tmp, compiler or env["CC"], flags, env),
             table(tmp, sanitizer, engine, compiler, cflags)]
    run([linker or env["CXX"], *env["CXXFLAGS"].split(), *items,
         driver or env["LIB_FUZZING_ENGINE"], *link, "-o", str(out / name)], env)
    archive(out, name, {f"{n}": bytes([n, 0, 1, 2, 3]) for n in range(120)})
    (out / f"{name}.dict").write_text('# a word\nname="a\\x00b"\n"c"\n')
    (out / f"{name}.options").write_text("[libfuzzer]\nmax_len = 100\n")
    return fc.Output(out, name, sanitizer, engine, {})


def archive(out, name, members):
    with zipfile.ZipFile(out / f"{name}_seed_corpus.zip", "w") as made:
        for member, content in members.items():
            made.writestr(member, content)


def without(*unwanted):
    return lambda flags: [flag for flag in flags if not flag.startswith(unwanted)]


def mixed(flags):
    return [*flags, *fc.SANITIZERS["undefined"].split()]


# What is built otherwise, and the check that has to see it.
BUILDS = [
    ({"cflags": without("-fsanitize=fuzzer")}, "starts"),
    ({"cflags": without("-fsanitize=address")}, "sanitizer"),
    ({"cflags": mixed, "link": ["-fsanitize=undefined"]}, "sanitizer"),
    ({"link": ["-Wl,--no-as-needed", "-lzstd"]}, "libraries"),
    ({"link": ["-Wl,-rpath,/opt/here"]}, "libraries"),
    ({"stops": "getenv(\"HOME\") != 0"}, "starts"),
    ({"name": "toy.fuzz"}, "named"),
    ({"sanitizer": "memory", "cflags": without("-fsanitize=memory")}, "sanitizer"),
    ({"sanitizer": "undefined", "cflags": without("-fsanitize=array", "-fno-sanitize-rec")},
     "sanitizer"),
    ({"engine": "afl", "linker": "clang++", "compiler": "clang", "driver": "-fsanitize=fuzzer"},
     "engine"),
    ({"sanitizer": "coverage", "cflags": without("-fprofile", "-fcoverage")}, "profiles"),
    ({"engine": "afl", "compiler": "clang"}, "fuzzes"),
    ({"engine": "afl", "stops": "1"}, "seeds"),
    ({"engine": "afl", "stops": "getenv(\"__AFL_SHM_ID\") != 0"}, "fuzzes"),
]


def remove(suffix):
    return lambda o: (o.out / f"{o.name}{suffix}").unlink()


def write(suffix, text):
    return lambda o: (o.out / f"{o.name}{suffix}").write_text(text)


# What lies beside it otherwise.
FILES = [
    (remove("_seed_corpus.zip"), "seed_corpus"),
    (lambda o: archive(o.out, o.name, {"empty": b""}), "seed_corpus"),
    (lambda o: archive(o.out, o.name, {"folder/one": b"abcd"}), "seed_corpus"),
    (lambda o: archive(o.out, o.name, {"crash": b"CRASH"}), "seeds"),
    (remove(".dict"), "dictionary"),
    (write(".dict", "# nothing\n"), "dictionary"),
    (write(".dict", '"a\\0"\n'), "dictionary"),
    (remove(".options"), "options"),
    (write(".options", "[libfuzzer]\nmax_length = 1\n"), "options"),
    (write(".options", "[engine]\nmax_len = 1\n"), "options"),
    (remove(""), "named"),
    (write("", "#!/bin/sh\n"), "named"),
]


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.tmp)

    def fails(self, made, wanted):
        wrong = fc.check(made)
        self.assertIsNotNone(wrong, f"{wanted} saw nothing")
        self.assertEqual(wrong[0], wanted, wrong[1])

    def test_a_good_one_passes(self):
        for sanitizer, engine in (("address", "libfuzzer"), ("address", "afl"),
                                  ("coverage", "libfuzzer")):
            with self.subTest(sanitizer=sanitizer, engine=engine):
                self.assertIsNone(fc.check(output(self.tmp, sanitizer, engine)))

    def test_broken_builds(self):
        for how, wanted in BUILDS:
            with self.subTest(how=how):
                self.fails(output(self.tmp, **how), wanted)

    def test_broken_files(self):
        good = output(self.tmp)
        for number, (edit, wanted) in enumerate(FILES):
            with self.subTest(number=number, wanted=wanted):
                out = self.tmp / f"broken-{number}"
                shutil.copytree(good.out, out)
                broken = good._replace(out=out)
                edit(broken)
                self.fails(broken, wanted)

    def test_an_afl_fuzz_that_does_not_start(self):
        good = output(self.tmp, engine="afl")
        wrong = good.out / "afl-fuzz"
        wrong.write_text("#!/bin/sh\necho no\n")
        wrong.chmod(0o755)
        with mock.patch.dict(os.environ, PATH=f"{good.out}:{os.environ['PATH']}"):
            self.fails(good, "fuzzes")


if __name__ == "__main__":
    unittest.main()
