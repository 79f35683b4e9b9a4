#!/bin/sh
# Searches all states of docs/model/visit.pml in four configurations, and then variants of it with a
# planted error each, which have to be found. See docs/model/README.md.
set -eu
model=$(cd "$(dirname "$0")/../../docs/model" && pwd)/visit.pml
command -v spin >/dev/null || {
    echo "spin is not installed: see scripts/install-deps"
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search SHAPE SLOW BREAK: prints the number of errors found, 0 or 1.
search() {
    spin -a -DSHAPE="$1" -DSLOW="$2" -DBREAK="$3" "$model" >spin.log
    gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
    ./pan -m300000 >pan.log
    if grep -q 'search depth too small\|out of memory\|memory limit' pan.log; then
        cat pan.log >&2
        exit 1
    fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}

for shape in 1 2; do
    for slow in 1 2; do
        errors=$(search $shape $slow 0)
        if [ "$errors" != 0 ]; then
            cat pan.log
            echo "shape $shape, $slow slow paths: $errors errors"
            exit 1
        fi
        states=$(awk "/states, stored/ { print \$1 }" pan.log)
        echo "shape $shape, $slow slow paths: no error in $states states"
    done
done
# error: the configuration that shows it
for row in "1 2 1" "2 1 1" "3 1 1" "4 1 1" "5 1 1" "6 1 1" "7 1 2" "8 2 2"; do
    # shellcheck disable=SC2086
    set -- $row
    if [ "$(search "$2" "$3" "$1")" = 0 ]; then
        echo "planted error $1 was not found"
        exit 1
    fi
    echo "planted error $1: found"
done
