#!/bin/bash -eu
# All of it is one script of the project, which .clusterfuzzlite there calls, too.
exec "$SRC/ashlar/fuzz/build.sh" "$@"
