#!/bin/sh
# The seed corpus in the tree is what fuzz_seeds makes now.
#   check_seeds.sh SOURCE_DIRECTORY FUZZ_SEEDS SCRATCH_DIRECTORY
set -eu
rm -rf "$3"
mkdir -p "$3"
"$2" "$3" "$1"/corpus/seeds/*.trace
diff -r "$3" "$1/corpus/fuzz_heap" || {
    echo "corpus/fuzz_heap is not current: run scripts/fuzz-seeds" >&2
    exit 1
}
