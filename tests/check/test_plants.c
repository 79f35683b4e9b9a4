/* Every finding of the checker is planted in an otherwise sound heap, and found: that one, once.
 *
 * A plant changes what it must for its corruption to be the only one: where a field is also counted
 * or pointed at elsewhere, the other place is changed along. The last test holds the table of
 * plants against the table of findings. */
#include "fixture.h"
#include "heap/root.h"

#include <stdlib.h>

static void reseal(struct rich *r) {
    r->heap->root.checksum = ash_root_checksum(&r->heap->root);
}

static struct ash_page *linked(struct rich *r, uint32_t link) {
    assert_true(link != 0);
    return ash_page_at(r->heap, link - 1);
}
static struct ash_bin *bin(struct rich *r, uint32_t id, unsigned class_index) {
    return &thread_of(r, id)->bins[class_index];
}
static struct ash_page *full(struct rich *r) {
    return find_slab(r, 0, ASH_SLAB_FULL, 1);
}
static struct ash_page *queued(struct rich *r) {
    return find_slab(r, 0, ASH_SLAB_QUEUED, 1);
}
static struct ash_page *span(struct rich *r) {
    return find_span(r, 3);
}

enum { CLASS_48 = 2, CLASS_256 = 11, CLASS_1024 = 19, CLASS_2048 = 23 };

/* A slab of two pages. */
static struct ash_page *wide(struct rich *r) {
    struct ash_page *slab = find_slab(r, CLASS_2048, ASH_SLAB_CURRENT, 1);
    assert_int_equal(slab->slab_pages, 2);
    return slab;
}
/* Top of thread heap 2's stack, and the slab under it; the one with 256-byte blocks. */
static struct ash_page *pending_top(struct rich *r) {
    return linked(r, thread_of(r, 2)->pending);
}
static struct ash_page *pending_bottom(struct rich *r) {
    return linked(r, pending_top(r)->pending_next);
}
static struct ash_page *pending_256(struct rich *r) {
    struct ash_page *top = pending_top(r);
    return top->class_index == CLASS_256 ? top : pending_bottom(r);
}
static _Atomic uint64_t *remote_words(struct rich *r, const struct ash_page *slab) {
    return ash_remote_words(r->heap, ash_page_number(r->heap, slab));
}
/* First run of the bin that holds two, both of three pages. */
static struct ash_page *run_of_two(struct rich *r) {
    struct ash_page *first = linked(r, r->heap->runs.heads[3]);
    assert_int_equal(first->pages, 3);
    assert_true(first->run.bin_next != 0);
    return first;
}
static struct ash_page *oldest_dirty(struct rich *r) {
    struct ash_page *run = linked(r, r->heap->runs.dirty_head);
    assert_true(run->run.dirty_next != 0);
    return run;
}
/* A page below the frontier that counts as clean. */
static uint64_t clean_page(struct rich *r) {
    uint64_t page = 0;
    while ((ash_dirty_words(r->heap)[page / 64] >> (page % 64) & 1) != 0) page++;
    assert_true(page < r->heap->root.counts.committed);
    return page;
}
static void dirty_flip(struct rich *r, uint64_t page) {
    ash_dirty_words(r->heap)[page / 64] ^= (uint64_t)1 << (page % 64);
}

/* Region. */
static void root_magic(struct rich *r) {
    r->heap->root.magic++;
}
static void root_version(struct rich *r) {
    r->heap->root.layout_version++;
}
static void root_sizes(struct rich *r) {
    r->heap->root.at_thread_bins++;
}
static void root_checksum(struct rich *r) {
    r->heap->root.region_pages++;
}
static void root_self(struct rich *r) {
    r->heap->root.self += 64;
    reseal(r);
}
static void root_geometry(struct rich *r) {
    r->heap->root.dirty = r->heap->root.pages;
    reseal(r);
}
static void root_classes(struct rich *r) {
    r->heap->root.classes[3].block_count--;
    reseal(r);
}
static void root_frontier(struct rich *r) {
    r->heap->root.committed_pages = r->heap->root.region_pages + 1;
}
static void root_threads(struct rich *r) {
    r->heap->root.thread_heap_count = r->heap->root.thread_heap_capacity + 1;
}
static void root_lock(struct rich *r) {
    r->heap->lock.state = 1;
}
static void root_transition(struct rich *r) {
    r->heap->root.transition = ASH_RUNS;
}
static void root_spare(struct rich *r) {
    *((uint8_t *)&r->heap->pool_lock - 1) = 1;
}
static void root_committed(struct rich *r) {
    r->heap->thread_heaps_committed += 65536;
}
static void root_no_word(struct rich *r) {
    r->heap->no_word = 1;
}

