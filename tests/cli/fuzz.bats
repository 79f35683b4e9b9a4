#!/usr/bin/env bats
# ashlar fuzz and the harness of ashlar_add_fuzz_targets, with the teaching allocator's bugs.
# TEACH is that allocator as a library, HARNESSES the folder of the programs that have it linked in.

load helpers

: "${TEACH:?names the teaching allocator}" "${HARNESSES:?names the harnesses}"

# fuzzes CODE BUG OPTION... - a campaign on the library ends with that code; its output is in $tmp/out.
fuzzes() {
    local code=$1
    export TEACH_BUG=$2
    shift 2
    exits "$code" fuzz --target "$TEACH" --prefix teach_ -o "$tmp/fuzz" "$@"
}

@test "a finding is minimised, written, and comes again by the command that is printed" {
    fuzzes 1 realloc-short-copy --first --time 60
    folder=$tmp/fuzz/crashes/ASH-ORACLE-REALLOC-realloc
    grep -q '^SUMMARY: broken-promise: 1 finding$' "$tmp/out"
    [ "$(grep -cE '^(realloc|malloc|calloc|aligned) ' "$folder/trace")" -le 4 ]
    grep -q '^ASH-ORACLE-REALLOC in realloc: ' "$folder/report"
    [ -s "$folder/input.raw" ]
    cc -std=gnu17 -Wall -Wextra -Werror -fsyntax-only "$folder/reproducer.c"
    again=$(sed -n 's/^  again  *//p' "$tmp/out")
    [[ $again == ashlar\ replay\ * ]]
    read -ra words <<<"${again#ashlar }"
    exits 1 "${words[@]}"
    TEACH_BUG='' exits 0 "${words[@]}"
}

@test "a crash of the target is a finding, with frames; a hang is one" {
    fuzzes 1 usable-too-large --first --time 60
    grep -q '^ASH-ORACLE-CRASH in ' "$tmp/out"
    grep -q '^  frame  *libteach.so+0x' "$tmp/out"
    rm -r "$tmp/fuzz"
    cat >"$tmp/hangs.c" <<'END'
#include <stdlib.h>
void *hangs_malloc(size_t bytes) {
    while (bytes > 100000 && bytes < 1 << 20) {
    }
    return malloc(bytes);
}
void *hangs_calloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void hangs_free(void *block) { free(block); }
END
    cc -shared -fPIC -O1 "$tmp/hangs.c" -o "$tmp/libhangs.so"
    mkdir "$tmp/seed" # with nothing to minimise, since each hang takes a second
    printf 'ashlar trace 1\nmalloc 0 100001\n' >"$tmp/seed.txt"
    exits 0 convert "$tmp/seed.txt" "$tmp/seed/hangs.raw"
    exits 1 fuzz --target "$tmp/libhangs.so" --prefix hangs_ --first --time 6 --timeout 1 \
        --corpus "$tmp/seed" -o "$tmp/fuzz"
    grep -q 'it does not return' "$tmp/out"
}

# Neither engine sees such an end.
@test "a target that ends the process is a finding" {
    cat >"$tmp/ends.c" <<'END'
#include <stdlib.h>
void *ends_malloc(size_t bytes) {
    if (bytes > 100000 && bytes < 1 << 20) _Exit(0);
    return malloc(bytes);
}
void *ends_calloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void ends_free(void *block) { free(block); }
END
    cc -shared -fPIC -O1 "$tmp/ends.c" -o "$tmp/libends.so"
    mkdir "$tmp/seed" # one that does no such thing: the engine comes to it
    head -c 104 /dev/zero >"$tmp/seed/four-mallocs-of-nothing"
    exits 1 fuzz --target "$tmp/libends.so" --prefix ends_ --first --time 60 --corpus "$tmp/seed" \
        -o "$tmp/mutated"
    grep -q '^ASH-ORACLE-CRASH in ' "$tmp/out"
    [ "$(wc -l <"$tmp/mutated/crashes"/*/trace)" -le 6 ]
}

