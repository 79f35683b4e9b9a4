#!/usr/bin/env bats
# The contract with scripts: exit codes, JSON Lines, the command table, files written.

load helpers

@test "exit 0: sound" {
    exits 0 replay sound.trace
    exits 0 verify --trace sound.trace
    exits 0 bisect sound.trace
}

@test "exit 1: findings" {
    for name in double-free remote-double-free free-inside free-foreign free-wrong-size flip; do
        exits 1 replay "$name.trace"
        exits 1 verify --trace "$name.trace"
        exits 1 bisect "$name.trace"
    done
    exits 1 replay sound.trace double-free.trace
}

@test "exit 2: usage, in one line" {
    says 2 'no command given'
    says 2 'no command .nix.' nix
    for later in map leaks snapshot diff compare; do
        says 2 "no command .$later." "$later"
    done
    says 2 'unrecognized option' replay --nix sound.trace
    says 2 'unrecognized option' verify --pid 1
    says 2 'unrecognized option' dump --core x
    says 2 'no trace given' replay
    says 2 'no heap given' verify
    says 2 'no heap given' dump
    says 2 'no heap given' stats
    says 2 'no address given' whatis --trace sound.trace
    says 2 'unexpected argument' verify sound.trace
    says 2 'one trace at a time' bisect sound.trace sound.trace
    says 2 'nothing to write' minimize sound.trace
    says 2 'needs IN and OUT' convert sound.trace
    says 2 'no format .nix.' convert sound.trace x.txt --to nix
    says 2 'no format .nix.' replay --from nix sound.trace
    says 2 'does not tell the format' convert sound.trace "$tmp/out.nix"
    says 2 'can be read, not written' convert sound.trace x --to mtrace
    says 2 'is not a number' replay --until x sound.trace
    says 2 'is not a number' replay --seed -1 sound.trace
    says 2 'is not a number' dump --trace sound.trace --slab 99999999999999999999
    says 2 'no level .nix.' replay --level nix sound.trace
    says 2 'end, each' replay --verify never sound.trace
    says 2 'model or real' replay --threads many sound.trace
    says 2 'light, sampled' replay --oracle deep sound.trace
    says 2 'number of times' replay --repeat 0 sound.trace
    says 2 '--target' replay --target nix sound.trace
    says 2 'No such file' replay --target ./nix.so sound.trace
    says 2 'no finding .ASH-NIX.' explain ASH-NIX
    says 2 'one code at a time' explain ASH-FREE-DOUBLE ASH-FREE-SIZE
    says 2 'no command .nix.' help nix
    says 2 'unexpected argument' version now
}

@test "exit 2: addresses that are none" {
    says 2 'is no address' whatis --trace sound.trace nix
    says 2 'is no address' whatis --trace sound.trace ''
    says 2 'is not the number of a slot' whatis --trace sound.trace slot:x
    says 2 'slot 7 has no block' whatis --trace sound.trace slot:7
    says 2 'slot 4000000000 has no block' whatis --trace sound.trace '#4000000000'
    says 2 'is no distance' whatis --trace sound.trace slot:0+x
    says 2 'is no address' whatis --trace sound.trace "$(printf 'x%.0s' {1..500})"
}

@test "exit 3: nothing found, not all of it checked" {
    exits 3 replay --target libc double-free.trace
}

@test "exit 4: not in this build, or not a target" {
    says 4 'not in this build yet' replay --level guard sound.trace
    says 4 'not in this build yet' replay --level track sound.trace
    says 4 'thread heaps' replay --threads real sound.trace
    printf 'no library' >"$tmp/nix.so"
    says 4 '--target' replay --target "$tmp/nix.so" sound.trace
}

@test "exit 5: output that does not arrive" {
    for command in help version explain "replay sound.trace" "verify --trace sound.trace" \
        "dump --trace sound.trace" "stats --trace sound.trace" "replay --json double-free.trace" \
        "whatis --trace sound.trace slot:0" "bisect double-free.trace" "help replay" \
        "convert sound.trace - --to text"; do
        code=0
        # shellcheck disable=SC2086
        "$ASHLAR" $command >/dev/full 2>"$tmp/err" || code=$?
        [ "$code" -eq 5 ] || { echo "exit $code: $command"; return 1; }
        grep -q 'standard output: .*No space left' "$tmp/err"
        code=0
        # shellcheck disable=SC2086
        "$ASHLAR" $command >&- 2>"$tmp/err" || code=$?
        [ "$code" -eq 5 ] || { echo "exit $code with a closed output: $command"; return 1; }
    done
    exits 5 convert sound.trace /dev/full --to text
    exits 5 convert sound.trace "$tmp/no/such/folder/x.txt"
    exits 5 minimize noisy.trace -o "$tmp/no/such/folder/x.txt"
    exits 5 minimize noisy.trace -o /dev/full
    exits 5 minimize noisy.trace --emit-c /dev/full
}