/* Pages. */
static void page_kind(struct rich *r) {
    span(r)->kind = ASH_PAGE_NONE;
}
static void page_length(struct rich *r) {
    span(r)->pages = 0;
}
static void page_head(struct rich *r) {
    span(r)->head = NULL;
}
static void page_body(struct rich *r) {
    wide(r)[1].block_count++;
}
static void page_interior(struct rich *r) {
    span(r)[1].summary = 1;
}
static void page_beyond(struct rich *r) {
    assert_true(r->heap->root.counts.committed % 64 != 0);
    dirty_flip(r, r->heap->root.counts.committed);
}

/* Slabs. */
static void slab_class(struct rich *r) {
    full(r)->class_index = ASH_CLASS_COUNT;
}
static void slab_geometry(struct rich *r) {
    full(r)->reciprocal++;
}
static void slab_words(struct rich *r) {
    full(r)->words = full(r)->inline_words;
}
static void slab_owner(struct rich *r) {
    full(r)->owner = (struct ash_thread_heap *)(void *)r->heap;
}
static void slab_place(struct rich *r) {
    full(r)->place = ASH_SLAB_QUEUED;
}
static void slab_tail(struct rich *r) {
    struct ash_page *slab = find_slab(r, CLASS_48, ASH_SLAB_CURRENT, 1);
    slab->words[ash_window_count(slab->block_count) - 1] |= (uint64_t)1 << 63;
}
static void slab_summary_lost(struct rich *r) {
    struct ash_page *slab = queued(r);
    slab->summary &= slab->summary - 1;
}
static void slab_summary_stale(struct rich *r) {
    full(r)->summary = 2;
}
static void slab_opened(struct rich *r) {
    full(r)->opened_windows = 1;
}
static void slab_remote_tail(struct rich *r) {
    pending_256(r)->remote_summary |= (uint64_t)1 << 63;
}
static void slab_remote_double(struct rich *r) {
    struct ash_page *slab = pending_256(r);
    slab->words[1] |= remote_words(r, slab)[1];
}
static void slab_remote_summary(struct rich *r) {
    struct ash_page *slab = pending_256(r);
    slab->remote_summary &= slab->remote_summary - 1;
    assert_true(slab->remote_summary != 0);
}
static void slab_links(struct rich *r) {
    full(r)->next = 5;
}
static void slab_spare(struct rich *r) {
    full(r)->spare = 1;
}
static void slab_empty(struct rich *r) {
    struct ash_page *slab = find_slab(r, CLASS_1024, ASH_SLAB_QUEUED, 1);
    slab->inline_words[0] = slab->full_tail;
}

/* Spans. */
static void span_requested(struct rich *r) {
    span(r)->span.requested_bytes = 1;
}
static void span_alignment(struct rich *r) {
    span(r)->span.alignment = 3;
}
static void span_moved(struct rich *r) {
    find_span(r, 1001)->span.moved = 3;
}
static void span_spare(struct rich *r) {
    span(r)->reciprocal = 1;
}

/* Runs. */
static void run_ends(struct rich *r) {
    run_of_two(r)[2].pages = 2;
}
static void run_neighbours(struct rich *r) {
    /* The pages behind the run are freed while it looks taken. */
    struct ash_page *first = run_of_two(r), *last = first + 2;
    void *behind = (void *)ash_page_address(r->heap, ash_page_number(r->heap, last) + 1);
    assert_int_equal(last[1].kind, ASH_PAGE_SPAN);
    last->kind = ASH_PAGE_SPAN;
    ashlar_free(r->threads[0], behind);
    last->kind = ASH_PAGE_FREE;
}
static void run_bin(struct rich *r) {
    /* A lone run goes from its bin to the next one, which is empty. */
    struct ash_run_bins *bins = &r->heap->runs;
    unsigned from = 1;
    while (bins->heads[from] == 0 || bins->heads[from + 1] != 0 ||
           linked(r, bins->heads[from])->run.bin_next != 0)
        from++;
    assert_true(from + 1 < ASH_RUN_BINS);
    bins->heads[from + 1] = bins->heads[from];
    bins->heads[from] = 0;
    bins->used[from / 64] ^= (uint64_t)1 << (from % 64);
    bins->used[(from + 1) / 64] ^= (uint64_t)1 << ((from + 1) % 64);
}
static void run_links(struct rich *r) {
    linked(r, run_of_two(r)->run.bin_next)->run.bin_previous = 0;
}
static void run_bitmap(struct rich *r) {
    r->heap->runs.used[0] ^= 1 << 3;
}
static void run_unlisted(struct rich *r) {
    uint32_t next = run_of_two(r)->run.bin_next;
    linked(r, next)->run.bin_previous = 0;
    r->heap->runs.heads[3] = next;
}
static void dirty_links(struct rich *r) {
    r->heap->runs.dirty_tail = 0;
}
static void dirty_order(struct rich *r) {
    oldest_dirty(r)->run.freed_ms += 5000;
}
static void dirty_unlisted(struct rich *r) {
    struct ash_page *tail = linked(r, r->heap->runs.dirty_tail);
    r->heap->runs.dirty_tail = tail->run.dirty_previous;
    linked(r, tail->run.dirty_previous)->run.dirty_next = 0;
}
static void dirty_count(struct rich *r) {
    dirty_flip(r, ash_page_number(r->heap, oldest_dirty(r)));
}
static void dirty_live(struct rich *r) {
    dirty_flip(r, ash_page_number(r->heap, span(r)));
}
static void dirty_due(struct rich *r) {
    r->heap->next_purge_ms = UINT64_MAX;
}
static void run_spare(struct rich *r) {
    run_of_two(r)->full_tail = 1;
}

