#!/bin/sh
# python_tests.sh MODULE...: CPython's own tests, verbosely, every object from malloc. Without those of
# sockets between virtual machines, which wait for ever in one that has no such device.
exec python3 -m test -v --timeout 300 --ignore '*VSOCK*' "$@"
