/* The C++ operators new and delete, for allocators that bring their own.
 *
 * 1. Purpose. libstdc++ and libc++ make these of malloc and free, where preload.c sees them. But
 *    mimalloc, jemalloc and tcmalloc define them too, and go straight to their own insides: a C++
 *    program would then allocate past the recorder. So the names have to stand here as well.
 *
 * 2. Two ways on. When the next definition lives in the same shared object as the next malloc, the
 *    call is recorded here. Otherwise it is passed on as it came, with no mark and no frame of ours
 *    in between, and the malloc that it makes is recorded; so a new handler runs, and bad_alloc is
 *    thrown, exactly as without us.
 *
 * 3. Where the next one is. RTLD_NEXT does not see a C++ runtime that came later by dlopen (a
 *    plug-in of a C program); its handle is then asked for by name. Should there be none at all,
 *    malloc and free serve, and what cannot be had ends the process: nobody could throw.
 */
#include "base/operators.h"
#include "os/runtime.h"
#include "record/log.h"
#include "record/next.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum way { UNKNOWN, RECORD, PASS, NOBODY };
struct next_operator {
    _Atomic(uintptr_t) function;
    _Atomic(int) way;
};

static bool same_object(void *a, const void *b) {
    Dl_info of_a, of_b;
    return dladdr(a, &of_a) != 0 && dladdr(b, &of_b) != 0 && of_a.dli_fbase == of_b.dli_fbase;
}

/* Section 3. Threads that meet here find the same. */
static __attribute__((noinline, cold)) void find_next(struct next_operator *next,
                                                      const char *symbol) {
    free(malloc(1)); /* the recorder is started */
    void *found = dlsym(RTLD_NEXT, symbol);
    int way = NOBODY;
    if (found != NULL) {
        void *next_malloc;
        memcpy(&next_malloc, &ash_next.malloc, sizeof next_malloc);
        way = same_object(found, next_malloc) ? RECORD : PASS;
    } else {
        found = ash_runtime_symbol(symbol);
        if (found != NULL) way = PASS;
    }
    atomic_store_explicit(&next->function, (uintptr_t)found, memory_order_relaxed);
    atomic_store_explicit(&next->way, way, memory_order_release);
}

static inline int way_of(struct next_operator *next, const char *symbol) {
    int way = atomic_load_explicit(&next->way, memory_order_acquire);
    if (__builtin_expect(way != UNKNOWN, 1)) return way;
    find_next(next, symbol);
    return atomic_load_explicit(&next->way, memory_order_acquire);
}

static void *fallback_new(size_t bytes, size_t alignment, bool throws) {
    void *block = NULL;
    if (alignment == 0)
        block = malloc(bytes);
    else if (posix_memalign(&block, alignment, bytes) != 0)
        block = NULL;
    if (block == NULL && throws) abort();
    return block;
}

/* Runs also when bad_alloc flies through. */
static void leave(const bool *before) {
    ash_log_leave(*before);
}

/* `throws` by the kinds of operators.h. */
#define THROWS_ROOT    true
#define THROWS_DERIVED true
#define THROWS_NOTHROW false

#define DEFINE_NEW(kind, symbol, parameters, arguments, alignment_or_0, base, base_arguments)      \
    void *symbol parameters;                                                                       \
    void *symbol parameters {                                                                      \
        static struct next_operator next;                                                          \
        int way = way_of(&next, #symbol);                                                          \
        if (way == NOBODY) return fallback_new(bytes, alignment_or_0, THROWS_##kind);              \
        void *(*function)parameters = (void *(*)parameters)next.function;                          \
        if (way == PASS || !ash_log_wanted(ASH_LOG_CALLER())) return function arguments;           \
        void *block = NULL;                                                                        \
        {                                                                                          \
            __attribute__((cleanup(leave), unused)) bool before = ash_log_enter();                 \
            block = function arguments;                                                            \
        }                                                                                          \
        size_t aligned = alignment_or_0;                                                           \
        ash_log_event(aligned != 0 ? ASH_RAW_ALIGNED : ASH_RAW_MALLOC, block, bytes, aligned);     \
        return block;                                                                              \
    }
ASH_OPERATORS_NEW(DEFINE_NEW)

#define DEFINE_DELETE(kind, symbol, parameters, arguments, alignment, base, base_arguments)        \
    void symbol parameters;                                                                        \
    void symbol parameters {                                                                       \
        static struct next_operator next;                                                          \
        int way = way_of(&next, #symbol);                                                          \
        if (way == NOBODY) {                                                                       \
            free(block);                                                                           \
            return;                                                                                \
        }                                                                                          \
        void(*function) parameters = (void(*) parameters)next.function;                            \
        if (way == PASS || block == NULL || !ash_log_wanted(ASH_LOG_CALLER())) {                   \
            function arguments;                                                                    \
            return;                                                                                \
        }                                                                                          \
        ash_log_event(ASH_RAW_FREE, block, 0, 0);                                                  \
        bool before = ash_log_enter();                                                             \
        function arguments;                                                                        \
        ash_log_leave(before);                                                                     \
    }
ASH_OPERATORS_DELETE(DEFINE_DELETE)
