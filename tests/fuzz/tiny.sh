#!/bin/bash
# tiny.sh HARNESSES SEEDS: the harness of tiny.c runs the seeds under each sanitizer without a report,
# and each sanitizer reports its own bug: what it is linked with is instrumented.
set -eu -o pipefail
harnesses=$1 seeds=$2
export MSAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0

reports() { # SANITIZER BUG WHAT
    TINY_BUG=$2 "$harnesses/fuzz_tiny_replay_$1" "$seeds" >said 2>&1 || true
    grep -q "$3" said || { echo "$1: $2 was not reported"; tail -n 5 said; exit 1; }
}
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
for sanitizer in undefined memory; do
    "$harnesses/fuzz_tiny_replay_$sanitizer" "$seeds" >said 2>&1 ||
        { echo "$sanitizer:"; tail -n 20 said; exit 1; }
done
reports undefined shift 'runtime error: shift exponent'
reports memory uninitialized 'use-of-uninitialized-value'
mkdir corpus
"$harnesses/fuzz_tiny_libfuzzer_memory" corpus "$seeds" -runs=100 -seed=1 >said 2>&1 ||
    { tail -n 20 said; exit 1; }
