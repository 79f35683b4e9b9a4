# shellcheck shell=bash disable=SC2034
# Sourced by test, demo and coverage: steps that are timed, said, and quiet unless they fail.
#
# What a step prints goes to build/logs/; on failure its end is shown. Nothing reads standard input,
# and nothing depends on who owns the tree.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
exec </dev/null
export LC_ALL=C.UTF-8 CLICOLOR_FORCE=0 PYTHONDONTWRITEBYTECODE=1
jobs=${ASHLAR_JOBS:-$(nproc)}
logs=build/logs
mkdir -p "$logs"
step_rows=()
step_failures=0

# Clang 14's sanitizers cannot start when the kernel randomizes more than 28 bits of addresses.
# Where it does, sanitized programs run without randomization, if the container lets them.
steady=()
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ] &&
    setarch "$(uname -m)" -R true 2>/dev/null; then
    steady=(setarch "$(uname -m)" -R)
fi

say() {
    printf '\n== %s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# quiet NAME COMMAND...: the output goes to a log; its end is shown when the command fails.
quiet() {
    local log=$logs/$1.log status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        printf -- '-- failed (exit %s): %s\n-- the end of %s:\n' "$status" "$*" "$log"
        grep -nE 'error:|FAILED|Error' "$log" | head -20
        tail -n 40 "$log"
    fi
    return "$status"
}

# step NAME COMMAND...: runs it, says how long it took, counts a failure and goes on.
step() {
    local name=$1 start=$SECONDS result=ok
    shift
    say "$name"
    if ! "$@"; then
        result=FAILED
        step_failures=$((step_failures + 1))
    fi
    step_rows+=("$(printf '%-40s %-7s %4d s' "$name" "$result" $((SECONDS - start)))")
}

# Configures and builds a preset; further arguments are targets.
build_preset() {
    local preset=$1 targets=()
    shift
    [ $# -gt 0 ] && targets=(--target "$@")
    quiet "configure-$preset" cmake --preset "$preset" &&
        quiet "build-$preset" cmake --build --preset "$preset" -j "$jobs" "${targets[@]}" &&
        echo "build/$preset is built"
}
