#!/bin/bash -eu
# All of it is one script, which oss-fuzz/ashlar calls, too.
exec "$SRC/ashlar/fuzz/build.sh" "$@"