/* Threads. */
static void thread_id(struct rich *r) {
    thread_of(r, 2)->id = 7;
}
static void thread_state(struct rich *r) {
    thread_of(r, 2)->state = ASH_THREAD_UNUSED;
}
static void thread_fields(struct rich *r) {
    thread_of(r, 2)->region_base++;
}
static void thread_limit(struct rich *r) {
    thread_of(r, 2)->page_limit = r->heap->root.counts.committed + 1;
}
static void thread_transition(struct rich *r) {
    thread_of(r, 2)->transition = ASH_REFILL;
}
static void thread_spare(struct rich *r) {
    ((uint8_t *)&thread_of(r, 2)->state)[1] = 1;
}
static void thread_acquired(struct rich *r) {
    r->heap->root.acquired++;
}
static void pool_links(struct rich *r) {
    thread_of(r, 2)->pool_next = 3;
}
static void pool_unlisted(struct rich *r) {
    r->heap->root.pool_head = thread_of(r, r->heap->root.pool_head)->pool_next;
}
static void bin_class(struct rich *r) {
    bin(r, 1, 0)->block_bytes = 32;
}
static void bin_slab(struct rich *r) {
    bin(r, 1, 0)->slab = link_of(r, full(r));
}
static void bin_word(struct rich *r) {
    bin(r, 1, 0)->word = &r->heap->no_word;
}
static void bin_window(struct rich *r) {
    bin(r, 1, 0)->window += 16;
}
static void bin_candidates(struct rich *r) {
    *bin(r, 1, 0)->word &= ~(uint64_t)0 << 63;
    bin(r, 1, 0)->candidates |= (uint64_t)1 << 62;
}
static void bin_spare(struct rich *r) {
    bin(r, 1, 0)->spare3 = 1;
}
static void queue_links(struct rich *r) {
    bin(r, 1, 0)->queue_tail = bin(r, 1, 0)->queue_head;
}
static void queue_member(struct rich *r) {
    queued(r)->next = link_of(r, full(r));
}
static void queue_unlisted(struct rich *r) {
    struct ash_bin *at = bin(r, 1, 0);
    struct ash_page *tail = linked(r, at->queue_tail);
    at->queue_tail = tail->previous;
    linked(r, tail->previous)->next = 0;
    tail->previous = 0;
}
static void bin_slabs(struct rich *r) {
    bin(r, 1, 5)->slabs++;
}
static void pending_member(struct rich *r) {
    thread_of(r, 1)->pending = link_of(r, full(r));
}
static void pending_links(struct rich *r) {
    pending_bottom(r)->pending_next = thread_of(r, 2)->pending;
}
static void pending_unlisted(struct rich *r) {
    pending_top(r)->pending_next = 0;
}
/* Two of one length that thread heap 1 keeps, the first of which is last in its list. */
static struct ash_page *kept_top(struct rich *r) {
    return linked(r, thread_of(r, 1)->kept[ASH_KEPT_EXACT - 1]);
}
static void kept_member(struct rich *r) {
    kept_top(r)->span.keeper = 2;
}
static void kept_links(struct rich *r) {
    linked(r, kept_top(r)->span.kept_next)->span.kept_next = link_of(r, kept_top(r));
}
static void kept_unlisted(struct rich *r) {
    struct ash_thread_heap *th = thread_of(r, 1);
    th->kept_spans--;
    th->kept_pages -= kept_top(r)->pages;
    th->kept[ASH_KEPT_EXACT - 1] = kept_top(r)->span.kept_next;
}
static void kept_count(struct rich *r) {
    thread_of(r, 1)->kept_pages++;
}