# It sleeps once in each process: longer than the limit, shorter than three times as long.
@test "what is slow is no hang" {
    cat >"$tmp/slow.c" <<'END'
#include <stdlib.h>
#include <time.h>
void *slow_malloc(size_t bytes) {
    static int calls;
    struct timespec left = {2, 200000000};
    while (++calls == 10 && nanosleep(&left, &left) != 0) calls--;
    return malloc(bytes);
}
void *slow_calloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void slow_free(void *block) { free(block); }
END
    cc -shared -fPIC -O1 "$tmp/slow.c" -o "$tmp/libslow.so"
    exits 0 fuzz --target "$tmp/libslow.so" --prefix slow_ --time 3 --timeout 1 -o "$tmp/fuzz"
    grep -q 'took more than 1 s, and returned$' "$tmp/out"
}

@test "the same finding is told once" {
    fuzzes 1 memalign-capped --time 3
    [ "$(grep -c '^ASH-ORACLE-ALIGN in aligned' "$tmp/out")" -eq 1 ]
    [ "$(find "$tmp/fuzz/artifacts" -name 'crash-*' | wc -l)" -gt 1 ]
}

@test "a sound target: exit 0, and its corpus is taken up again" {
    fuzzes 0 "" --time 4 --json
    json 'last | .verdict == "sound" and .findings == 0 and .executions > 10 and .edges > 100'
    kept=$(find "$tmp/fuzz/corpus" -type f | wc -l)
    [ "$kept" -gt 2 ]
    fuzzes 0 '' --time 2
    [ "$(find "$tmp/fuzz/corpus" -type f | wc -l)" -ge "$kept" ]
}

@test "coverage of a library that was compiled with it" {
    clang -g -O1 -fPIC -shared -fsanitize=fuzzer-no-link "$here/../../examples/fuzzing/teach.c" \
        -o "$tmp/libcovered.so"
    exits 0 fuzz --target "$tmp/libcovered.so" --prefix teach_ --time 2 -o "$tmp/fuzz"
    grep -q 'Loaded 2 modules' "$tmp/fuzz/log-libfuzzer-0"
    TEACH_BUG=calloc-trusts exits 1 fuzz --target "$tmp/libcovered.so" --prefix teach_ --first \
        --time 60 -o "$tmp/fuzz"
    again=$(sed -n 's/^  again  *//p' "$tmp/out")
    [[ $again == ASHLAR_FUZZ_TARGET=*/input.raw ]]
    run env TEACH_BUG=calloc-trusts sh -c "$again"
    [ "$status" -ne 0 ]
}

@test "AFL++, and both engines with one corpus" {
    command -v afl-fuzz >/dev/null || skip "no afl-fuzz"
    fuzzes 1 memalign-short --engine afl --first --time 60
    rm -r "$tmp/fuzz"
    fuzzes 0 '' --engine both --time 5
    find "$tmp/fuzz/corpus" -name 'afl-id*' | grep -q .
    [ -s "$tmp/fuzz/log-libfuzzer-0" ]
    [ -s "$tmp/fuzz/log-afl-1" ]
}

@test "a harness with its target linked in, and all that the target promises" {
    TEACH_BUG=errno-unset exits 1 fuzz --harness "$HARNESSES/fuzz_teach_libfuzzer" --first \
        --time 60 -o "$tmp/fuzz"
    grep -q '^ASH-ORACLE-ERRNO in ' "$tmp/out"
}

# The kinds of finding that the tests above do not show; scripts/fuzz-teaching takes all the bugs.
# 3,000 executions, which take a few seconds, are many times what the slowest needs from the seeds.
@test "the harness finds each kind of bug, and none without" {
    seeds=$here/../../corpus/fuzz_heap
    export ASAN_OPTIONS=detect_leaks=0
    while read -r bug code; do
        mkdir "$tmp/$bug"
        if TEACH_BUG=$bug "$HARNESSES/fuzz_teach_libfuzzer" "$tmp/$bug" "$seeds" -runs=3000 -seed=1 \
            -max_len=24584 -timeout=2 "-artifact_prefix=$tmp/$bug-" >"$tmp/log" 2>&1; then
            echo "$bug was not found"
            return 1
        fi
        grep -aq "^FINDING code=ASH-ORACLE-$code " "$tmp/log" || { echo "$bug"; return 1; }
    done <<'END'
round-down USABLE
calloc-wraps ABSURD
realloc-fail-frees REALLOC-FAILED
merge-live CONTENT
zero-shared OVERLAP
END
    "$HARNESSES/fuzz_teach_replay_address" "$seeds" >"$tmp/log"
    mkdir "$tmp/none"
    "$HARNESSES/fuzz_teach_libfuzzer_address" "$tmp/none" "$seeds" -runs=200 -seed=1 -timeout=20 \
        >"$tmp/log" 2>&1 || { cat "$tmp/log"; return 1; }
}

