#!/bin/sh
# Searches all states of the models in docs/model, and then variants of them with a planted error
# each, which have to be found. See docs/model/README.md.
set -eu
models=$(cd "$(dirname "$0")/../../docs/model" && pwd)
command -v spin >/dev/null || {
    echo "spin is not installed: see scripts/install-deps"
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search MODEL DEFINE...: prints the number of errors found, 0 or 1.
search() {
    model=$models/$1.pml
    shift
    spin -a "$@" "$model" >spin.log
    gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
    ./pan -m300000 >pan.log
    if grep -q 'search depth too small\|out of memory\|memory limit' pan.log; then
        cat pan.log >&2
        exit 1
    fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}

# sound MODEL DEFINE...
sound() {
    errors=$(search "$@")
    if [ "$errors" != 0 ]; then
        cat pan.log
        echo "$*: $errors errors"
        exit 1
    fi
    echo "$*: no error in $(awk "/states, stored/ { print \$1 }" pan.log) states"
}

# found MODEL ERROR DEFINE...: the configuration that shows the planted error.
found() {
    model=$1
    error=$2
    shift 2
    if [ "$(search "$model" -DBREAK="$error" "$@")" = 0 ]; then
        echo "$model: planted error $error was not found"
        exit 1
    fi
    echo "$model: planted error $error: found"
}

for shape in 1 2; do
    for slow in 1 2; do
        sound visit -DSHAPE=$shape -DSLOW=$slow
    done
    sound kept -DSHAPE=$shape
done
sound pool
for row in "1 2 1" "2 1 1" "3 1 1" "4 1 1" "5 1 1" "6 1 1" "7 1 2" "8 2 2"; do
    # shellcheck disable=SC2086
    set -- $row
    found visit "$1" -DSHAPE="$2" -DSLOW="$3"
done
found kept 1 -DSHAPE=2
for error in 2 3 4 5 6 7 8; do found kept $error -DSHAPE=1; done
for error in 1 2 3 4; do found pool $error; done