/* Accounting and contents. */
static void count_committed(struct rich *r) {
    r->heap->root.counts.committed++;
}
static void count_slab_pages(struct rich *r) {
    r->heap->root.counts.slab++;
}
static void count_span_pages(struct rich *r) {
    r->heap->root.counts.span--;
}
static void count_free_pages(struct rich *r) {
    r->heap->root.counts.free++;
}
static void count_dirty_free(struct rich *r) {
    r->heap->root.counts.dirty_free--;
}
static void count_free_runs(struct rich *r) {
    r->heap->root.counts.free_runs++;
}
static void count_slabs(struct rich *r) {
    r->heap->root.counts.slabs--;
}
static void count_spans(struct rich *r) {
    r->heap->root.counts.spans++;
}
static void count_moved(struct rich *r) {
    r->heap->root.counts.moved_spans++;
}
static void contents_clean(struct rich *r) {
    ((char *)ash_page_address(r->heap, clean_page(r)))[65535] = 1;
}
static void contents_bitmaps(struct rich *r) {
    ash_remote_words(r->heap, ash_page_number(r->heap, span(r)))[1] = 1;
}

static const struct plant {
    enum ashlar_finding_code code;
    void (*plant)(struct rich *rich);
} plants[] = {
    {ASHLAR_ROOT_MAGIC, root_magic},
    {ASHLAR_ROOT_VERSION, root_version},
    {ASHLAR_ROOT_SIZES, root_sizes},
    {ASHLAR_ROOT_CHECKSUM, root_checksum},
    {ASHLAR_ROOT_SELF, root_self},
    {ASHLAR_ROOT_GEOMETRY, root_geometry},
    {ASHLAR_ROOT_CLASSES, root_classes},
    {ASHLAR_ROOT_FRONTIER, root_frontier},
    {ASHLAR_ROOT_THREADS, root_threads},
    {ASHLAR_ROOT_LOCK, root_lock},
    {ASHLAR_ROOT_TRANSITION, root_transition},
    {ASHLAR_ROOT_SPARE, root_spare},
    {ASHLAR_ROOT_COMMITTED, root_committed},
    {ASHLAR_ROOT_NO_WORD, root_no_word},
    {ASHLAR_PAGE_KIND, page_kind},
    {ASHLAR_PAGE_LENGTH, page_length},
    {ASHLAR_PAGE_HEAD, page_head},
    {ASHLAR_PAGE_BODY, page_body},
    {ASHLAR_PAGE_INTERIOR, page_interior},
    {ASHLAR_PAGE_BEYOND, page_beyond},
    {ASHLAR_SLAB_CLASS, slab_class},
    {ASHLAR_SLAB_GEOMETRY, slab_geometry},
    {ASHLAR_SLAB_WORDS, slab_words},
    {ASHLAR_SLAB_OWNER, slab_owner},
    {ASHLAR_SLAB_PLACE, slab_place},
    {ASHLAR_SLAB_TAIL, slab_tail},
    {ASHLAR_SLAB_SUMMARY_LOST, slab_summary_lost},
    {ASHLAR_SLAB_SUMMARY_STALE, slab_summary_stale},
    {ASHLAR_SLAB_OPENED, slab_opened},
    {ASHLAR_SLAB_REMOTE_TAIL, slab_remote_tail},
    {ASHLAR_SLAB_REMOTE_DOUBLE, slab_remote_double},
    {ASHLAR_SLAB_REMOTE_SUMMARY, slab_remote_summary},
    {ASHLAR_SLAB_LINKS, slab_links},
    {ASHLAR_SLAB_SPARE, slab_spare},
    {ASHLAR_SLAB_EMPTY, slab_empty},
    {ASHLAR_SPAN_REQUESTED, span_requested},
    {ASHLAR_SPAN_ALIGNMENT, span_alignment},
    {ASHLAR_SPAN_MOVED, span_moved},
    {ASHLAR_SPAN_SPARE, span_spare},
    {ASHLAR_RUN_ENDS, run_ends},
    {ASHLAR_RUN_NEIGHBOURS, run_neighbours},
    {ASHLAR_RUN_BIN, run_bin},
    {ASHLAR_RUN_LINKS, run_links},
    {ASHLAR_RUN_BITMAP, run_bitmap},
    {ASHLAR_RUN_UNLISTED, run_unlisted},
    {ASHLAR_DIRTY_LINKS, dirty_links},
    {ASHLAR_DIRTY_ORDER, dirty_order},
    {ASHLAR_DIRTY_UNLISTED, dirty_unlisted},
    {ASHLAR_DIRTY_COUNT, dirty_count},
    {ASHLAR_DIRTY_LIVE, dirty_live},
    {ASHLAR_DIRTY_DUE, dirty_due},
    {ASHLAR_RUN_SPARE, run_spare},
    {ASHLAR_THREAD_ID, thread_id},
    {ASHLAR_THREAD_STATE, thread_state},
    {ASHLAR_THREAD_FIELDS, thread_fields},
    {ASHLAR_THREAD_LIMIT, thread_limit},
    {ASHLAR_THREAD_TRANSITION, thread_transition},
    {ASHLAR_THREAD_SPARE, thread_spare},
    {ASHLAR_THREAD_ACQUIRED, thread_acquired},
    {ASHLAR_POOL_LINKS, pool_links},
    {ASHLAR_POOL_UNLISTED, pool_unlisted},
    {ASHLAR_BIN_CLASS, bin_class},
    {ASHLAR_BIN_SLAB, bin_slab},
    {ASHLAR_BIN_WORD, bin_word},
    {ASHLAR_BIN_WINDOW, bin_window},
    {ASHLAR_BIN_CANDIDATES, bin_candidates},
    {ASHLAR_BIN_SPARE, bin_spare},
    {ASHLAR_QUEUE_LINKS, queue_links},
    {ASHLAR_QUEUE_MEMBER, queue_member},
    {ASHLAR_QUEUE_UNLISTED, queue_unlisted},
    {ASHLAR_BIN_SLABS, bin_slabs},
    {ASHLAR_PENDING_MEMBER, pending_member},
    {ASHLAR_PENDING_LINKS, pending_links},
    {ASHLAR_PENDING_UNLISTED, pending_unlisted},
    {ASHLAR_KEPT_MEMBER, kept_member},
    {ASHLAR_KEPT_LINKS, kept_links},
    {ASHLAR_KEPT_UNLISTED, kept_unlisted},
    {ASHLAR_KEPT_COUNT, kept_count},
    {ASHLAR_COUNT_COMMITTED, count_committed},
    {ASHLAR_COUNT_SLAB_PAGES, count_slab_pages},
    {ASHLAR_COUNT_SPAN_PAGES, count_span_pages},
    {ASHLAR_COUNT_FREE_PAGES, count_free_pages},
    {ASHLAR_COUNT_DIRTY_FREE, count_dirty_free},
    {ASHLAR_COUNT_FREE_RUNS, count_free_runs},
    {ASHLAR_COUNT_SLABS, count_slabs},
    {ASHLAR_COUNT_SPANS, count_spans},
    {ASHLAR_COUNT_MOVED, count_moved},
    {ASHLAR_COUNT_SUM, count_free_pages},
    {ASHLAR_CONTENTS_CLEAN, contents_clean},
    {ASHLAR_CONTENTS_BITMAPS, contents_bitmaps},
};
enum { PLANT_COUNT = sizeof plants / sizeof plants[0] };

