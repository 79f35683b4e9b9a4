"""Objects, threads, processes, compression, C libraries. Run with PYTHONMALLOC=malloc, so that every
object comes from malloc."""
import bz2
import collections
import ctypes
import gc
import hashlib
import json
import lzma
import multiprocessing
import os
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree


def numbers(seed):
    while True:
        seed = seed * 16807 % 2147483647
        yield seed


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()


def churn(seed, rounds=60000):
    live, source, total = {}, numbers(seed), 0
    for i in range(rounds):
        at = next(source) % 3000
        total += len(live.get(at, b""))
        live[at] = bytes(next(source) % (200000 if i % 500 == 0 else 400))
    return total


def child(seed):
    return churn(seed, 20000)


def main():
    print("churn", churn(1))
    with ThreadPoolExecutor(6) as pool:
        print("threads", list(pool.map(churn, range(2, 10), [15000] * 8)))
    # Fork with other threads alive, as people do.
    stop = threading.Event()
    busy = [threading.Thread(target=lambda: [bytearray(3000) for _ in iter(stop.is_set, True)])
            for _ in range(2)]
    for thread in busy:
        thread.start()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print("processes", pool.map(child, range(20, 32)))
    stop.set()
    for thread in busy:
        thread.join()

    words = collections.Counter(f"w{n % 5000}" for n, _ in zip(numbers(7), range(100000)))
    text = json.dumps(words, sort_keys=True)
    print("json", digest(text), json.loads(text) == words, pickle.loads(pickle.dumps(words)) == words)
    print("re", len(re.sub(r"w(\d)(\d+)", r"<\2\1>", text)))
    for name, module in (("zlib", zlib), ("bz2", bz2), ("lzma", lzma)):
        packed = module.compress(text.encode() * 5)
        print(name, module.decompress(packed) == text.encode() * 5)
    root = ElementTree.fromstring("<r>" + "".join(f"<a n='{i}'>t{i}</a>" for i in range(20000)) + "</r>")
    print("xml", len(root), digest(ElementTree.tostring(root).decode()))
    database = sqlite3.connect(":memory:")
    database.execute("create table t(a, b)")
    database.executemany("insert into t values(?, ?)", ((i, "x" * (i % 99)) for i in range(20000)))
    print("sqlite3", database.execute("select sum(length(b)) from t where a % 3").fetchone())
    database.close()
    print("compile", sum(eval(compile(f"[x * {i} for x in range(20)]", "e", "eval"))[3] for i in range(2000)))
    block = ctypes.create_string_buffer(1 << 20)
    print("ctypes", len(block), ctypes.CDLL(None).strlen(b"four"))
    print("big", digest(hex(3 ** 100000)))
    loops = [[] for _ in range(50000)]
    for loop in loops:
        loop.append(loop)
    del loops, loop
    print("gc", gc.collect() >= 50000)
    print("child", subprocess.run([sys.executable, "-c", "print(len([bytes(i) for i in range(2000)]))"],
                                  capture_output=True, text=True, check=True).stdout.strip())
    pid = os.fork()
    if pid == 0:
        churn(5, 3000)
        sys.exit(3)
    print("fork", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
