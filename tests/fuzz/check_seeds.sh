#!/bin/sh
# The seed corpus in the tree is what fuzz_seeds makes now; the dictionary, what fuzz_dictionary does.
#   check_seeds.sh SOURCE_DIRECTORY FUZZ_SEEDS FUZZ_DICTIONARY SCRATCH_DIRECTORY
set -eu
rm -rf "$4"
mkdir -p "$4/fuzz_heap" "$4/fuzz_threads"
"$2" "$4/fuzz_heap" "$1"/corpus/seeds/*.trace
"$2" --threads "$4/fuzz_threads"
for corpus in fuzz_heap fuzz_threads; do
    diff -r "$4/$corpus" "$1/corpus/$corpus" || {
        echo "corpus/$corpus is not current: run scripts/fuzz-seeds" >&2
        exit 1
    }
done
"$3" | diff - "$1/fuzz/raw_trace.dict" || {
    echo "fuzz/raw_trace.dict is not current: run scripts/fuzz-seeds" >&2
    exit 1
}
