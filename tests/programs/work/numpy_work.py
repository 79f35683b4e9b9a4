"""Large arrays, temporaries, views, growth, sorting, linear algebra, text; from four threads too."""
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def digest(array):
    return hashlib.sha1(np.ascontiguousarray(array).tobytes()).hexdigest()


def work(seed):
    random = np.random.RandomState(seed)
    a = random.randint(0, 1000, (700, 700))
    b = (a.T @ a) % 10007
    c = np.concatenate([b[i:i + 50] * i for i in range(0, 700, 50)])
    d = np.sort(c, axis=None)[::7]
    for _ in range(200):
        d = np.append(d, random.randint(0, 9, 1000))
    masked = np.ma.masked_where(d % 3 == 0, d)
    names = np.array([f"name{i % 99}" for i in range(20000)], dtype=object)
    order = np.argsort(names, kind="stable")
    return f"{digest(c)} {digest(d)} {masked.count()} {digest(order)} {len(np.unique(names))}"


print(work(0))
with ThreadPoolExecutor(4) as pool:
    for line in pool.map(work, range(1, 9)):
        print(line)
big = np.zeros(50_000_000, dtype=np.int8)
big[::4096] = 1
print(big.sum())
big.resize(80_000_000, refcheck=False)
print(big.sum(), np.fft.rfft(np.arange(4096) % 17).real.round(3).sum())