@test "the table: sorted, and the same for help, help NAME and NAME --help" {
    names=$("$ASHLAR" help --json | jq -r 'select(.type == "command").name')
    [ "$names" = "$(LC_ALL=C sort -u <<<"$names")" ]
    for name in bisect convert dump explain help minimize record replay stats verify version whatis; do
        grep -qx "$name" <<<"$names"
    done
    for name in $names; do
        "$ASHLAR" help | grep -Eq "^  $name +[a-z]"
        "$ASHLAR" help "$name" >"$tmp/a"
        "$ASHLAR" "$name" --help >"$tmp/b"
        cmp "$tmp/a" "$tmp/b"
        grep -q "^Usage: ashlar $name" "$tmp/a"
    done
    [ "$("$ASHLAR" --help)" = "$("$ASHLAR" help)" ]
    [ "$("$ASHLAR" --version)" = "$("$ASHLAR" version)" ]
}

@test "every finding can be explained" {
    codes=$("$ASHLAR" explain --json | jq -r 'select(.type == "code").code')
    [ "$(wc -l <<<"$codes")" -ge 20 ]
    for code in $codes; do
        exits 0 explain "$code"
        grep -q '  next      .' "$tmp/out"
    done
}

@test "JSON: every command, first a begin, last a summary with the exit code" {
    exits 0 version --json
    json '.[-1].exit == 0'
    exits 0 help --json
    json '.[-1].exit == 0'
    exits 0 explain --json
    json '.[-1].exit == 0'
    exits 0 replay --json sound.trace
    json '.[-1] | .exit == 0 and .verdict == "sound"'
    exits 1 replay --json double-free.trace
    json '.[-1] | .exit == 1 and .verdict == "misuse"'
    exits 1 replay --json flip.trace
    json '.[-1] | .exit == 1 and .verdict == "corrupt"'
    exits 3 replay --json --target libc double-free.trace
    json '.[-1] | .exit == 3 and .verdict == "incomplete"'
    exits 0 verify --json --trace sound.trace
    json '.[-1] | .exit == 0 and .verdict == "sound"'
    exits 1 verify --json --trace flip.trace
    json '.[-1].exit == 1'
    exits 0 dump --json --trace sound.trace
    json '.[-1].exit == 0'
    exits 0 dump --json --detail slabs --trace sound.trace
    json '.[-1].exit == 0'
    exits 0 dump --json --detail summary --trace sound.trace
    json '.[-1].exit == 0'
    exits 0 stats --json --trace sound.trace
    json '.[-1].exit == 0'
    exits 0 whatis --json --trace sound.trace slot:3
    json '.[1].block.kind == "span"'
    exits 0 bisect --json sound.trace
    json '.[-1].verdict == "sound"'
    exits 1 bisect --json free-inside.trace
    json '.[1].operation == 2'
    exits 0 convert --json sound.trace "$tmp/a.bin" --to binary
    json '.[1].lost == 0'
    exits 2 replay --json missing.trace
    json '.[-1] | .exit == 2 and .verdict == "error"'
    exits 2 verify --json --trace missing.trace
    json '.[-1] | .exit == 2 and .verdict == "error"'
    exits 2 whatis --json --trace sound.trace nix
    json '.[-1].message | test("no address")'
    exits 2 explain --json ASH-NIX
    json '.[-1].exit == 2'
    exits 2 minimize --json sound.trace -o "$tmp/x"
    json '.[-1].exit == 2'
}

@test "JSON: a finding names the operation, the earlier ones, the block and its neighbours" {
    exits 1 replay --json double-free.trace
    json 'map(select(.type == "finding")) | length == 1'
    json '.[] | select(.type == "finding") |
          .code == "ASH-FREE-DOUBLE" and .operation.index == 7 and .operation.text == "double-free 1"
          and .allocated_by.index == 1 and .first_freed_by.index == 5 and .block.state == "free"
          and .block.slot == 1 and .block.requested == 29 and .before.slot == 2 or .after.slot == 2'
    json '.[] | select(.type == "finding") | (.address | test("^0x[0-9a-f]+$"))
          and .space == "region"'
}

