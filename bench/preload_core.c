/* The core behind the names of libc, for one purpose: to show how much of the core's figures comes
 * from being called directly. As a preloaded library it pays what every peer pays, a jump through
 * the PLT and a look into thread-local storage. It is no drop-in malloc: thread heaps of threads
 * that end stay acquired, fork is not handled, and only what the harness calls is here.
 */
#include <ashlar/heap.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define BENCH_EXPORT __attribute__((visibility("default")))

/* initial-exec: one load relative to the thread pointer, as the peers have it. */
static __thread struct ashlar_thread_heap *own __attribute__((tls_model("initial-exec")));
static struct ashlar_heap *heap;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_heap(void) {
    if (ashlar_heap_create(NULL, &heap) != ASHLAR_OK) abort();
}

static __attribute__((noinline, cold)) struct ashlar_thread_heap *open_thread(void) {
    pthread_once(&opened, open_heap);
    if (ashlar_thread_heap_acquire(heap, &own) != ASHLAR_OK) abort();
    return own;
}

static inline struct ashlar_thread_heap *thread_heap(void) {
    struct ashlar_thread_heap *th = own;
    return __builtin_expect(th != NULL, 1) ? th : open_thread();
}

BENCH_EXPORT void *malloc(size_t bytes) {
    return ashlar_malloc(thread_heap(), bytes);
}
BENCH_EXPORT void *calloc(size_t count, size_t bytes) {
    return ashlar_calloc(thread_heap(), count, bytes);
}
BENCH_EXPORT void *realloc(void *block, size_t bytes) {
    return ashlar_realloc(thread_heap(), block, bytes);
}
BENCH_EXPORT int posix_memalign(void **out, size_t alignment, size_t bytes) {
    int kept = errno;
    void *block = ashlar_aligned_alloc(thread_heap(), alignment, bytes);
    int status = block == NULL ? errno : 0;
    errno = kept;
    if (block != NULL) *out = block;
    return status;
}
BENCH_EXPORT void *aligned_alloc(size_t alignment, size_t bytes) {
    return ashlar_aligned_alloc(thread_heap(), alignment, bytes);
}
BENCH_EXPORT void free(void *block) {
    ashlar_free(thread_heap(), block);
}
