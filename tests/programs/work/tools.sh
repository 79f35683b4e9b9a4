#!/bin/bash
# The everyday tools: sort with threads, xz and zstd with threads, bzip2, tar, sed, find, diff.
set -eu
seq 400000 | awk '{ print $1 * 7919 % 400009, $1 }' >numbers
sort --parallel=2 -S 4M -n numbers | cksum
sort --parallel=2 -k2,2r numbers | cksum
xz -T2 -3 --block-size=1MiB -k numbers
xz -dc numbers.xz | cmp - numbers
zstd -q -T2 -9 numbers -o numbers.zst
zstd -q -dc numbers.zst | cmp - numbers
bzip2 -k numbers
bzip2 -dc numbers.bz2 | cmp - numbers
mkdir tree
for i in $(seq 200); do echo "$i" >"tree/$i"; done
tar -cf - tree | tar -tf - | sort | cksum
find tree -type f -newer numbers -o -name '1*' | wc -l
sed -E 's/([0-9])([0-9]+)/\2\1/g' numbers | cksum
head -n 20000 numbers >a
sort -n a >b
diff a b | cksum || true
grep -cE '(12|34)+5$' numbers
seq 30000 | jq -c --slurp 'map({a: ., b: (. % 7 | tostring)}) | group_by(.b) | map(length)'
openssl dgst -sha256 numbers
