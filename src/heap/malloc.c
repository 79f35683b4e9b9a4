/* Allocation: malloc, calloc, aligned_alloc.
 *
 * The fast path of malloc is a table look-up, the lowest candidate of the bin's current window, and
 * one store to the window's word. It knows no locks and no atomics: a thread heap is used by one
 * thread at a time. */
#include "heap/fast.h"
#include "heap/remote.h"
#include "heap/spans.h"

#include <errno.h>
#include <string.h>

static void *out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

static ASH_NOINLINE void *malloc_refill(struct ash_thread_heap *th, struct ash_bin *bin) {
    if (!ash_bin_refill(th, bin)) return out_of_memory();
    return ash_bin_take(bin, bin->candidates);
}

static void *malloc_span(struct ash_thread_heap *th, size_t bytes, size_t alignment) {
    return bytes <= PTRDIFF_MAX ? ash_span_create(th, bytes, alignment) : out_of_memory();
}

static void *calloc_span(struct ash_thread_heap *th, size_t bytes) {
    return bytes <= PTRDIFF_MAX ? ash_span_create_zero(th, bytes) : out_of_memory();
}

/* Apart, so that malloc_larger has calls in tail position only and saves no registers. */
static ASH_NOINLINE void *malloc_larger_and_look(struct ash_thread_heap *th, struct ash_bin *bin) {
    ash_bins_look(th);
    uint64_t word = ash_word_get(bin->word); /* of no slab, when the bin's was all free */
    return word != 0 ? ash_bin_take(bin, word) : malloc_refill(th, bin);
}

static ASH_NOINLINE void *malloc_larger(struct ash_thread_heap *th, size_t bytes) {
    if (ASH_UNLIKELY(bytes > ASH_CLASS_BYTES_MAX)) return malloc_span(th, bytes, 0);
    struct ash_bin *bin = ash_bin_of_medium(th, ASH_PLANTED(1) ? bytes - 1 : bytes);
    ASH_OPAQUE(bin);
    /* Not only the candidates of this sweep but the lowest free block of the window: a medium block
     * has OS pages of its own, so the fewer of them take turns, the better. */
    uint64_t *at = bin->word, word = ash_word_get(at), rest = word & (word - 1);
    if (ASH_UNLIKELY(word == 0)) return malloc_refill(th, bin);
    /* One that is used again and again never needs a refill, which else looks at the clock. */
    if (ASH_UNLIKELY(ash_count_down(&th->pace))) return malloc_larger_and_look(th, bin);
    bin->candidates &= rest;
    atomic_signal_fence(memory_order_release);
    ash_word_set(at, rest);
    return (void *)(bin->window + ash_lowest_bit(word) * bin->block_bytes);
}

void *ash_malloc_slow(struct ash_thread_heap *th, size_t bytes) {
    if (bytes > ASH_SMALL_BYTES_MAX) return malloc_larger(th, bytes);
    return malloc_refill(th, ash_bin_of_small(th, bytes));
}

void *ashlar_malloc(struct ashlar_thread_heap *public_th, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    void *block;
    return ash_fast_malloc(th, bytes, &block) ? block : ash_malloc_slow(th, bytes);
}

/* No block of a slab is known to be clean; up to 64 KiB, clearing costs less than keeping account
 * would. */
static ASH_NOINLINE void *calloc_slow(struct ash_thread_heap *th, size_t bytes) {
    if (bytes > ASH_CLASS_BYTES_MAX) return calloc_span(th, bytes);
    void *block = ash_malloc_slow(th, bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

/* Up to 64 bytes of a block, at least 1: whole units of 16 bytes, four stores that may coincide
 * rather than branches on a size that varies from call to call. */
ASH_INLINE void *clear_least(char *block, size_t bytes) {
    size_t last = (bytes - 1) & ~(size_t)15;
    memset(block, 0, 16);
    memset(block + (last < 16 ? last : 16), 0, 16);
    memset(block + (last < 32 ? last : 32), 0, 16);
    memset(block + last, 0, 16);
    return block;
}

void *ashlar_calloc(struct ashlar_thread_heap *public_th, size_t count, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) && (!ASH_PLANTED(27) || total > 64))
        return out_of_memory();
    void *block;
    if (!ash_fast_malloc(th, total, &block)) return calloc_slow(th, total);
    return total - 1 < 64 ? clear_least(block, total) : memset(block, 0, total);
}

/* An alignment or a size beyond the classes, or a wrong alignment. */
static ASH_NOINLINE void *aligned_rare(struct ash_thread_heap *th, size_t alignment, size_t bytes) {
    if (ash_is_power_of_two(alignment) && alignment <= ASH_ALIGNMENT_MAX)
        return malloc_span(th, bytes, alignment);
    errno = EINVAL;
    return NULL;
}

void *ashlar_aligned_alloc(struct ashlar_thread_heap *public_th, size_t alignment, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    if (ASH_UNLIKELY(!ash_has_aligned_class(bytes, alignment)))
        return aligned_rare(th, alignment, bytes);
    size_t rounded = ash_aligned_bytes(bytes, alignment);
    void *block;
    return ash_fast_malloc(th, rounded, &block) ? block : ash_malloc_slow(th, rounded);
}
