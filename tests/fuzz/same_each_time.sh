#!/bin/sh
# A planted race is found from one input with the expected code, and 20 runs say the same.
#   same_each_time.sh HARNESS INPUT CODE
set -eu
first=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    status=0
    said=$("$1" "$2" 2>&1) || status=$?
    said=$(echo "$said" | sed 's/^==[0-9]*==//; s/: ==[0-9]*==/: /') # a sanitizer names its process
    if [ "$status" -ne 1 ]; then
        echo "exit $status, expected 1 (a finding):" "$said" >&2
        exit 1
    fi
    [ -n "$first" ] || first=$said
    if [ "$said" != "$first" ]; then
        printf 'first:\n%s\nnow:\n%s\n' "$first" "$said" >&2
        exit 1
    fi
done
case $first in
*"FINDING code=$3 "*) ;;
*)
    echo "expected $3:" "$first" >&2
    exit 1
    ;;
esac
