#!/bin/bash
# initdb, pgbench with parallel clients, parallel queries, a dump restored, all over a socket of its own.
set -eu
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
export PATH=$bin:$PATH PGHOST=$PWD PGDATABASE=test PGUSER=tester PGDATA=$PWD/data
initdb -D data -U tester --no-locale -E UTF8 -N >initdb.log
cat >>data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$PWD'
fsync = off
shared_buffers = 32MB
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
jit = on
jit_above_cost = 1000
END
pg_ctl -D data -l server.log -w -t 60 start >/dev/null
trap 'pg_ctl -D data -m immediate stop >/dev/null 2>&1 || true' EXIT
createdb test
pgbench -q -i -s 2 test 2>/dev/null
pgbench -n -c 4 -j 2 -t "$1" test >pgbench.log 2>&1
grep 'transactions actually processed' pgbench.log
psql -X -q -At <<'END'
SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
       (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches);
CREATE TABLE t AS SELECT i, md5(i::text) AS text, jsonb_build_object('i', i, 'l', repeat('x', i % 90)) AS j
  FROM generate_series(1, 60000) i;
CREATE INDEX ON t(text);
CREATE INDEX ON t USING gin(j);
ANALYZE t;
SELECT count(*), sum(i), max(text) FROM t WHERE text LIKE 'a%';
SELECT md5(string_agg(text, ',' ORDER BY text DESC)) FROM t;
SELECT count(*) FROM t a JOIN t b ON a.i = b.i + 7 WHERE a.j @> '{"l": "xx"}';
SELECT sum(n) FROM (SELECT count(*) OVER (PARTITION BY i % 97 ORDER BY text) AS n FROM t) s;
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 20000) SELECT sum(n) FROM r;
SELECT length(xmlagg(xmlelement(name a, i))::text) FROM t WHERE i < 5000;
DO $$ DECLARE s text := ''; BEGIN FOR k IN 1..3000 LOOP s := s || k; END LOOP;
  RAISE NOTICE '%', md5(s); END $$;
SELECT regexp_replace(string_agg(text, ''), '[0-9]+', '', 'g') = '' FROM t WHERE i < 500;
VACUUM FULL t;
END
pg_dump test >dump.sql
createdb again
psql -X -q -d again -f dump.sql >/dev/null
psql -X -q -At -d again -c 'SELECT count(*), sum(i) FROM t'
pg_ctl -D data -m fast -w -t 60 stop >/dev/null
trap - EXIT
grep -E 'PANIC|FATAL|terminated by signal' server.log || true