@test "dump: JSON and the filters agree" {
    exits 0 dump --json --trace sound.trace
    live=$(jq -s 'map(select(.type == "block" and .state == "live")) | length' "$tmp/out")
    remote=$(jq -s 'map(select(.type == "block" and .state == "remotely freed")) | length' "$tmp/out")
    json '(map(select(.type == "block" and .kind == "span")) | length) == 1'
    [ "$live" -eq 5 ]
    [ "$remote" -eq 1 ]
    exits 0 dump --json --trace sound.trace --state live
    json "map(select(.type == \"block\")) | length == $live and all(.state == \"live\")"
    exits 0 dump --json --trace sound.trace --class 48
    json 'map(select(.type == "block")) | length > 0 and all(.class == 48)'
    exits 0 dump --json --trace sound.trace --thread 1
    json 'map(select(.type == "block")) | length > 0 and all(.owner == 1)'
    exits 0 dump --json --trace sound.trace --thread 9
    json 'map(select(.type == "block")) | length == 0'
    exits 0 dump --json --trace sound.trace --block slot:4
    json 'map(select(.type == "block")) | length == 1 and .[0].slot == 4'
    slab=$(jq 'select(.type == "block").slab' "$tmp/out")
    exits 0 dump --json --trace sound.trace --slab "$slab" --state live
    json 'map(select(.type == "block")) | any(.slot == 4)'
}

@test "replay: --verify, --seed, --repeat, --oracle, --until" {
    exits 0 replay --verify each --seed 5 --repeat 3 --oracle light sound.trace
    exits 0 replay --verify 2 --oracle sampled sound.trace
    exits 0 replay --json --until 0 double-free.trace
    json '.[] | select(.type == "replay") | .operations == 0'
    exits 0 replay --until 7 double-free.trace
    exits 1 replay --until 8 double-free.trace
    exits 0 replay --misuse expect double-free.trace
    exits 1 replay --misuse report double-free.trace
    says 2 'report or expect' replay --misuse maybe double-free.trace
}

@test "the same input gives the same bytes" {
    for command in "replay double-free.trace" "dump --trace noisy.trace" "verify --trace noisy.trace" \
        "stats --json --trace noisy.trace" "dump --json --trace sound.trace" "replay flip.trace" \
        "dump --trace aligned.trace"; do
        # shellcheck disable=SC2086
        "$ASHLAR" $command >"$tmp/a" 2>&1 || true
        # shellcheck disable=SC2086
        "$ASHLAR" $command >"$tmp/b" 2>&1 || true
        cmp "$tmp/a" "$tmp/b"
        if grep -E '0x7f[0-9a-f]{10}|0x5[56][0-9a-f]{10}' "$tmp/a"; then return 1; fi
    done
}

@test "--addresses: real addresses, which whatis takes" {
    exits 0 dump --json --addresses --trace sound.trace --state live
    json 'map(select(.type == "block").address | ltrimstr("0x") | length) | all(. >= 9)'
}

@test "minimize: the same finding, small, replayable, and the C program compiles" {
    exits 0 minimize noisy.trace -o "$tmp/small.trace" --emit-c "$tmp/small.c"
    exits 1 replay --json "$tmp/small.trace"
    json '.[] | select(.type == "finding") | .code == "ASH-FREE-DOUBLE"'
    json '.[] | select(.type == "replay") | .operations <= 3'
    cc -Wall -o "$tmp/small" "$tmp/small.c"
    exits 0 minimize noisy.trace -o "$tmp/small.ashtrace"
    exits 1 replay "$tmp/small.ashtrace"
}

@test "minimize: a crash stays the same crash" {
    exits 0 minimize --json --target "$BROKEN" --prefix bad_ crash.trace -o "$tmp/small.trace"
    json '.[1].operations == 1 and .[1].code == "ASH-ORACLE-CRASH"'
    exits 1 replay --target "$BROKEN" --prefix bad_ "$tmp/small.trace"
}

@test "convert: text, binary, compressed and back" {
    exits 0 convert sound.trace "$tmp/a.ashtrace"
    exits 0 convert "$tmp/a.ashtrace" "$tmp/b.zst"
    exits 0 convert "$tmp/b.zst" "$tmp/c.txt"
    exits 0 convert sound.trace "$tmp/d.txt"
    cmp "$tmp/c.txt" "$tmp/d.txt"
    exits 0 convert "$tmp/c.txt" "$tmp/e.raw"
    exits 0 replay --raw "$tmp/e.raw"
    exits 0 convert --raw "$tmp/e.raw" "$tmp/f.mreplay"
    exits 0 replay "$tmp/f.mreplay"
    exits 0 convert "$tmp/c.txt" "$tmp/g.rep"
    exits 0 replay --from rep "$tmp/g.rep"
}
