#!/bin/bash
# memcached with 4 threads on a socket of its own, and a client with 6.
set -eu
memcached -s "$PWD/memcached.sock" -t 4 -m 64 -U 0 &
server=$!
trap 'kill -9 "$server" 2>/dev/null || true' EXIT
python3 "$WORK/memcached_client.py" "$PWD/memcached.sock"
trap - EXIT
kill -INT "$server"
wait "$server" || echo "the server ended with $?"
