#!/bin/sh
# The seed corpus in the tree is what fuzz_seeds makes now.
#   check_seeds.sh SOURCE_DIRECTORY FUZZ_SEEDS SCRATCH_DIRECTORY
set -eu
rm -rf "$3"
mkdir -p "$3/fuzz_heap" "$3/fuzz_threads"
"$2" "$3/fuzz_heap" "$1"/corpus/seeds/*.trace
"$2" --threads "$3/fuzz_threads"
for corpus in fuzz_heap fuzz_threads; do
    diff -r "$3/$corpus" "$1/corpus/$corpus" || {
        echo "corpus/$corpus is not current: run scripts/fuzz-seeds" >&2
        exit 1
    }
done
