/* Binding: the allocator of the process, by the names of libc, so whichever library is preloaded.
 * Each call goes through the PLT of the executable (one indirect jump) and finds its thread's state
 * by itself (thread-local storage), as in any program that uses a drop-in malloc. */
#ifndef BENCH_BIND_LIBC_H
#define BENCH_BIND_LIBC_H

#include <stdbool.h>
#include <stdlib.h>

struct bench_thread {
    char none;
};

static inline bool bench_open(void) {
    return true;
}
static inline bool bench_thread_open(struct bench_thread *thread) {
    thread->none = 0;
    return true;
}
static inline void bench_thread_close(struct bench_thread *thread) {
    (void)thread;
}
static inline void *bench_malloc(struct bench_thread *thread, size_t bytes) {
    (void)thread;
    return malloc(bytes);
}
static inline void *bench_calloc(struct bench_thread *thread, size_t count, size_t bytes) {
    (void)thread;
    return calloc(count, bytes);
}
static inline void *bench_realloc(struct bench_thread *thread, void *block, size_t bytes) {
    (void)thread;
    return realloc(block, bytes);
}
static inline void *bench_aligned(struct bench_thread *thread, size_t alignment, size_t bytes) {
    void *block = NULL;
    (void)thread;
    return posix_memalign(&block, alignment, bytes) == 0 ? block : NULL;
}
static inline void bench_free(struct bench_thread *thread, void *block) {
    (void)thread;
    free(block);
}

#endif
