#!/usr/bin/env bats
# Reports of a process on its own heap: when they come, where they go, and what they say. PROGRAM is
# programs/verify.c.

bats_require_minimum_version 1.5.0

: "${PROGRAM:?names the program}"

SOUND='^SUMMARY: sound: no finding; [0-9,]+ blocks, 100 % checked$'
CORRUPT='^SUMMARY: corrupt: 1 finding; [0-9,]+ blocks, 100 % checked$'

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    unset ASHLAR_OPTIONS
}

# says STATUS OPTIONS SCENARIO - runs it; what it says is in the files out and err.
says() {
    local code=0
    ASHLAR_OPTIONS=$2 timeout 60 "$PROGRAM" "$3" >out 2>err || code=$?
    if [ "$code" -ne "$1" ]; then
        echo "exit $code, not $1"
        cat out err
        return 1
    fi
}

# has N PATTERN - so many lines of err match.
has() {
    local found
    found=$(grep -Ec -e "$2" err || true)
    if [ "$found" -ne "$1" ]; then
        echo "$found lines, not $1: $2"
        cat err
        return 1
    fi
}

lines() {
    [ "$(wc -l <err)" -eq "$1" ] || { cat err; return 1; }
}

@test "without options nothing is said" {
    says 0 "" sound
    lines 0
    says 7 "" corrupt
    lines 0
}

@test "verify=exit" {
    says 0 verify=exit sound
    has 1 '^ashlar: verify at exit: [a-z_]+ \(process [0-9]+\)$'
    has 1 "$SOUND"
    lines 2
    says 7 verify=exit status
    has 1 "$SOUND"
}

@test "every way to exit" {
    says 6 verify=exit:stats=exit underscore-exit
    has 1 "$SOUND"
    has 1 '^committed '
    says 6 verify=exit:stats=exit quick-exit
    has 1 "$SOUND"
    says 6 "" underscore-exit
    lines 0
}

@test "verify=exit: what is wrong, and the program's own status" {
    says 7 verify=exit corrupt
    has 1 '^ASH-COUNT-SLABS at 0x[0-9a-f]+: '
    has 1 '^  expected 0x[0-9a-f]+, found 0x[0-9a-f]+$'
    has 1 "$CORRUPT"
    lines 4
}

@test "verify_fatal" {
    says 134 verify=exit:verify_fatal=1 corrupt
    has 1 "$CORRUPT"
    says 0 verify=exit:verify_fatal=1 sound
    has 1 "$SOUND"
}

@test "very many findings are counted" {
    says 0 verify=exit ruined
    [ "$(grep -c '^ASH-SLAB' err)" -eq 64 ]
    has 1 '^and [0-9,]+ more findings?$'
    has 1 '^SUMMARY: corrupt: [0-9,]+ findings;'
}

@test "threads that sleep are judged" {
    says 0 verify=exit asleep
    has 1 "$SOUND"
}

@test "threads that are about to end are waited for at exit" {
    says 0 verify=exit ending
    has 1 "$SOUND"
}

@test "nothing is held against threads that run" {
    says 0 "" among-threads
    has 0 '^ASH-'
    has 0 '^SUMMARY: corrupt'
    [ "$(grep -Ec '^SUMMARY: incomplete: no finding; .* things? (was|were) changing$' err)" -gt 0 ]
    says 0 "" corrupt-among-threads
    has 1 '^ASH-COUNT-SLABS at '
}

@test "slabs that others give back meanwhile" {
    says 0 "" visited
    has 0 '^ASH-'
    [ "$(grep -c '^SUMMARY: incomplete' err)" -gt 0 ]
}

@test "verify_signal" {
    says 0 verify_signal=10 signal
    has 1 '^ashlar: verify on a signal: '
    has 1 "$SOUND"
    says 138 "" signal # as ever
    says 0 verify_signal=9 sound
    has 1 '^ashlar: verify_signal: no handler can be had for signal 9$'
}

@test "the signal at any instruction" {
    says 0 verify_signal=14:output=storm storm
    [ "$(grep -c '^SUMMARY: ' storm)" -gt 100 ]
    ! grep -E '^(ASH-|SUMMARY: corrupt)' storm
    grep -q '^SUMMARY: sound' storm
}

@test "exit in a signal handler comes to an end" {
    for _ in 1 2 3 4 5; do
        says 3 verify=exit:stats=exit exit-in-handler
        has 0 '^ASH-'
    done
}

@test "verify_every" {
    says 0 verify_every=1 churn
    lines 0
    says 0 verify_every=100:verbose churn
    [ "$(grep -Ec "$SOUND" err)" -ge 30 ]
    says 0 verify_every=1 churn-corrupt
    [ "$(grep -c '^ashlar: verify after operations: ' err)" -ge 1 ]
    [ "$(grep -c '^ASH-COUNT-SLABS' err)" -ge 1 ]
    says 134 verify_every=1:verify_fatal churn-corrupt
    has 1 '^ASH-COUNT-SLABS'
}

