# What the tests of the command line share. ASHLAR is the program, BROKEN a target with known
# faults; both come from CTest.
#
# ASHLAR_GOLDEN=update rewrites the golden files instead of comparing; read the diff afterwards.

: "${ASHLAR:?names the program}" "${BROKEN:?names the broken target}"

setup() {
    here=$BATS_TEST_DIRNAME
    tmp=$BATS_TEST_TMPDIR
    cd "$here/traces" || exit 1
}

# golden NAME COMMAND... - standard output, standard error and exit code are those of golden/NAME.
# The broken target's path differs from build to build and is written @BROKEN@.
golden() {
    local name=$1 code=0
    shift
    "$ASHLAR" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || code=$?
    {
        printf '$ ashlar %s\n' "$*"
        cat "$tmp/out"
        sed 's/^/2> /' "$tmp/err"
        printf 'exit %d\n' "$code"
    } | sed -e "s|$BROKEN|@BROKEN@|g" -e "s|$tmp|@TMP@|g" >"$tmp/actual"
    if [ "${ASHLAR_GOLDEN:-}" = update ]; then
        cp "$tmp/actual" "$here/golden/$name"
    fi
    diff -u "$here/golden/$name" "$tmp/actual"
}

# What a replay with a finding leaves in libc's heap on purpose is no leak of the program.
abandons() {
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
}

# exits CODE COMMAND... - the exit code, and nothing but that.
exits() {
    local wanted=$1 code=0
    shift
    "$ASHLAR" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || code=$?
    if [ "$code" -ne "$wanted" ]; then
        printf 'exit %d, not %d: ashlar %s\n' "$code" "$wanted" "$*"
        cat "$tmp/out" "$tmp/err"
        return 1
    fi
}

# says CODE PATTERN COMMAND... - the exit code, nothing on standard output, and one line on standard
# error that matches the extended regular expression.
says() {
    local wanted=$1 pattern=$2
    shift 2
    exits "$wanted" "$@" || return 1
    if [ -s "$tmp/out" ] || [ "$(wc -l <"$tmp/err")" -ne 1 ] || ! grep -Eq -e "$pattern" "$tmp/err"; then
        printf 'not one line on standard error that matches %s: ashlar %s\n' "$pattern" "$*"
        cat "$tmp/out" "$tmp/err"
        return 1
    fi
}

# json FILTER - jq over the lines of the last output, which begin and end as the contract says.
json() {
    jq -e -s '.[0].type == "begin" and .[0].schema == 1 and .[-1].type == "summary" and
              (map(select(.type == "begin")) | length) == 1 and
              (map(select(.type == "summary")) | length) == 1' "$tmp/out" >/dev/null &&
        jq -e -s "$1" "$tmp/out"
}
