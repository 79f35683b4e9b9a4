#!/usr/bin/env bats
# ashlar record as a command: what it writes, what it says, and whose exit status it has.

bats_require_minimum_version 1.5.0

setup() {
    tmp=$(mktemp -d)
    cd "$tmp"
    truncate -s 4096 progress
    export RECORD_TEST_PROGRESS=$tmp/progress
}

teardown() {
    rm -rf "$tmp"
}

# Nothing but the given files and what setup made is in the directory: no raw logs are left.
only() {
    [ "$(ls -A | tr '\n' ' ')" = "$(printf '%s\n' "$@" progress | sort | tr '\n' ' ')" ]
}

@test "the program's output, input and exit status are its own" {
    run bash -c 'echo hello | "$ASHLAR" record -q -o a.trace -- sh -c "cat; echo error >&2; exit 3" 2>&1'
    [ "$status" -eq 3 ]
    [ "$output" = "hello"$'\n'"error" ]
    only a.trace
}

@test "exit statuses" {
    run "$ASHLAR" record -o a.trace -- true
    [ "$status" -eq 0 ]
    run "$ASHLAR" record -o a.trace -- sh -c 'kill -9 $$'
    [ "$status" -eq 137 ]
    run "$ASHLAR" record -o a.trace -- sh -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
    run -127 "$ASHLAR" record -o b.trace -- ./no-such-program
    [[ "$output" == "ashlar: record: ./no-such-program: No such file or directory" ]]
    run "$ASHLAR" record -o b.trace -- /etc/passwd
    [ "$status" -eq 126 ]
    only a.trace
}

@test "usage" {
    for arguments in "" "-o x.trace" "-- true" "-o x.trace --from-raw . -- true" "--nonsense"; do
        # shellcheck disable=SC2086
        run "$ASHLAR" record $arguments
        [ "$status" -eq 2 ]
        [ "${#lines[@]}" -ge 1 ]
    done
    run "$ASHLAR" record -o no/such/folder/x.trace -- touch ran
    [ "$status" -eq 2 ]
    [[ "$output" == *"No such file or directory"* ]]
    run "$ASHLAR" record -o x.trace --from-raw /dev/null
    [ "$status" -eq 2 ]
    only
}

@test "the output is a trace that replays" {
    "$ASHLAR" record -o a.trace -- "$WORKLOAD" churn
    run "$ASHLAR" replay --target libc a.trace
    [ "$status" -eq 0 ]
    run "$ASHLAR" replay a.trace
    [ "$status" -eq 0 ]
    [[ "$output" == *sound* ]]
}

@test "several threads" {
    "$ASHLAR" record -o a.trace -- "$WORKLOAD" share 2>said
    grep -q ' 5 threads' said
    run "$ASHLAR" replay a.trace
    [ "$status" -eq 0 ]
    rm said
    only a.trace
}

@test "text by extension" {
    "$ASHLAR" record -o a.txt -- "$WORKLOAD" kinds
    head -n 1 a.txt | grep -q '^ashlar trace 1'
    grep -q 'calloc.* 40002' a.txt
    run "$ASHLAR" replay a.txt
    [ "$status" -eq 0 ]
}

@test "the last image of the main process is the trace" {
    "$ASHLAR" record -o a.txt -- env sh -c "exec $WORKLOAD kinds" 2>said
    grep -q 'record_workload' said
    grep -q 'calloc.* 40002' a.txt
}

@test "children are left out, and the user is told" {
    run "$ASHLAR" record -o a.trace -- "$WORKLOAD" fork
    [ "$status" -eq 0 ]
    [[ "$output" == *"1 fork was not followed; see --children"* ]]
    only a.trace
}

@test "children on request" {
    "$ASHLAR" record --children -o a.txt -- "$WORKLOAD" fork
    only a.txt a.txt.1
    run "$ASHLAR" replay --target libc a.txt a.txt.1
    [ "$status" -eq 0 ]
    [ "$(grep -c ' 40001$' a.txt.1)" -ge 1 ] # inherited
}

@test "daemons are waited for" {
    "$ASHLAR" record --children -o a.txt -- "$WORKLOAD" daemon
    [ "$(grep -c 'free' a.txt.1)" -ge 500 ]
}

@test "a program that is killed leaves what it did" {
    run "$ASHLAR" record -o a.txt -- "$WORKLOAD" suicide
    [ "$status" -eq 137 ]
    [ "$(grep -c ' 4[0-9][0-9][0-9][0-9]$' a.txt)" -ge 5000 ]
    only a.txt
}

@test "signals for the recorder go to the program" {
    "$ASHLAR" record -o a.trace -- sleep 60 2>said &
    recorder=$!
    while ! pgrep -P "$recorder" sleep >/dev/null; do sleep 0.05; done
    kill -TERM "$recorder"
    ended=0
    wait "$recorder" || ended=$?
    [ "$ended" -eq 143 ]
    rm said
    only a.trace
}

@test "raw logs can be kept and read later" {
    "$ASHLAR" record --keep-raw -o a.trace -- "$WORKLOAD" churn 2>said
    raw=$(sed -n 's/.*raw logs are kept in //p' said)
    [ -d "$raw" ]
    "$ASHLAR" record --from-raw "$raw" -o b.trace
    cmp a.trace b.trace
}

@test "another allocator" {
    library=$(ls /usr/lib/*/libmimalloc.so.2 2>/dev/null | head -n 1)
    [ -n "$library" ] || skip "libmimalloc.so.2 is not installed"
    "$ASHLAR" record --preload "$library" -o a.trace -- "$WORKLOAD" churn
    run "$ASHLAR" replay --target libc a.trace
    [ "$status" -eq 0 ]
}

@test "what is preloaded already stays so, behind the recorder" {
    LD_PRELOAD=/no/such.so "$ASHLAR" record -q -o a.trace --preload /no/other.so -- \
        sh -c 'echo "$LD_PRELOAD"' >said 2>/dev/null
    grep -q '/libashlar_record.so:/no/other.so:/no/such.so$' said
}

@test "the library can be named, and must be there" {
    run env ASHLAR_RECORD_LIBRARY=/no/such/library.so "$ASHLAR" record -o a.trace -- touch ran
    [ "$status" -eq 5 ]
    [[ "$output" == *ASHLAR_RECORD_LIBRARY* ]]
    only
}

@test "a static program is said to be one" {
    command -v gcc >/dev/null || skip "no compiler"
    echo 'int main(void) { return 0; }' >static.c
    gcc -static -o static static.c || skip "no static libc"
    run "$ASHLAR" record -o a.trace -- ./static
    [ "$status" -eq 4 ]
    [[ "$output" == *"linked statically"* ]]
    only static static.c
}