/* Other ways to break the same invariants. */
static void more_root_gap(struct rich *r) {
    ((uint8_t *)r->heap)[offsetof(struct ash_heap, pool_lock) - 1] = 1;
}
static void more_pool_lock(struct rich *r) {
    r->heap->pool_lock.state = 2;
}
static void more_metadata(struct rich *r) {
    r->heap->root.metadata_bytes = UINT64_MAX;
    reseal(r);
}
static void more_region_pages(struct rich *r) {
    r->heap->root.region_pages = 0;
    reseal(r);
}
static void more_region_base(struct rich *r) {
    r->heap->root.region_base += 4096;
    reseal(r);
}
static void more_os_page(struct rich *r) {
    r->heap->root.os_page_bytes = 4097;
    reseal(r);
}
static void more_capacity(struct rich *r) {
    r->heap->root.thread_heap_capacity = 0;
    reseal(r);
}
static void more_flags(struct rich *r) {
    r->heap->root.flags = 4;
    reseal(r);
}
static void more_overlap(struct rich *r) {
    r->heap->root.region_base = r->heap->root.metadata & ~(uint64_t)0xffff;
    reseal(r);
}
static void more_base_zero(struct rich *r) {
    r->heap->root.region_base = 0;
    reseal(r);
}
static void more_base_wraps(struct rich *r) {
    r->heap->root.region_base = ~(uint64_t)0xffff;
    reseal(r);
}
static void more_too_many_pages(struct rich *r) {
    r->heap->root.region_pages = (ASH_REGION_BYTES_MAX >> ASH_PAGE_SHIFT) + 1;
    reseal(r);
}
static void more_os_page_large(struct rich *r) {
    r->heap->root.os_page_bytes = 2 * ASH_PAGE_BYTES;
    reseal(r);
}
static void more_part_outside(struct rich *r) {
    r->heap->root.bitmaps = r->heap->root.metadata + r->heap->root.metadata_bytes + 64;
    reseal(r);
}
static void more_part_too_long(struct rich *r) {
    r->heap->root.bitmaps = r->heap->root.metadata + r->heap->root.metadata_bytes - 64;
    reseal(r);
}
static void more_part_unaligned(struct rich *r) {
    r->heap->root.dirty += 4;
    reseal(r);
}
static void more_class_bytes(struct rich *r) {
    r->heap->root.classes[8].block_bytes = 144;
    reseal(r);
}
static void more_class_pages(struct rich *r) {
    r->heap->root.classes[9].slab_pages = 2;
    reseal(r);
}
static void more_class_spare(struct rich *r) {
    r->heap->root.classes[43].spare = 1;
    reseal(r);
}
static void more_class_reciprocal(struct rich *r) {
    r->heap->root.classes[0].reciprocal++;
    reseal(r);
}
static void more_sum_tells(struct rich *r) {
    r->heap->root.committed_pages--;
}
static void more_page_too_long(struct rich *r) {
    span(r)->pages = UINT32_MAX;
}
static void more_slab_too_long(struct rich *r) {
    full(r)->slab_pages = ASH_SLAB_PAGES_MAX + 1;
}
static void more_beyond(struct rich *r) {
    uint64_t frontier = r->heap->root.counts.committed;
    assert_true(frontier % 32 != 0);
    ash_page_at(r->heap, frontier)->span.alignment = 1;
}
static void more_block_count(struct rich *r) {
    full(r)->block_count--;
}
static void more_full_tail(struct rich *r) {
    full(r)->full_tail >>= 1;
}
static void more_page_offset(struct rich *r) {
    full(r)->page_offset_bytes = 65536;
}
static void more_unqueued(struct rich *r) {
    queued(r)->place = ASH_SLAB_FULL;
}
static void more_two_current(struct rich *r) {
    full(r)->place = ASH_SLAB_CURRENT;
}
static void more_no_place(struct rich *r) {
    full(r)->place = 3;
}
static void more_not_current(struct rich *r) {
    wide(r)->place = ASH_SLAB_QUEUED;
}
static void more_inline_word(struct rich *r) {
    wide(r)->inline_words[ASH_INLINE_WORDS - 1] = 1;
}
static void more_pending_next(struct rich *r) {
    full(r)->pending_next = 5;
}
static void more_run_last(struct rich *r) {
    run_of_two(r)[2].span.alignment = 1;
}
static void more_run_time(struct rich *r) {
    ash_page_at(r->heap, clean_page(r))->head->run.freed_ms = 3;
}
static void more_clean_linked(struct rich *r) {
    ash_page_at(r->heap, clean_page(r))->head->run.dirty_next = 3;
}
static void more_dirty_wild(struct rich *r) {
    r->heap->runs.dirty_head = UINT32_MAX;
}
static void more_dirty_cycle(struct rich *r) {
    struct ash_page *tail = linked(r, r->heap->runs.dirty_tail);
    tail->run.dirty_next = r->heap->runs.dirty_head;
}
static void more_run_wild(struct rich *r) {
    r->heap->runs.heads[3] = link_of(r, span(r));
}
static void more_run_cycle(struct rich *r) {
    struct ash_page *second = linked(r, run_of_two(r)->run.bin_next);
    second->run.bin_next = r->heap->runs.heads[3];
}
static void more_pool_wild(struct rich *r) {
    r->heap->root.pool_head = 4000;
}
static void more_pool_cycle(struct rich *r) {
    uint32_t first = r->heap->root.pool_head, last = thread_of(r, first)->pool_next;
    thread_of(r, last)->pool_next = first;
}
static void more_queue_wild(struct rich *r) {
    bin(r, 1, 0)->queue_head = UINT32_MAX;
}
static void more_queue_cycle(struct rich *r) {
    struct ash_bin *at = bin(r, 1, 0);
    linked(r, at->queue_tail)->next = at->queue_head;
}
static void more_pending_wild(struct rich *r) {
    pending_bottom(r)->pending_next = UINT32_MAX;
}
static void more_bin_wild(struct rich *r) {
    bin(r, 1, 0)->slab = UINT32_MAX;
}
static void more_bin_window(struct rich *r) {
    bin(r, 1, 0)->window_index = 63;
}
static void more_bin_idle_word(struct rich *r) {
    bin(r, 1, 30)->word = NULL;
}
static void more_bin_idle_window(struct rich *r) {
    bin(r, 1, 30)->window_index = 1;
}
static void more_bin_idle_candidates(struct rich *r) {
    bin(r, 1, 30)->candidates = 1;
}
static void more_bin_debt(struct rich *r) {
    bin(r, 1, 30)->debt = -1;
}
static void more_bin_class(struct rich *r) {
    bin(r, 1, 30)->class_index = 29;
}
static void more_thread_pages(struct rich *r) {
    thread_of(r, 1)->pages++;
}
static void more_thread_heap(struct rich *r) {
    thread_of(r, 1)->heap = NULL;
}
/* A slab that has room for more than its 64 blocks, and so for a second window that it has not. */
static void more_bitmaps(struct rich *r) {
    const unsigned class_index = ashlar_class_of(10496);
    struct ash_page *head = NULL;
    while (head == NULL || head->slab_pages < ash_classes[class_index].slab_pages) {
        char *block = ashlar_malloc(r->threads[0], 10496);
        assert_non_null(block);
        uint64_t page = ((uint64_t)(uintptr_t)block - r->heap->root.region_base) >> ASH_PAGE_SHIFT;
        head = ash_page_at(r->heap, page)->head;
    }
    assert_true(head->slab_pages * ASH_PAGE_BYTES / 10496 > head->block_count);
    ash_remote_words(r->heap, ash_page_number(r->heap, head))[1] = 1;
}
static void more_thread_line(struct rich *r) {
    ((uint8_t *)thread_of(r, 1))[offsetof(struct ash_thread_heap, bins) - 1] = 1;
}
static void more_other_owner(struct rich *r) {
    full(r)->owner = thread_of(r, 2);
}

