#!/bin/bash
# redis-server on a socket of its own: a load by redis-benchmark, then known data, its digest, saving
# by fork while clients write, loading what was saved, deleting in the background.
set -eu
socket=$PWD/redis.sock
redis-server --port 0 --unixsocket "$socket" --dir "$PWD" --save '' --daemonize no \
    --enable-debug-command yes --io-threads 2 --hz 50 --logfile server.log &
server=$!
trap 'kill -9 "$server" 2>/dev/null || true' EXIT
cli() { redis-cli -s "$socket" "$@"; }
for _ in $(seq 200); do
    if [ "$(cli ping 2>/dev/null)" = PONG ]; then break; fi
    sleep 0.05
done
redis-benchmark -s "$socket" -q -n "$1" -c 20 -P 8 -r 10000 -d 100 --threads 2 \
    -t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset >benchmark.txt 2>&1
tr '\r' '\n' <benchmark.txt | grep -c 'requests per second'
cli flushall
awk 'BEGIN { for (i = 0; i < 40000; i++) {
    printf "SET key:%d %s\n", i, substr("abcdefghijklmnopqrstuvwxyz0123456789", 1 + i % 20)
    if (i % 4 == 0) printf "RPUSH list:%d %d %d %d\n", i % 300, i, i * 3, i * 7
    if (i % 5 == 0) printf "HSET hash:%d field%d value%d\n", i % 200, i, i
    if (i % 6 == 0) printf "ZADD sorted:%d %d member%d\n", i % 100, i % 991, i
    if (i % 9 == 0) printf "APPEND grown:%d %0200d\n", i % 50, i
    if (i % 11 == 0) printf "DEL key:%d\n", i - 5 } }' >commands
cli --pipe <commands | tail -n 1
digest() { cli dbsize; cli debug digest; }
digest
cli bgsave >/dev/null
redis-benchmark -s "$socket" -q -n 2000 -t ping >/dev/null 2>&1
for _ in $(seq 200); do
    if cli info persistence | grep -q 'rdb_bgsave_in_progress:0'; then break; fi
    sleep 0.05
done
cli info persistence | grep rdb_last_bgsave_status
cli debug reload
digest
cli eval 'local s = 0 for i = 1, 20000 do s = s + #string.rep("x", i % 100) end return s' 0
cli memory doctor >/dev/null
cli memory purge >/dev/null
cli flushall async
cli dbsize
cli shutdown nosave
trap - EXIT
wait "$server"