# threaded BUG TRACE - the trace shows it with threads of the system, and only so.
threaded() {
    TEACH_BUG=$1 exits 1 replay --target "$cached" --prefix cached_ --threads real "$2"
    TEACH_BUG=$1 exits 0 replay --target "$cached" --prefix cached_ "$2"
    TEACH_BUG='' exits 0 replay --target "$cached" --prefix cached_ --threads real "$2"
}

# What one thread does is right with each of these bugs. The seed shows all three:
# scripts/fuzz-teaching has them found from ours, which take much longer to minimise.
@test "caches of threads: found with a thread of the system for each logical one, and only so" {
    cached=$(dirname "$TEACH")/libteach_cached.so
    mkdir "$tmp/seed"
    cat >"$tmp/seed.txt" <<'END'
ashlar trace 1
t1 malloc 0 0
t1 malloc 1 0
t1 thread-exit
free 0
malloc 3 0
malloc 2 0
malloc 0 33
free 3
t1 malloc 4 100
free 4
malloc 5 100
t1 malloc 6 100
t1 free 6
t1 thread-exit
t1 malloc 7 100
malloc 8 100
END
    exits 0 convert "$tmp/seed.txt" "$tmp/seed/all.raw"
    for bug in owner-gone returned-twice exit-keeps-blocks; do threaded $bug "$tmp/seed.txt"; done
    for bug in owner-gone exit-keeps-blocks; do
        export TEACH_BUG=$bug
        exits 1 fuzz --target "$cached" --prefix cached_ --threads real --first --time 60 \
            --corpus "$tmp/seed" -o "$tmp/$bug"
        grep -q '^  again .* --threads real ' "$tmp/out"
        cd "$tmp/$bug"/crashes/*
        threaded $bug trace
        build=$(sed -n 's/^ \* Build: //p' reproducer.c)
        sh -c "${build/FILE.c/reproducer.c -Werror}"
        run ./a.out
        [ "$status" -ne 0 ]
        TEACH_BUG='' ./a.out
    done
}

# A library in front of the system's tells of the threads that begin.
@test "the allocators of packages are played with threads of the system" {
    cat >"$tmp/tell.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
int pthread_create(pthread_t *id, const pthread_attr_t *how, void *(*start)(void *), void *context) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    if (write(1, "thread\n", 7) != 7) _exit(9);
    return create(id, how, start, context);
}
END
    cc -shared -fPIC "$tmp/tell.c" -o "$tmp/libtell.so"
    printf 'ashlar trace 1\nmalloc 0 100\nt1 malloc 1 100\nfree 1\nt1 free 0\n' >"$tmp/two.txt"
    exits 0 convert "$tmp/two.txt" "$tmp/two.raw" --to raw
    for allocator in libc mimalloc jemalloc tcmalloc; do
        [ $allocator = libc ] || ldconfig -p | grep -q "lib$allocator" || continue
        run env LD_PRELOAD="$tmp/libtell.so" GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 \
            "$HARNESSES/fuzz_${allocator}_replay" "$tmp/two.raw"
        [ "$status" -eq 0 ]
        [ "$(grep -c 'thread$' <<<"$output")" -eq 2 ] || { echo "$allocator: $output"; return 1; }
    done
}

@test "usage" {
    says 2 'libfuzzer, afl or both' fuzz --engine honggfuzz
    says 2 'none or address' fuzz --sanitizer thread
    says 2 'model or real' fuzz --threads both
    says 2 'is not a number' fuzz --time 0
    says 2 'is not a number' fuzz --jobs 99
    says 2 'unexpected argument' fuzz x.trace
    says 2 '--target' fuzz --target nix -o "$tmp/fuzz"
    says 2 'No such file' fuzz --target ./nix.so -o "$tmp/fuzz"
    says 2 'No such file' fuzz --harness ./nix -o "$tmp/fuzz"
    says 2 'No such file' fuzz --target "$TEACH" --prefix teach_ --corpus ./nix -o "$tmp/fuzz"
    printf 'no library' >"$tmp/nix.so"
    fuzz_nix() { "$ASHLAR" fuzz --target "$tmp/nix.so" --time 2 -o "$tmp/fuzz"; }
    run fuzz_nix
    [ "$status" -eq 5 ]
}
