-- Sorting, joining, indexing, full text, JSON, window functions, in memory and in a file.
.bail on
PRAGMA threads = 2;
PRAGMA cache_size = 400;
CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
INSERT INTO t SELECT i, (i * 7919) % 10007, printf('row %d of many %s', i, hex(i * 31)), zeroblob(i % 300) FROM n;
CREATE INDEX t_a ON t(a, b);
SELECT count(*), sum(a), max(b), sum(length(c)) FROM t;
SELECT sum(x.a * y.id % 1000) FROM t x JOIN t y ON y.id = x.a + 1;
SELECT group_concat(b, '|') FROM (SELECT b FROM t ORDER BY b DESC LIMIT 20);
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words SELECT b || ' text number ' || a FROM t WHERE id % 4 = 0;
SELECT count(*) FROM words WHERE words MATCH 'number AND 7*';
SELECT a, sum(id) OVER (PARTITION BY a ORDER BY id ROWS 3 PRECEDING) FROM t WHERE a < 3 ORDER BY id LIMIT 12;
SELECT json_array_length(json_group_array(json_object('id', id, 'b', b))) FROM t WHERE id < 20000;
SELECT length(json_extract(json_group_array(b), '$[17]')) FROM t;
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET b = upper(b) || b WHERE id % 5 = 0;
VACUUM;
SELECT count(*), sum(length(b)) FROM t;
ATTACH 'other.db' AS other;
CREATE TABLE other.copy AS SELECT * FROM t ORDER BY b;
PRAGMA other.integrity_check;
PRAGMA integrity_check;
.sha3sum
