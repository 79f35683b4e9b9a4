#!/bin/sh
# What libashlar.so exports: malloc's names without a version, the operators, _exit for reports at
# exit, and our own names with ours; nothing else. Names that the linker makes do not count.
#
# usage: exports.sh LIBRARY
set -eu
names=$(nm -D --defined-only "$1" | awk '{ print $3 }' |
  grep -v -e '^_init$' -e '^_fini$' -e '^ASHLAR_[0-9]*$')

wrong=$(printf '%s\n' "$names" | grep -v -x \
  -e 'ashlar_[a-z_]*@@ASHLAR_[0-9]*' \
  -e '_Z[nd][wla]*[A-Za-z0-9_]*' \
  -e 'malloc' -e 'calloc' -e 'realloc' -e 'reallocarray' -e 'free' -e 'cfree' \
  -e 'free_sized' -e 'free_aligned_sized' \
  -e 'aligned_alloc' -e 'posix_memalign' -e 'memalign' -e 'valloc' -e 'pvalloc' \
  -e 'malloc_[a-z_]*' -e 'mallinfo2\?' -e 'mallopt' \
  -e '__libc_[a-z]*' -e '__posix_memalign' -e '_exit' || true)
if [ -n "$wrong" ]; then
  echo "exported and should not be: $wrong"
  exit 1
fi

for name in malloc calloc realloc reallocarray free cfree free_sized free_aligned_sized \
  aligned_alloc posix_memalign memalign valloc pvalloc malloc_usable_size malloc_trim \
  malloc_stats malloc_info mallinfo mallinfo2 mallopt __libc_malloc __libc_calloc \
  __libc_realloc __libc_free __libc_memalign __libc_valloc __libc_pvalloc __posix_memalign \
  __libc_mallopt __libc_mallinfo ashlar_heap_create@@ASHLAR_0 ashlar_check_heap@@ASHLAR_0; do
  if ! printf '%s\n' "$names" | grep -q -x "$name"; then
    echo "not exported: $name"
    exit 1
  fi
done
