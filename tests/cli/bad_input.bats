#!/usr/bin/env bats
# Inputs that are not what they should be: one clear line with file and position, exit 2, no crash.

load helpers

# Every command that reads a trace, on file $1.
reading_commands() {
    printf '%s\n' "replay $1" "verify --trace $1" "dump --trace $1" "stats --trace $1" \
        "whatis --trace $1 slot:0" "bisect $1" "minimize $1 -o $tmp/small.trace" \
        "convert $1 $tmp/converted.txt"
}

refused() { # PATTERN FILE
    while read -r command; do
        # shellcheck disable=SC2086
        says 2 "$1" $command || return 1
    done < <(reading_commands "$2")
}

@test "files that are not there, or no files" {
    refused '^ashlar: .*missing.trace: No such file or directory$' "$tmp/missing.trace"
    refused 'is a directory' "$tmp"
    refused '^ashlar: /dev/null at byte 0: ' /dev/null
    : >"$tmp/empty"
    refused '^ashlar: .*/empty at byte 0: ' "$tmp/empty"
    [ "$(id -u)" -eq 0 ] && return 0 # root may read everything
    cp sound.trace "$tmp/unreadable"
    chmod 0 "$tmp/unreadable"
    refused 'Permission denied' "$tmp/unreadable"
}

@test "text traces: the line is named" {
    sed '9s/.*/molloc 1 48/' sound.trace >"$tmp/operation.trace"
    refused '^ashlar: .*/operation.trace:9: .*molloc' "$tmp/operation.trace"
    sed '9s/.*/malloc 99 48/' sound.trace >"$tmp/slot.trace"
    refused '^ashlar: .*/slot.trace:9: ' "$tmp/slot.trace"
    sed '9s/.*/malloc 1/' sound.trace >"$tmp/short.trace"
    refused '^ashlar: .*/short.trace:9: ' "$tmp/short.trace"
    sed '9s/.*/t9 malloc 1 5/' sound.trace >"$tmp/thread.trace"
    refused '^ashlar: .*/thread.trace:9: ' "$tmp/thread.trace"
    sed '1s/1$/9/' sound.trace >"$tmp/version.trace"
    refused '^ashlar: .*/version.trace:1: ' "$tmp/version.trace"
    sed '9s/.*/malloc 1 99999999999999999999999/' sound.trace >"$tmp/number.trace"
    refused '^ashlar: .*/number.trace:9: ' "$tmp/number.trace"
}

@test "binary traces: truncated anywhere, changed anywhere" {
    for kind in bin zst; do
        "$ASHLAR" convert sound.trace "$tmp/good.$kind"
        size=$(stat -c %s "$tmp/good.$kind")
        for length in 1 3 8 15 20 $((size / 2)) $((size - 1)); do
            head -c "$length" "$tmp/good.$kind" >"$tmp/cut"
            says 2 '^ashlar: .*/cut(:1:| at byte [0-9]+:) ' replay "$tmp/cut"
        done
        for at in $(seq 0 7 $((size - 1))); do
            cp "$tmp/good.$kind" "$tmp/changed"
            byte=$(od -An -tu1 -j "$at" -N 1 "$tmp/good.$kind" | tr -d ' ')
            printf "\\x$(printf %x $((byte ^ 0x41)))" |
                dd of="$tmp/changed" bs=1 seek="$at" conv=notrunc status=none
            says 2 '^ashlar: .*/changed(:1:| at byte [0-9]+:) ' replay "$tmp/changed"
        done
    done
    "$ASHLAR" convert sound.trace "$tmp/good.bin"
    head -c 30 "$tmp/good.bin" >"$tmp/cut"
    refused '^ashlar: .*/cut at byte [0-9]+: ' "$tmp/cut"
}

@test "rep: an id out of range, and other faults, with their line" {
    printf '20000\n2\n3\n1\na 0 512\na 7 128\nf 0\n' >"$tmp/range.rep"
    refused '^ashlar: .*/range.rep:6: ' "$tmp/range.rep"
    printf '20000\n2\n3\n1\na 0 512\nq 1 128\nf 0\n' >"$tmp/letter.rep"
    says 2 '^ashlar: .*/letter.rep:6: ' replay --from rep "$tmp/letter.rep"
}

@test "garbage" {
    printf 'no trace at all\n' >"$tmp/garbage"
    refused '^ashlar: .*/garbage(:[0-9]+:| at byte [0-9]+:) ' "$tmp/garbage"
    head -c 4096 /dev/zero >"$tmp/zeros"
    refused '^ashlar: .*/zeros(:[0-9]+:| at byte [0-9]+:) ' "$tmp/zeros"
}

@test "300 random files: refused, or read as raw, never a signal" {
    commands=(replay bisect "verify --trace" "dump --trace" "stats --trace")
    for i in $(seq 300); do
        # a seeded stream, so that a failure can be had again
        awk -v seed="$i" 'BEGIN { srand(seed); n = int(rand() * 400);
            for (k = 0; k < n; k++) printf "%c", int(rand() * 256) }' >"$tmp/random"
        # shellcheck disable=SC2086
        exits 2 ${commands[i % 5]} "$tmp/random"
        [ "$(wc -l <"$tmp/err")" -eq 1 ]
        code=0
        # shellcheck disable=SC2086
        "$ASHLAR" ${commands[i % 5]} "$tmp/random" --raw >"$tmp/out" 2>"$tmp/err" || code=$?
        # an empty file is no input at all; a fuzzer input may hold illegal operations
        case $code in 0 | 1 | 3) ;; 2) [ ! -s "$tmp/random" ] ;; *) echo "seed $i: $code"; return 1 ;; esac
    done
}

@test "text with one damaged byte: an answer of the contract, never a signal" {
    size=$(stat -c %s noisy.trace)
    for at in $(seq 0 11 $((size - 1))); do
        cp noisy.trace "$tmp/damaged.trace"
        printf "\\x$(printf %x $((at % 256)))" |
            dd of="$tmp/damaged.trace" bs=1 seek="$at" conv=notrunc status=none
        code=0
        "$ASHLAR" replay "$tmp/damaged.trace" >"$tmp/out" 2>"$tmp/err" || code=$?
        [ "$code" -le 3 ] || { echo "byte $at: exit $code"; return 1; }
    done
}