@test "a forked child is silent, a program that it becomes is not" {
    says 0 verify=exit:stats=exit fork
    has 1 '^SUMMARY: '
    has 1 '^committed '
    says 0 verify=exit exec
    has 2 "$SOUND"
}

@test "a program that has closed its standard error" {
    says 0 verify=exit:stats=exit silent
    has 1 "$SOUND"
    has 1 '^committed '
}

@test "no other file is written into" {
    says 0 verify=exit reused
    [ ! -s reused ]
    has 1 "$SOUND"
}

@test "stats" {
    says 0 stats=exit sound
    has 1 '^ashlar: statistics at exit: '
    for row in live free committed purged metadata 'thread heaps'; do
        has 1 "^$row +[0-9,]+"
    done
    has 0 '^ +class'
    says 0 stats=exit:verbose sound
    has 1 '^ +class +slabs'
    says 0 "" stats
    has 1 '^ashlar: statistics: '
    has 1 '^live +1,[0-9]{3},[0-9]{3} '
}

@test "output" {
    says 0 verify=exit:output=report.%n.%p sound
    lines 0
    grep -Eq "$SOUND" report.*.[0-9]*
    says 0 verify=exit:output=1 sound
    lines 0
    grep -Eq "$SOUND" out
    says 0 verify=exit:output=both sound
    says 0 verify=exit:output=both sound
    [ "$(grep -Ec "$SOUND" both)" -eq 2 ]
    says 0 verify=exit:output=no/such/folder sound
    has 1 '^ashlar: output: cannot write to no/such/folder$'
    has 1 "$SOUND"
}

@test "on_misuse" {
    says 134 "" double-free
    has 1 '^ashlar: ASH-FREE-DOUBLE at 0x[0-9a-f]+ in free: .*; block 0x[0-9a-f]+ of 48 bytes$'
    lines 1
    says 0 on_misuse=report:verify=exit double-free
    has 1 '^ashlar: ASH-FREE-DOUBLE'
    has 1 "$SOUND"
    says 134 output=misuse double-free
    lines 0
    grep -q '^ashlar: ASH-FREE-DOUBLE' misuse
}

@test "the interface" {
    says 0 "" interface
    has 2 '^ashlar: verify on a signal: '
    has 2 "$SOUND"
    grep -Eq "$SOUND" out
    grep -Eq "$SOUND" report.[0-9]*
}

@test "warnings" {
    says 0 nix=1:decay_ms=0:verify=often:verbose=2:level=guard:level=track:stats:foo sound
    has 1 '^ashlar: ASHLAR_OPTIONS: no option `nix`; help=1 lists them$'
    has 1 '^ashlar: ASHLAR_OPTIONS: no option `foo`;'
    has 1 '^ashlar: ASHLAR_OPTIONS: decay_ms=0 is out of range \(1\.\.4294967294\); it stays 500$'
    has 1 '^ashlar: ASHLAR_OPTIONS: verify=often is none of its values \(none\|exit\); it stays none$'
    has 1 '^ashlar: ASHLAR_OPTIONS: verbose=2 is out of range \(0\|1\); it stays 0$'
    has 1 '^ashlar: ASHLAR_OPTIONS: level=guard is not built yet .*; it stays fast$'
    has 1 '^ashlar: ASHLAR_OPTIONS: level=track is not built yet .*; it stays fast$'
    has 1 '^ashlar: ASHLAR_OPTIONS: stats= has no value '
    lines 8
}

@test "help=1" {
    says 7 help=1 status
    for option in help level verify verify_signal decay_ms region_bytes; do
        has 1 "^  $option +[^ ]"
    done
}

@test "options of the heap" {
    says 0 region_bytes=256M:stats=exit sound
    has 1 '^reserved +268,435,456 '
    says 0 region_bytes=67108865:stats=exit sound # whole pages
    has 1 '^reserved +67,174,400 '
    says 0 thread_heaps=1:verify=exit asleep # the others share one, which there is no room for
    has 1 '^SUMMARY: '
}

@test "a set-user-ID program does not look at its environment" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    chmod 755 "$BATS_TEST_TMPDIR"
    install -m 4755 -o nobody "$PROGRAM" other
    code=0
    ASHLAR_OPTIONS=verify=exit:nix=1 ./other secure >out 2>err || code=$?
    [ "$code" -ne 77 ] || skip "this file system does not honour it"
    [ "$code" -ne 127 ] || skip "another user may not read the library where it was built"
    [ "$code" -eq 0 ]
    lines 0
}
