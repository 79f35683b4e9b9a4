#!/usr/bin/env bats
# ashlar run: the program's own status and streams, the options, and what cannot be run.

bats_require_minimum_version 1.5.0

: "${ASHLAR:?names the program}"

SOUND='^SUMMARY: sound: no finding; [0-9,]+ blocks, 100 % checked$'

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    unset ASHLAR_OPTIONS ASHLAR_LIBRARY
    # What instrumented programs of this build ask of each other is nothing to the programs run.
    unset LD_PRELOAD
}

@test "the program's output, input and exit status are its own" {
    run bash -c 'echo hello | "$ASHLAR" run -- sh -c "cat; echo error >&2; exit 3" 2>&1'
    [ "$status" -eq 3 ]
    [ "$output" = "hello"$'\n'"error" ]
    run "$ASHLAR" run -- sh -c 'kill -9 $$'
    [ "$status" -eq 137 ]
    run "$ASHLAR" run -- sh -c 'exit 1'
    [ "$status" -eq 1 ]
}

@test "the program's options are its own" {
    run "$ASHLAR" run -- echo --stats --verify exit
    [ "$output" = "--stats --verify exit" ]
    run "$ASHLAR" run echo -n --help
    [ "$output" = "--help" ]
}

@test "--verify exit" {
    run --separate-stderr "$ASHLAR" run --verify exit -- cat /dev/null
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [[ "${stderr_lines[0]}" =~ ^ashlar:\ verify\ at\ exit:\ cat\ \(process\ [0-9]+\)$ ]]
    [[ "${stderr_lines[1]}" =~ $SOUND ]]
    [ "${#stderr_lines[@]}" -eq 2 ]
}

@test "--verify signal=N" {
    run --separate-stderr "$ASHLAR" run --verify signal=10 -- bash -c 'kill -USR1 $$; exit 4'
    [ "$status" -eq 4 ]
    [[ "${stderr_lines[1]}" =~ $SOUND ]]
}

@test "--verify every=N" {
    run --separate-stderr "$ASHLAR" run --verify every=1000 --options verbose -- \
        bash -c 'for i in {1..300}; do a+=($i$i); done'
    [ "$status" -eq 0 ]
    [ "$(grep -c '^ashlar: verify after operations: ' <<<"$stderr")" -ge 1 ]
    [ "$(grep -Ec "$SOUND" <<<"$stderr")" -ge 1 ]
}

@test "--stats" {
    run --separate-stderr "$ASHLAR" run --stats -- cat /dev/null
    [ "$status" -eq 0 ]
    [ "$(grep -Ec '^(ashlar: statistics at exit: cat|committed +[0-9,]+ )' <<<"$stderr")" -eq 2 ]
}

@test "--options, and what the environment says already" {
    run --separate-stderr "$ASHLAR" run --stats --options verify=exit:output=one -- cat /dev/null
    [ -z "$stderr" ]
    grep -Eq "$SOUND" one
    ASHLAR_OPTIONS=output=two:verify=exit run --separate-stderr "$ASHLAR" run -- cat /dev/null
    [ -z "$stderr" ]
    grep -Eq "$SOUND" two
    ASHLAR_OPTIONS=output=two run --separate-stderr "$ASHLAR" run --options output=three \
        --verify exit --level fast -- cat /dev/null
    [ -z "$stderr" ]
    [ "$(wc -l <two)" -eq 2 ]
    [ "$(wc -l <three)" -eq 2 ]
}

@test "what is preloaded already stays so" {
    LD_PRELOAD=/no/such.so run "$ASHLAR" run -- bash -c 'echo "$LD_PRELOAD"'
    [[ "$output" == *"/libashlar.so"*":/no/such.so" ]]
}

@test "usage" {
    for arguments in "" "--verify" "--verify sometimes -- true" "--verify signal=65 -- true" \
        "--verify every=x -- true" "--level nix -- true" "--level guard -- true" \
        "--level track -- true" "--nonsense -- true"; do
        # shellcheck disable=SC2086
        run --separate-stderr "$ASHLAR" run $arguments
        [ "$status" -eq 2 ]
        [ "${#stderr_lines[@]}" -ge 1 ]
        [ -z "$output" ]
    done
    run "$ASHLAR" run --level guard -- true
    [[ "$output" == *"--level guard: not in this build yet" ]]
}

@test "programs that cannot be run" {
    run -127 "$ASHLAR" run -- ./no-such-program
    [ "$output" = "ashlar: run: ./no-such-program: No such file or directory" ]
    run -127 "$ASHLAR" run -- no-such-program-anywhere
    run -126 "$ASHLAR" run -- /etc/passwd
    run -126 "$ASHLAR" run -- /
}

@test "the library can be named, and must be there" {
    ASHLAR_LIBRARY=/no/such/library.so run "$ASHLAR" run -- touch ran
    [ "$status" -eq 5 ]
    [[ "$output" == *"ASHLAR_LIBRARY: /no/such/library.so"* ]]
    [ ! -e ran ]
}

@test "a static program is refused" {
    command -v gcc >/dev/null || skip "no compiler"
    echo 'int main(void) { return 0; }' >static.c
    gcc -static -o static static.c || skip "no static libc"
    run "$ASHLAR" run -- ./static
    [ "$status" -eq 4 ]
    [[ "$output" == *"is linked statically"* ]]
    PATH=$PWD:$PATH run "$ASHLAR" run -- static
    [ "$status" -eq 4 ]
    gcc -static-pie -o static static.c || skip "no static libc for this"
    run "$ASHLAR" run -- ./static
    [ "$status" -eq 4 ]
}

@test "a set-user-ID program of another user is refused" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    install -m 4755 -o nobody "$(command -v cat)" other
    run "$ASHLAR" run -- ./other /dev/null
    [ "$status" -eq 4 ]
    [[ "$output" == *"changes its user"* ]]
}
