#!/usr/bin/env python3
"""clang-tidy over the compile database: usage: tidy.py BUILD_DIR [FILE...]

Runs one clang-tidy per processor. A file found clean is not looked at again until it, the checks,
its command or any header of the project changes: the stamps lie in BUILD_DIR/tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# The analyzer's budget per function, a twentieth of its default: without it, files whose fast paths
# are inlined everywhere take minutes.
BUDGET = [f"--extra-arg={a}" for a in
          ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=10000")]

# Programs that tests run because they are wrong, or odd, on purpose.
LEFT_OUT = ("/programs/", "/tests/cli/broken.c")


def digest(paths):
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            total.update(stream.read())
    return total.hexdigest()


def headers():
    found = []
    for folder in ("src", "include", "cli", "fuzz", "tests", "bench"):
        for place, _, leaves in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.join(place, n) for n in leaves if n.endswith((".h", ".def"))]
    return sorted(found)


def look(tidy, database, path, stamp):
    if os.path.exists(stamp):
        return path, 0, ""
    # The database may be GCC's: a warning that Clang does not know is no finding.
    done = subprocess.run(
        [tidy, "--quiet", "-p", database, "--extra-arg=-Wno-unknown-warning-option", *BUDGET, path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        with open(stamp, "w", encoding="utf-8"):
            pass
    return path, done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main(arguments):
    build = os.path.abspath(arguments[0])
    only = {os.path.abspath(path) for path in arguments[1:]}
    tidy = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if tidy is None:
        print("there is no clang-tidy here")
        return 77
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as stream:
        database = json.load(stream)
    common = digest([os.path.join(ROOT, ".clang-tidy"), *headers()])
    stamps = os.path.join(build, "tidy")
    os.makedirs(stamps, exist_ok=True)
    jobs, chosen = {}, []
    for entry in database:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        if not path.startswith(ROOT + os.sep) or path.startswith(build) or path in jobs:
            continue
        if only and path not in only or any(part in path for part in LEFT_OUT):
            continue
        if "-UASHLAR_PLANT" in entry["command"]:
            continue  # the same file with a bug planted in it
        chosen.append(entry)
        key = hashlib.sha256((common + digest([path]) + entry["command"]).encode()).hexdigest()
        jobs[path] = os.path.join(stamps, key)
    # clang-tidy looks at a file once for each of its entries, so it gets a database with one.
    with open(os.path.join(stamps, "compile_commands.json"), "w", encoding="utf-8") as stream:
        json.dump(chosen, stream)
    failed = 0
    workers = len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        runs = [pool.submit(look, tidy, stamps, path, stamp) for path, stamp in jobs.items()]
        for run in concurrent.futures.as_completed(runs):
            path, status, text = run.result()
            if status:
                failed += 1
                print(f"{os.path.relpath(path, ROOT)}:\n{text}", flush=True)
    print(f"{len(jobs)} files, {failed} with findings")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