static const struct plant more_plants[] = {
    {ASHLAR_ROOT_SPARE, more_root_gap},         {ASHLAR_ROOT_LOCK, more_pool_lock},
    {ASHLAR_ROOT_GEOMETRY, more_metadata},      {ASHLAR_ROOT_GEOMETRY, more_region_pages},
    {ASHLAR_ROOT_GEOMETRY, more_region_base},   {ASHLAR_ROOT_GEOMETRY, more_os_page},
    {ASHLAR_ROOT_GEOMETRY, more_capacity},      {ASHLAR_ROOT_GEOMETRY, more_flags},
    {ASHLAR_ROOT_GEOMETRY, more_overlap},       {ASHLAR_ROOT_GEOMETRY, more_base_zero},
    {ASHLAR_ROOT_GEOMETRY, more_base_wraps},    {ASHLAR_ROOT_GEOMETRY, more_too_many_pages},
    {ASHLAR_ROOT_GEOMETRY, more_os_page_large}, {ASHLAR_ROOT_GEOMETRY, more_part_outside},
    {ASHLAR_ROOT_GEOMETRY, more_part_too_long}, {ASHLAR_ROOT_GEOMETRY, more_part_unaligned},
    {ASHLAR_ROOT_CLASSES, more_class_bytes},    {ASHLAR_ROOT_CLASSES, more_class_pages},
    {ASHLAR_ROOT_CLASSES, more_class_spare},    {ASHLAR_ROOT_CLASSES, more_class_reciprocal},
    {ASHLAR_COUNT_COMMITTED, more_sum_tells},   {ASHLAR_PAGE_LENGTH, more_page_too_long},
    {ASHLAR_PAGE_LENGTH, more_slab_too_long},   {ASHLAR_PAGE_BEYOND, more_beyond},
    {ASHLAR_SLAB_GEOMETRY, more_block_count},   {ASHLAR_SLAB_GEOMETRY, more_full_tail},
    {ASHLAR_SLAB_GEOMETRY, more_page_offset},   {ASHLAR_SLAB_PLACE, more_unqueued},
    {ASHLAR_SLAB_PLACE, more_two_current},      {ASHLAR_SLAB_PLACE, more_no_place},
    {ASHLAR_BIN_SLAB, more_not_current},        {ASHLAR_SLAB_TAIL, more_inline_word},
    {ASHLAR_SLAB_LINKS, more_pending_next},     {ASHLAR_RUN_SPARE, more_run_last},
    {ASHLAR_RUN_SPARE, more_run_time},          {ASHLAR_DIRTY_LINKS, more_clean_linked},
    {ASHLAR_DIRTY_LINKS, more_dirty_wild},      {ASHLAR_DIRTY_LINKS, more_dirty_cycle},
    {ASHLAR_RUN_LINKS, more_run_wild},          {ASHLAR_RUN_LINKS, more_run_cycle},
    {ASHLAR_POOL_LINKS, more_pool_wild},        {ASHLAR_POOL_LINKS, more_pool_cycle},
    {ASHLAR_QUEUE_MEMBER, more_queue_wild},     {ASHLAR_QUEUE_LINKS, more_queue_cycle},
    {ASHLAR_PENDING_MEMBER, more_pending_wild}, {ASHLAR_BIN_SLAB, more_bin_wild},
    {ASHLAR_BIN_WINDOW, more_bin_window},       {ASHLAR_BIN_WORD, more_bin_idle_word},
    {ASHLAR_BIN_WINDOW, more_bin_idle_window},  {ASHLAR_BIN_CANDIDATES, more_bin_idle_candidates},
    {ASHLAR_BIN_SPARE, more_bin_debt},          {ASHLAR_BIN_CLASS, more_bin_class},
    {ASHLAR_THREAD_FIELDS, more_thread_pages},  {ASHLAR_THREAD_FIELDS, more_thread_heap},
    {ASHLAR_THREAD_SPARE, more_thread_line},    {ASHLAR_CONTENTS_BITMAPS, more_bitmaps},
};
enum { MORE_COUNT = sizeof more_plants / sizeof more_plants[0] };

