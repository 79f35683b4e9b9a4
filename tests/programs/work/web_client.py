"""Fetches every file, packed and plain, direct and through the proxy, with 8 threads; prints digests."""
import gzip
import hashlib
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

BASE = f"http://127.0.0.1:{sys.argv[1]}"


def fetch(path, packed):
    headers = {"Accept-Encoding": "gzip"} if packed else {}
    with urllib.request.urlopen(urllib.request.Request(BASE + path, headers=headers), timeout=20) as answer:
        body = answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return f"{path} {hashlib.sha1(body).hexdigest()}"


for attempt in range(200):
    try:
        fetch("/file1.txt", False)
        break
    except OSError:
        time.sleep(0.05)
work = [(f"{prefix}/file{i}.txt", packed) for i in range(1, 41) for packed in (False, True)
        for prefix in ("", "/again")]
with ThreadPoolExecutor(8) as pool:
    got = list(pool.map(lambda job: fetch(*job), work * 2))
print(len(got), hashlib.sha1("\n".join(got).encode()).hexdigest())
