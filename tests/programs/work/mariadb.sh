#!/bin/bash
# A data directory of its own, a server on a socket of its own, tables, joins, clients side by side.
set -eu
mariadb-install-db --no-defaults --datadir="$PWD/data" --auth-root-authentication-method=normal \
    --skip-test-db >install.log 2>&1
mariadbd --no-defaults --datadir="$PWD/data" --socket="$PWD/sock" --pid-file="$PWD/pid" \
    --skip-networking --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=32M \
    --log-error="$PWD/error.log" &
server=$!
trap 'kill -9 "$server" 2>/dev/null || true' EXIT
sql() { mariadb --no-defaults -u root --socket="$PWD/sock" -N -B "$@"; }
for _ in $(seq 400); do
    if sql -e 'SELECT 1' >/dev/null 2>&1; then break; fi
    sleep 0.1
done
sql -e 'CREATE DATABASE test'
sql test <<'END'
CREATE TABLE t(i INT PRIMARY KEY, a INT, b VARCHAR(200), KEY(a), FULLTEXT(b)) ENGINE=InnoDB;
INSERT INTO t SELECT seq, seq * 7919 % 10007, CONCAT('row ', seq, ' ', REPEAT(HEX(seq), seq % 20))
  FROM seq_1_to_30000;
SELECT COUNT(*), SUM(a), MAX(b) FROM t;
SELECT SUM(x.a * y.a % 1000) FROM t x JOIN t y ON y.i = x.a + 1;
SELECT MD5(GROUP_CONCAT(b ORDER BY b DESC)) FROM (SELECT b FROM t ORDER BY b LIMIT 500) s;
SELECT a % 5, SUM(i) OVER (PARTITION BY a % 5 ORDER BY i ROWS 2 PRECEDING) FROM t ORDER BY i LIMIT 8;
SELECT JSON_LENGTH(JSON_ARRAYAGG(JSON_OBJECT('i', i))) FROM t WHERE i < 3000;
SELECT COUNT(*) FROM t WHERE MATCH(b) AGAINST('row');
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 900) SELECT SUM(n) FROM r;
DELETE FROM t WHERE i % 3 = 0;
OPTIMIZE TABLE t;
END
clients=()
for n in 1 2 3 4; do
    for k in $(seq 60); do
        echo "UPDATE t SET a = a + 1 WHERE i % 61 = $k AND i % 4 = $((n - 1));"
        echo "SELECT COUNT(*), SUM(LENGTH(b)) FROM t WHERE b LIKE '%$k%';"
    done | sql test >"client$n" &
    clients+=($!)
done
for client in "${clients[@]}"; do wait "$client"; done
cksum client?
sql test -e 'SELECT COUNT(*), SUM(a) FROM t; CHECK TABLE t'
sql -e SHUTDOWN
trap - EXIT
wait "$server"
grep -ciE 'signal|corrupt|\[ERROR\]' error.log || true
