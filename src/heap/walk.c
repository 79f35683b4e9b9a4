/* Looking at a heap: every block, one block, statistics. */
#include "heap/kept.h"
#include "heap/locate.h"
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/slabs.h"
#include "heap/spans.h"

#include <string.h>

static struct ashlar_block slab_block(const struct ash_heap *heap, const struct ash_page *head,
                                      uint32_t index) {
    uint64_t number = ash_page_number(heap, head);
    uint32_t bytes = ash_classes[head->class_index].block_bytes;
    struct ash_located located =
        ash_locate(heap, ash_page_address(heap, number) + (uint64_t)index * bytes);
    return (struct ashlar_block){
        .address = located.start,
        .bytes = bytes,
        .state = located.state,
        .class_index = head->class_index,
        .page = (uint32_t)number,
        .index = index,
        .owner = atomic_load_explicit(&head->owner, memory_order_relaxed)->id,
    };
}

static struct ashlar_block span_block(const struct ash_heap *heap, const struct ash_page *head) {
    uint64_t number = ash_page_number(heap, head);
    return (struct ashlar_block){
        .address = ash_page_address(heap, number),
        .bytes = ash_span_bytes(head),
        .state = ASHLAR_BLOCK_LIVE,
        .span = true,
        .class_index = ASH_CLASS_COUNT,
        .page = (uint32_t)number,
    };
}

static bool walk_slab(const struct ash_heap *heap, const struct ash_page *head,
                      ashlar_block_visitor *visit, void *context) {
    for (uint32_t index = 0; index < head->block_count; index++) {
        struct ashlar_block block = slab_block(heap, head, index);
        if (!visit(context, &block)) return false;
    }
    return true;
}

void ashlar_heap_walk(struct ashlar_heap *public_heap, ashlar_block_visitor *visit, void *context) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    uint64_t committed = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
    for (uint64_t page = 0; page < committed; page += ash_run_pages(ash_page_at(heap, page))) {
        const struct ash_page *head = ash_page_at(heap, page);
        if (ash_page_kind_of(head) == ASH_PAGE_SLAB && !walk_slab(heap, head, visit, context))
            return;
        if (ash_page_kind_of(head) == ASH_PAGE_SPAN) {
            struct ashlar_block block = span_block(heap, head);
            if (!visit(context, &block)) return;
        }
    }
}

bool ashlar_heap_find(struct ashlar_heap *public_heap, uintptr_t address,
                      struct ashlar_block *out) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    struct ash_located located = ash_locate(heap, address);
    if (located.place == ASH_AT_BLOCK)
        *out = slab_block(heap, located.head, located.index);
    else if (located.place == ASH_AT_SPAN)
        *out = span_block(heap, located.head);
    else
        return false;
    return true;
}

/* Adds the blocks of one slab. */
static void count_slab(const struct ash_heap *heap, const struct ash_page *head,
                       struct ashlar_class_stats *out) {
    const _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    uint64_t free_blocks = 0, remote_blocks = 0;
    for (unsigned window = 0; window < ash_window_count(head->block_count); window++) {
        free_blocks += ash_count_bits(ash_word_get(&head->words[window]));
        remote_blocks +=
            ash_count_bits(atomic_load_explicit(&remote[window], memory_order_relaxed));
    }
    out->slabs++;
    out->slab_bytes += (size_t)head->slab_pages << ASH_PAGE_SHIFT;
    out->free_blocks += free_blocks;
    out->remote_blocks += remote_blocks;
    out->live_blocks += head->block_count - free_blocks - remote_blocks;
}

/* What thread heaps keep counts as free. The pool's lock is held; others go on keeping. */
static void count_kept(const struct ash_heap *heap, struct ashlar_heap_stats *out) {
    for (uint32_t id = 1; id <= heap->root.thread_heap_count; id++) {
        struct ash_thread_heap *th = ash_thread_heap_at(heap, id);
        uint32_t spans = atomic_load_explicit(&th->kept_spans, memory_order_relaxed);
        size_t bytes = (size_t)ash_kept_pages(th) << ASH_PAGE_SHIFT;
        out->span_bytes -= bytes;
        out->free_bytes += bytes;
        out->dirty_free_bytes += bytes;
        out->live_blocks -= spans;
        out->live_bytes -= bytes;
    }
}

/* The heap's lock is held. */
static void count_classes(const struct ash_heap *heap,
                          struct ashlar_class_stats out[ASH_CLASS_COUNT]) {
    memset(out, 0, ASH_CLASS_COUNT * sizeof *out);
    uint64_t committed = heap->root.counts.committed;
    for (uint64_t page = 0; page < committed; page += ash_run_pages(ash_page_at(heap, page))) {
        const struct ash_page *head = ash_page_at(heap, page);
        if (ash_page_kind_of(head) == ASH_PAGE_SLAB)
            count_slab(heap, head, &out[head->class_index]);
    }
}

void ashlar_heap_get_class_stats(struct ashlar_heap *public_heap, struct ashlar_class_stats *out) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    ash_lock_take(&heap->lock);
    count_classes(heap, out);
    ash_lock_give(&heap->lock);
}

void ashlar_heap_get_stats(struct ashlar_heap *public_heap, struct ashlar_heap_stats *out) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    ash_lock_take(&heap->pool_lock);
    ash_lock_take(&heap->lock);
    const struct ash_counts *counts = &heap->root.counts;
    *out = (struct ashlar_heap_stats){
        .region_bytes = heap->root.region_pages << ASH_PAGE_SHIFT,
        .committed_bytes = counts->committed << ASH_PAGE_SHIFT,
        .slab_bytes = counts->slab << ASH_PAGE_SHIFT,
        .span_bytes = counts->span << ASH_PAGE_SHIFT,
        .free_bytes = counts->free << ASH_PAGE_SHIFT,
        .dirty_free_bytes = counts->dirty_free << ASH_PAGE_SHIFT,
        .live_blocks = counts->spans,
        .live_bytes = counts->span << ASH_PAGE_SHIFT,
        .metadata_bytes = __atomic_load_n(&heap->metadata_committed, __ATOMIC_RELAXED),
        .thread_heaps = heap->root.acquired,
        .purged_bytes = counts->purged_total << ASH_PAGE_SHIFT,
    };
    count_kept(heap, out);
    struct ashlar_class_stats classes[ASH_CLASS_COUNT];
    count_classes(heap, classes);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        out->free_blocks += classes[i].free_blocks;
        out->remote_blocks += classes[i].remote_blocks;
        out->live_blocks += classes[i].live_blocks;
        out->live_bytes += classes[i].live_blocks * ash_classes[i].block_bytes;
    }
    ash_lock_give(&heap->lock);
    ash_lock_give(&heap->pool_lock);
}
