#!/usr/bin/env bash
# docs/CLI.md shows what the golden files hold: compares the two, or with `update` writes the guide.
set -euo pipefail
cd "$(dirname "$0")/../.."
filled=$(mktemp)
trap 'rm -f "$filled"' EXIT
awk '
    skip && /^```$/ { if (++fences == 2) skip = 0; next }
    skip && fences == 1 { next }
    skip { skip = 0 }
    { print }
    /^<!-- golden: / {
        file = "tests/cli/golden/" $3
        print "```"
        while ((status = (getline line < file)) > 0) {
            sub(/^2> /, "", line)
            gsub(/@BROKEN@/, "./libbroken.so", line)
            gsub(/@TMP@\//, "", line)
            print line
        }
        if (status < 0) { print "no " file > "/dev/stderr"; exit 1 }
        print "```"
        close(file)
        skip = 1; fences = 0
    }' docs/CLI.md >"$filled"
if [ "${1:-}" = update ]; then
    cp "$filled" docs/CLI.md
fi
diff -u docs/CLI.md "$filled"
