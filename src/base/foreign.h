/* Memory that a library wrote which MemorySanitizer cannot see into. */
#ifndef ASH_BASE_FOREIGN_H
#define ASH_BASE_FOREIGN_H

#include "base/base.h"

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define ASH_FOREIGN_WROTE(at, bytes) __msan_unpoison((at), (bytes))
#endif
#endif
#ifndef ASH_FOREIGN_WROTE
#define ASH_FOREIGN_WROTE(at, bytes) ((void)(at), (void)(bytes))
#endif

/* The `bytes` bytes at `at` hold what an uninstrumented library put there. Without this, reading
 * them is reported as a use of uninitialised memory; elsewhere it does nothing. */
ASH_INLINE void ash_foreign_wrote(const void *at, size_t bytes) {
    ASH_FOREIGN_WROTE(at, bytes);
}

#endif