/* The sum is what is checked where the counts it is made of are not. */
static void check_planted(const struct rich *rich, enum ashlar_finding_code code,
                          struct seen *seen) {
    struct ashlar_check_report report;
    enum ashlar_check_tier tier = code / 100 == 7 ? ASHLAR_CHECK_AUDIT : ASHLAR_CHECK_FULL;
    uint64_t root = ashlar_heap_root(rich->public_heap);
    enum ashlar_verdict verdict =
        code == ASHLAR_COUNT_SUM
            ? ashlar_check_touched(rich->public_heap, 0, seen_add, seen, &report)
            : ashlar_check(&ashlar_reader_self, root, tier, seen_add, seen, &report);
    assert_int_equal(verdict, ASHLAR_CORRUPT);
    assert_int_equal(report.findings, seen->count);
}

static void test_plant(void **state) {
    const struct plant *plant = (const struct plant *)*state;
    struct rich *rich = malloc(sizeof *rich);
    struct seen seen = {0};
    rich_make(rich, 0);
    expect_verdict(rich, ASHLAR_CHECK_AUDIT, ASHLAR_SOUND);
    struct ash_root root = rich->heap->root;
    struct ashlar_os os = rich->heap->os;
    plant->plant(rich);
    check_planted(rich, plant->code, &seen);
    if (seen.count != 1 || seen.findings[0].code != plant->code) seen_print(&seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.findings[0].code, plant->code);
    /* What destroy needs. */
    rich->heap->root = root;
    rich->heap->os = os;
    rich_drop(rich);
    free(rich);
}

