#!/usr/bin/env bats
# Traces whose threads interleave within operations. LYING is the command line over a core that lies.

load helpers

: "${LYING:?names the lying program}"

@test "traces that say how threads interleave are played so" {
    printf 'ashlar trace 1\nthreads 2\nt1 step 2\nt1 malloc 0 100\nmalloc 1 100\n' >"$tmp/steps.txt"
    exits 0 replay --json "$tmp/steps.txt"
    json '.[1].operations == 3 and .[1].skipped == 0'
}

# With so many points the thread is in a slow path; at some of them it holds the heap's lock, which
# nothing that looks at the heap may wait for, and what is half done then is no corruption.
@test "a finding while another thread is in the middle of an operation" {
    abandons
    export ASHLAR=$LYING
    for points in 1 2 3 4 5; do
        {
            printf 'ashlar trace 1\nthreads 2\nt1 malloc 0 100\nmalloc 1 100\n'
            printf 't1 step %d\nt1 malloc 2 200000\nmalloc 3 777\n' "$points"
        } >"$tmp/lie.txt"
        exits 1 replay --timeout 20 "$tmp/lie.txt"
        exits 1 bisect --timeout 20 "$tmp/lie.txt"
        exits 1 verify --trace "$tmp/lie.txt"
        grep -q '^SUMMARY: broken-promise: 1 finding; ' "$tmp/out"
        for command in dump stats "whatis slot:0"; do
            read -ra words <<<"$command"
            exits 0 "${words[@]}" --trace "$tmp/lie.txt"
        done
        exits 0 minimize --timeout 20 "$tmp/lie.txt" -o "$tmp/less.txt"
        exits 1 replay --timeout 20 "$tmp/less.txt"
    done
}
