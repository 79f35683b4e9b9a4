/* What a target does, as feedback for engines.
 *
 * An allocator without instrumentation shows nothing of its inside, but its answers do: whether a
 * block comes from memory just freed, lies behind the last one or far away, whether realloc stays
 * in place, and all that by size and by how much is live. Each such fact is a feature. A trace that
 * shows a new one reaches a new state, and is worth keeping for further mutation.
 *
 * One watched target per process: the harness has one.
 */
#include "watch.h"

#include "base/base.h"

#include <errno.h>
#include <string.h>

enum { REMEMBERED = 8, LARGE_BYTES = 1 << 20, DEAR_BYTES = 64 << 20, SPENT_BYTES = 512 << 20 };

static struct {
    struct ashlar_target watched;
    const struct ashlar_target *inner;
    uintptr_t freed[REMEMBERED]; /* a ring: the last ones */
    uint32_t freed_count;
    uintptr_t last, last_end; /* the last block handed out */
    uint32_t live;
    uint64_t spent; /* bytes of large requests so far */
} state;

enum event { EVENT_MALLOC, EVENT_CALLOC, EVENT_REALLOC, EVENT_ALIGNED, EVENT_FREE, EVENT_FAIL };
enum place { PLACE_SAME, PLACE_FREED, PLACE_BEHIND, PLACE_NEAR, PLACE_BELOW, PLACE_ABOVE };

static unsigned magnitude(uint64_t value, unsigned most) {
    unsigned bit = value > 1 ? ash_highest_bit(value) : 0;
    return bit < most ? bit : most;
}

static enum place place_of(uintptr_t block) {
    for (uint32_t i = 0; i < REMEMBERED; i++)
        if (state.freed[i] == block)
            return i == (state.freed_count - 1) % REMEMBERED ? PLACE_SAME : PLACE_FREED;
    if (block >= state.last_end && block - state.last_end <= 32) return PLACE_BEHIND;
    uintptr_t distance = block > state.last ? block - state.last : state.last - block;
    if (distance < 65536) return PLACE_NEAR;
    return block < state.last ? PLACE_BELOW : PLACE_ABOVE;
}

static void report(enum event event, unsigned fact, unsigned size) {
    ash_feature((unsigned)event * 128 + fact * 16 + size);
}

/* A block was handed out, or (NULL) was not. */
static void *handed_out(enum event event, void *block, uint64_t bytes) {
    unsigned size = magnitude(bytes, 31) / 2;
    if (block == NULL) {
        report(EVENT_FAIL, event, size);
        return block;
    }
    report(event, place_of((uintptr_t)block), size);
    state.last = (uintptr_t)block;
    state.last_end = state.last + bytes;
    state.live++;
    return block;
}

static enum ashlar_status watched_create(const struct ashlar_target *target,
                                         const struct ashlar_target_config *config,
                                         void **instance) {
    (void)target;
    memset(state.freed, 0, sizeof state.freed);
    state.freed_count = state.live = 0;
    state.last = state.last_end = state.spent = 0;
    return state.inner->create(state.inner, config, instance);
}

/* Terabytes that the system would promise cost allocators minutes or gigabytes of bookkeeping, and
 * clearing or moving gigabytes is no better, in one piece or in many: neither shows what megabytes
 * do not. What no machine has, and what must be refused, is asked for. */
static bool too_dear(uint64_t bytes) {
    if (bytes < LARGE_BYTES || bytes >= UINT64_C(1) << 47) return false;
    bool dear = bytes > DEAR_BYTES || state.spent > SPENT_BYTES;
    if (!dear) state.spent += bytes;
    if (dear) errno = ENOMEM;
    return dear;
}

static void *watched_malloc(void *instance, uint32_t thread, size_t bytes) {
    if (too_dear(bytes)) return NULL;
    return handed_out(EVENT_MALLOC, state.inner->malloc(instance, thread, bytes), bytes);
}

static void *watched_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    size_t product;
    bool wraps = __builtin_mul_overflow(count, bytes, &product);
    if (!wraps && too_dear(product)) return NULL;
    void *block = state.inner->calloc(instance, thread, count, bytes);
    return handed_out(EVENT_CALLOC, block, product);
}

static void *watched_aligned(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    if (ash_is_power_of_two(alignment) && (too_dear(bytes) || too_dear(alignment))) return NULL;
    void *block = state.inner->aligned_alloc(instance, thread, alignment, bytes);
    return handed_out(EVENT_ALIGNED, block, alignment > bytes ? alignment : bytes);
}

static void *watched_realloc(void *instance, uint32_t thread, void *old, size_t bytes) {
    if (too_dear(bytes)) return NULL;
    uintptr_t before = (uintptr_t)old;
    void *block = state.inner->realloc(instance, thread, old, bytes);
    if (before == 0) return handed_out(EVENT_REALLOC, block, bytes);
    unsigned moved = (uintptr_t)block == before ? 6 : 7;
    report(block != NULL ? EVENT_REALLOC : EVENT_FAIL, moved, magnitude(bytes, 31) / 2);
    return block;
}

static void watched_free(void *instance, uint32_t thread, void *block) {
    state.inner->free(instance, thread, block);
    state.freed[state.freed_count++ % REMEMBERED] = (uintptr_t)block;
    if (state.live > 0) state.live--;
    unsigned last = (uintptr_t)block == state.last, remote = thread != 0;
    report(EVENT_FREE, last + 2 * remote, magnitude(state.live, 15));
}

const struct ashlar_target *ash_watch(const struct ashlar_target *inner) {
    state.inner = inner;
    state.watched = *inner;
    state.watched.create = watched_create;
    state.watched.malloc = watched_malloc;
    state.watched.calloc = watched_calloc;
    state.watched.free = watched_free;
    if (inner->realloc != NULL) state.watched.realloc = watched_realloc;
    if (inner->aligned_alloc != NULL) state.watched.aligned_alloc = watched_aligned;
    return &state.watched;
}
