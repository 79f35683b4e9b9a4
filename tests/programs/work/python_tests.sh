#!/bin/sh
# python_tests.sh MODULE...: CPython's own tests, verbosely, every object from malloc.
exec python3 -m test -v --timeout 300 "$@"
