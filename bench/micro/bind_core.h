/* Binding: the core, linked statically and called directly. Each call is a direct call (no PLT) and
 * passes the thread heap as its first argument, which the workloads read from memory again for each
 * call, as a front end reads it from thread-local storage. No link-time optimisation: nothing of
 * the core is inlined into the workloads. */
#ifndef BENCH_BIND_CORE_H
#define BENCH_BIND_CORE_H

#include <ashlar/heap.h>
#include <stdbool.h>

struct bench_thread {
    struct ashlar_thread_heap *volatile heap;
};

static struct ashlar_heap *bench_heap;

static inline bool bench_open(void) {
    return ashlar_heap_create(NULL, &bench_heap) == ASHLAR_OK;
}
static inline bool bench_thread_open(struct bench_thread *thread) {
    struct ashlar_thread_heap *heap = NULL;
    enum ashlar_status status = ashlar_thread_heap_acquire(bench_heap, &heap);
    thread->heap = heap;
    return status == ASHLAR_OK;
}
static inline void bench_thread_close(struct bench_thread *thread) {
    ashlar_thread_heap_release(thread->heap);
}
static inline void *bench_malloc(struct bench_thread *thread, size_t bytes) {
    return ashlar_malloc(thread->heap, bytes);
}
static inline void *bench_calloc(struct bench_thread *thread, size_t count, size_t bytes) {
    return ashlar_calloc(thread->heap, count, bytes);
}
static inline void *bench_realloc(struct bench_thread *thread, void *block, size_t bytes) {
    return ashlar_realloc(thread->heap, block, bytes);
}
static inline void *bench_aligned(struct bench_thread *thread, size_t alignment, size_t bytes) {
    return ashlar_aligned_alloc(thread->heap, alignment, bytes);
}
static inline void bench_free(struct bench_thread *thread, void *block) {
    ashlar_free(thread->heap, block);
}

#endif
