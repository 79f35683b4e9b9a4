/* Making the process heap such that it fits the address space.
 *
 * 1. Purpose. The core reserves 1 TiB, or half of that, and so on until the system agrees. Under a
 *    limit on address space (RLIMIT_AS, `ulimit -v`) that would leave next to nothing, or more than
 *    half unused: what is reserved counts, and the program needs room for its stacks, libraries and
 *    files. So the heap takes a fixed share of the limit, and has thread heaps for as many threads
 *    as there could be stacks.
 * 2. Little space. Where the core finds too little to reserve, the heap is made inside a block of
 *    ordinary memory. It then gives no pages back, but there are few.
 * 3. How it fails. NULL, with nothing left mapped. */
#include "front/space.h"

#include <ashlar/os.h>
#include <sys/resource.h>

enum {
    SHARE_OF_4 = 3,           /* quarters of the limit that the heap may take */
    BYTES_A_THREAD = 1 << 18, /* a small stack with its guard */
    THREADS_LEAST = 64,
    THREADS_MOST = 65536,
    SMALL_HEAP_LEAST = 1 << 20,
    UNIT = 1 << 16, /* the core's page */
};

void ash_front_fit(struct ashlar_heap_options *options, uint64_t limit_bytes) {
    const uint64_t most = (uint64_t)1 << 40;
    uint64_t share = limit_bytes / 4 * SHARE_OF_4;
    uint64_t threads = limit_bytes / BYTES_A_THREAD;
    if (threads < THREADS_LEAST) threads = THREADS_LEAST;
    if (threads > THREADS_MOST) threads = THREADS_MOST;
    if (options->thread_heaps == 0) options->thread_heaps = (uint32_t)threads;
    if (options->region_bytes == 0)
        options->region_bytes = ash_round_down(share < most ? share : most, UNIT);
}

/* Section 2. */
static struct ashlar_heap *make_small(const struct ashlar_heap_options *options) {
    const struct ashlar_os *os = ashlar_os_linux();
    struct ashlar_heap *heap;
    size_t bytes = options->region_bytes;
    for (; bytes >= SMALL_HEAP_LEAST; bytes = ash_round_down(bytes - bytes / 4, UNIT)) {
        void *memory = os->reserve(os->context, bytes, UNIT);
        if (memory == NULL) continue;
        if (os->commit(os->context, memory, bytes) &&
            ashlar_heap_create_in(memory, bytes, options, &heap) == ASHLAR_OK)
            return heap;
        os->release(os->context, memory, bytes);
    }
    return NULL;
}

struct ashlar_heap *ash_front_make_heap(struct ashlar_heap_options *options) {
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    if (limited) ash_front_fit(options, limit.rlim_cur);
    struct ashlar_heap *heap = NULL;
    enum ashlar_status status = ashlar_heap_create(options, &heap);
    return status == ASHLAR_OK || !limited ? heap : make_small(options);
}
