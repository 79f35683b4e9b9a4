#!/bin/sh
# The scripts are clean under shellcheck. Skipped (77) where there is none.
set -eu
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || exit 77
# Scripts are told by their first line, not by their names.
find scripts .ci .clusterfuzzlite oss-fuzz bench tests cli fuzz corpus -type f ! -name '*.[ch]' \
    -exec sh -c 'head -n 1 "$1" | grep -qE "^#!.*/(env )?(ba|da)?sh"' _ {} \; -print |
    sort | xargs shellcheck --severity=warning --external-sources
