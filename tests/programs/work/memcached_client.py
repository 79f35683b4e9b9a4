"""Sets, gets, appends and deletes over six connections at once; every answer is checked."""
import socket
import sys
import threading
import time


def connect():
    for _ in range(200):
        try:
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(sys.argv[1])
            return stream.makefile("rwb")
        except OSError:
            time.sleep(0.05)
    raise SystemExit("no server")


def work(number, results):
    stream, good = connect(), 0
    for i in range(1500):
        key, value = f"key{number}-{i % 400}", bytes([65 + i % 26]) * (i * 37 % 9000)
        stream.write(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
        stream.flush()
        good += stream.readline() == b"STORED\r\n"
        stream.write(f"get {key}\r\n".encode())
        stream.flush()
        header = stream.readline()
        good += stream.read(int(header.split()[3]) + 2)[:-2] == value
        stream.readline()
        if i % 3 == 0:
            stream.write(f"append {key} 0 0 4\r\nmore\r\ndelete {key}\r\n".encode())
            stream.flush()
            good += stream.readline() == b"STORED\r\n"
            good += stream.readline() == b"DELETED\r\n"
    results[number] = good


results = {}
threads = [threading.Thread(target=work, args=(n, results)) for n in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print([results[n] for n in range(6)])
