#!/usr/bin/env bats
# What each command prints, whole: golden/NAME holds standard output, standard error and exit code.

load helpers

@test "replay: sound" { golden replay-sound replay sound.trace; }
@test "replay: several" { golden replay-several replay sound.trace empty.trace double-free.trace; }
@test "replay: double free" { golden replay-double-free replay double-free.trace; }
@test "replay: remote double free" { golden replay-remote replay remote-double-free.trace; }
@test "replay: free inside" { golden replay-inside replay free-inside.trace; }
@test "replay: free foreign" { golden replay-foreign replay free-foreign.trace; }
@test "replay: wrong size" { golden replay-size replay free-wrong-size.trace; }
@test "replay: until" { golden replay-until replay --until 7 double-free.trace; }
@test "replay: libc" { golden replay-libc replay --target libc sound.trace; }
@test "replay: libc leaves misuse out" { golden replay-libc-misuse replay --target libc double-free.trace; }
@test "replay: JSON" { golden replay-json replay --json double-free.trace; }
@test "replay: broken target, misaligned" {
    abandons
    golden broken-misaligned replay --target "$BROKEN" --prefix bad_ misaligned.trace
}
@test "replay: broken target, crash" {
    golden broken-crash replay --target "$BROKEN" --prefix bad_ crash.trace
}
@test "replay: broken target, crash, JSON" {
    golden broken-crash-json replay --json --target "$BROKEN" --prefix bad_ crash.trace
}
@test "replay: broken target, hang" {
    golden broken-hang replay --timeout 1 --target "$BROKEN" --prefix bad_ hang.trace
}
@test "replay: broken target, overlap" {
    abandons
    golden broken-overlap replay --target "$BROKEN" --prefix bad_ overlap.trace
}
@test "verify: sound" { golden verify-sound verify --trace sound.trace; }
@test "verify: misuse" { golden verify-misuse verify --trace double-free.trace; }
@test "verify: JSON" { golden verify-json verify --json --trace sound.trace; }
@test "dump: blocks" { golden dump-blocks dump --trace sound.trace; }
@test "dump: slabs" { golden dump-slabs dump --trace sound.trace --detail slabs; }
@test "dump: summary" { golden dump-summary dump --trace sound.trace --detail summary; }
@test "dump: one block" { golden dump-block dump --trace double-free.trace --block slot:1; }
@test "dump: until" { golden dump-until dump --trace double-free.trace --until 2; }
@test "dump: remote" { golden dump-remote dump --trace remote-double-free.trace --state remote; }
@test "dump: JSON" { golden dump-json dump --json --trace sound.trace --state live; }
@test "dump: slabs, JSON" { golden dump-slabs-json dump --json --trace sound.trace --detail slabs; }
@test "stats" { golden stats stats --trace sound.trace; }
@test "stats: JSON" { golden stats-json stats --json --trace sound.trace; }
@test "whatis: slot" { golden whatis-slot whatis --trace double-free.trace '#1'; }
@test "whatis: behind the requested end" { golden whatis-behind whatis --trace sound.trace slot:0+41; }
@test "whatis: span" { golden whatis-span whatis --trace sound.trace slot:3+70000; }
@test "whatis: no block" { golden whatis-beyond whatis --trace sound.trace region+0x3f0000; }
@test "whatis: JSON" { golden whatis-json whatis --json --trace double-free.trace '#1'; }
@test "bisect" { golden bisect bisect double-free.trace; }
@test "bisect: sound" { golden bisect-sound bisect sound.trace; }
@test "bisect: JSON" { golden bisect-json bisect --json double-free.trace; }
@test "bisect: crash" { golden bisect-crash bisect --target "$BROKEN" --prefix bad_ crash.trace; }
@test "minimize" { golden minimize minimize noisy.trace -o "$tmp/small.trace"; }
@test "minimize: JSON" { golden minimize-json minimize --json noisy.trace -o "$tmp/small.trace"; }
@test "minimize: nothing to do" { golden minimize-sound minimize sound.trace -o "$tmp/small.trace"; }
@test "convert: to text" { golden convert-text convert sound.trace - --to text; }
@test "convert: what is lost" { golden convert-lost convert double-free.trace "$tmp/a.rep"; }
@test "explain" { golden explain explain ASH-FREE-DOUBLE; }
@test "explain: JSON" { golden explain-json explain --json ash-free-double; }
@test "help" { golden help help; }
@test "help: one command" { golden help-replay help replay; }
@test "version" { golden version version; }
@test "bad input" {
    cd "$here/bad" || exit 1
    golden bad-input replay line-4.trace
}
@test "bad input: JSON" {
    cd "$here/bad" || exit 1
    golden bad-input-json verify --json --trace line-4.trace
}
