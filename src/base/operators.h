/* The C++ operators new and delete that a program may replace, all of them, by their symbols.
 *
 *   X(kind, symbol, parameters, arguments, alignment, base, base_arguments)
 *
 * `alignment` is 0 where the operator takes none. `base` is the operator that the C++ standard
 * ([new.delete]) has the default version of this one call: a program that replaces that one alone
 * has replaced this one too. Kinds of new: ROOT (calls none), DERIVED, NOTHROW (catches what its
 * base throws). Kinds of delete: ROOT, DERIVED, NOTHROW, SIZED (`bytes` is the block's size).
 * `nothrow` is the address of a std::nothrow_t, `alignment` an std::align_val_t, both passed as
 * such in the Itanium ABI (https://itanium-cxx-abi.github.io/cxx-abi/abi.html). */
#ifndef ASH_OPERATORS_H
#define ASH_OPERATORS_H

#include <stddef.h>

#define ASH_OPERATORS_NEW(X)                                                                       \
    X(ROOT, _Znwm, (size_t bytes), (bytes), 0, _Znwm, (bytes))                                     \
    X(DERIVED, _Znam, (size_t bytes), (bytes), 0, _Znwm, (bytes))                                  \
    X(NOTHROW, _ZnwmRKSt9nothrow_t, (size_t bytes, const void *nothrow), (bytes, nothrow), 0,      \
      _Znwm, (bytes))                                                                              \
    X(NOTHROW, _ZnamRKSt9nothrow_t, (size_t bytes, const void *nothrow), (bytes, nothrow), 0,      \
      _Znam, (bytes))                                                                              \
    X(ROOT, _ZnwmSt11align_val_t, (size_t bytes, size_t alignment), (bytes, alignment), alignment, \
      _ZnwmSt11align_val_t, (bytes, alignment))                                                    \
    X(DERIVED, _ZnamSt11align_val_t, (size_t bytes, size_t alignment), (bytes, alignment),         \
      alignment, _ZnwmSt11align_val_t, (bytes, alignment))                                         \
    X(NOTHROW, _ZnwmSt11align_val_tRKSt9nothrow_t,                                                 \
      (size_t bytes, size_t alignment, const void *nothrow), (bytes, alignment, nothrow),          \
      alignment, _ZnwmSt11align_val_t, (bytes, alignment))                                         \
    X(NOTHROW, _ZnamSt11align_val_tRKSt9nothrow_t,                                                 \
      (size_t bytes, size_t alignment, const void *nothrow), (bytes, alignment, nothrow),          \
      alignment, _ZnamSt11align_val_t, (bytes, alignment))

#define ASH_OPERATORS_DELETE(X)                                                                    \
    X(ROOT, _ZdlPv, (void *block), (block), 0, _ZdlPv, (block))                                    \
    X(DERIVED, _ZdaPv, (void *block), (block), 0, _ZdlPv, (block))                                 \
    X(SIZED, _ZdlPvm, (void *block, size_t bytes), (block, bytes), 0, _ZdlPv, (block))             \
    X(SIZED, _ZdaPvm, (void *block, size_t bytes), (block, bytes), 0, _ZdaPv, (block))             \
    X(NOTHROW, _ZdlPvRKSt9nothrow_t, (void *block, const void *nothrow), (block, nothrow), 0,      \
      _ZdlPv, (block))                                                                             \
    X(NOTHROW, _ZdaPvRKSt9nothrow_t, (void *block, const void *nothrow), (block, nothrow), 0,      \
      _ZdaPv, (block))                                                                             \
    X(ROOT, _ZdlPvSt11align_val_t, (void *block, size_t alignment), (block, alignment), alignment, \
      _ZdlPvSt11align_val_t, (block, alignment))                                                   \
    X(DERIVED, _ZdaPvSt11align_val_t, (void *block, size_t alignment), (block, alignment),         \
      alignment, _ZdlPvSt11align_val_t, (block, alignment))                                        \
    X(SIZED, _ZdlPvmSt11align_val_t, (void *block, size_t bytes, size_t alignment),                \
      (block, bytes, alignment), alignment, _ZdlPvSt11align_val_t, (block, alignment))             \
    X(SIZED, _ZdaPvmSt11align_val_t, (void *block, size_t bytes, size_t alignment),                \
      (block, bytes, alignment), alignment, _ZdaPvSt11align_val_t, (block, alignment))             \
    X(NOTHROW, _ZdlPvSt11align_val_tRKSt9nothrow_t,                                                \
      (void *block, size_t alignment, const void *nothrow), (block, alignment, nothrow),           \
      alignment, _ZdlPvSt11align_val_t, (block, alignment))                                        \
    X(NOTHROW, _ZdaPvSt11align_val_tRKSt9nothrow_t,                                                \
      (void *block, size_t alignment, const void *nothrow), (block, alignment, nothrow),           \
      alignment, _ZdaPvSt11align_val_t, (block, alignment))

#endif