static void test_every_row_has_a_plant(void **state) {
    (void)state;
    size_t count, rows = 0;
    const struct ashlar_finding_info *infos = ashlar_findings(&count);
    for (size_t i = 0; i < count; i++) {
        if (infos[i].number < 100 || infos[i].number >= 800) continue;
        size_t found = 0;
        for (size_t j = 0; j < PLANT_COUNT; j++) found += plants[j].code == infos[i].number;
        if (found != 1) print_error("%s has %zu plants\n", infos[i].code, found);
        assert_int_equal(found, 1);
        rows++;
    }
    assert_int_equal(rows, PLANT_COUNT);
}

/* Two counts are wrong when a slab changes its owner: of who lost it, and of who has it now. */
static void test_other_owner(void **state) {
    (void)state;
    struct rich *rich = malloc(sizeof *rich);
    struct seen seen = {0};
    rich_make(rich, 0);
    more_other_owner(rich);
    check_planted(rich, ASHLAR_BIN_SLABS, &seen);
    assert_int_equal(seen.count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(seen.findings[i].code, ASHLAR_BIN_SLABS);
        assert_int_equal(seen.findings[i].thread_heap, i + 1);
        assert_int_equal(seen.findings[i].index, 0);
    }
    assert_int_equal(seen.findings[0].expected + 1, seen.findings[0].found);
    assert_int_equal(seen.findings[1].expected, seen.findings[1].found + 1);
    rich_drop(rich);
    free(rich);
}

int main(void) {
    struct CMUnitTest tests[PLANT_COUNT + MORE_COUNT + 2] = {
        cmocka_unit_test(test_every_row_has_a_plant), cmocka_unit_test(test_other_owner)};
    for (size_t i = 0; i < PLANT_COUNT + MORE_COUNT; i++) {
        const struct plant *plant = i < PLANT_COUNT ? &plants[i] : &more_plants[i - PLANT_COUNT];
        const struct ashlar_finding_info *info = ashlar_finding_by_number(plant->code);
        tests[i + 2] = (struct CMUnitTest){.name = info == NULL ? "?" : info->code,
                                           .test_func = test_plant,
                                           .initial_state = (void *)(uintptr_t)plant};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
