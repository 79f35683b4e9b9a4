/* Kept spans: what a thread heap hands out again, what it gives back and when, and that a span that
 * is kept counts as freed everywhere. */
#include "support.h"

#include "heap/kept.h"
#include "heap/locate.h"
#include "heap/slabs.h"

static const struct ash_thread_heap *th_of(const struct site *site, unsigned thread) {
    return ash_th_of(site->threads[thread]);
}

static void expect_kept(const struct site *site, unsigned thread, uint32_t spans, uint32_t pages) {
    assert_int_equal(th_of(site, thread)->kept_spans, spans);
    assert_int_equal(ash_kept_pages(th_of(site, thread)), pages);
    expect_sound(site);
}

static void what_was_freed_last_is_handed_out_first(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    for (size_t pages = 2; pages <= 64; pages *= 2) {
        void *first = span_pages(&site, pages), *second = span_pages(&site, pages);
        ashlar_free(site.th, first);
        ashlar_free(site.th, second);
        expect_kept(&site, 0, 2, 2 * (uint32_t)pages);
        assert_ptr_equal(span_pages(&site, pages), second);
        assert_ptr_equal(ashlar_malloc(site.th, pages * PAGE - 1000), first);
        assert_int_equal(page_of(&site, first)->span.requested_bytes, pages * PAGE - 1000);
        expect_kept(&site, 0, 0, 0);
        ashlar_free_sized(site.th, second, pages * PAGE);
        ashlar_free_sized(site.th, first, pages * PAGE - 1000);
        expect_kept(&site, 0, 2, 2 * (uint32_t)pages);
        ashlar_trim(site.public_heap, site.th);
        expect_kept(&site, 0, 0, 0);
    }
    site_close(&site);
}

/* Short ones stay while others are asked for; longer ones go back under the lock that is taken. */
static void a_longer_one_stays_until_another_length_is_cut(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    void *two = span_pages(&site, 2), *long_one = span_pages(&site, 20),
         *wall = span_pages(&site, 3);
    ashlar_free(site.th, two);
    ashlar_free(site.th, long_one);
    expect_kept(&site, 0, 2, 22);
    assert_ptr_equal(span_pages(&site, 2), two); /* nothing is cut */
    expect_kept(&site, 0, 1, 20);
    ashlar_free(site.th, two);
    void *other = span_pages(&site, 19);
    assert_ptr_equal(other, long_one); /* of the very pages that went back */
    expect_kept(&site, 0, 1, 2);
    ashlar_free(site.th, other);
    ashlar_free(site.th, wall);
    site_close(&site);
}

/* Of the longer ones, the one freed last becomes what is asked for, as far as the pages behind it
 * allow and no others fit more tightly; not for calloc, which had rather have clean pages. */
static void the_longer_one_freed_last_changes_its_length(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    uint8_t *first = span_pages(&site, 30), *wall = span_pages(&site, 8),
            *second = span_pages(&site, 20), *end = span_pages(&site, 2);
    ashlar_free(site.th, first);
    ashlar_free(site.th, second);
    expect_kept(&site, 0, 2, 50);
    assert_ptr_equal(span_pages(&site, 12), second); /* 30 pages are no tighter fit */
    assert_int_equal(page_of(&site, second)->span.requested_bytes, 12 * PAGE);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, second);
    assert_ptr_equal(span_pages(&site, 20), second); /* longer again */
    ashlar_free(site.th, second);
    assert_ptr_equal(span_pages(&site, 9), second);
    ashlar_free(site.th, span_pages(&site, 11)); /* all the pages behind it */
    expect_kept(&site, 0, 1, 11);
    assert_ptr_equal(span_pages(&site, 30), first); /* it gave way: grown, or merged and cut */
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, first);
    uint8_t *longer = span_pages(&site, 31); /* the wall is behind it */
    assert_true(longer >= end);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, longer);
    assert_ptr_equal(span_pages(&site, 25), first); /* 30 pages fit more tightly than 31 and more */
    ashlar_free(site.th, first);
    assert_ptr_equal(ashlar_calloc(site.th, 1, 24 * PAGE), first);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, wall);
    site_close(&site);
}

/* A shorter one is cut from the longer one that is kept, and the rest stays kept; freed again, the
 * two are one piece. No page changes hands but between them. */
static void a_shorter_one_is_cut_from_what_is_kept(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    uint8_t *all = span_pages(&site, 60), *wall = span_pages(&site, 3);
    uint64_t free_pages = site.heap->root.counts.free, spans = site.heap->root.counts.spans;
    ashlar_free(site.th, all);
    for (unsigned pages = 5; pages < 56; pages += 10) {
        assert_ptr_equal(span_pages(&site, pages), all);
        expect_kept(&site, 0, 1, 60 - pages);
        assert_int_equal(site.heap->root.counts.spans, spans + 1);
        ashlar_free(site.th, all);
        expect_kept(&site, 0, 2, 60);
    }
    assert_ptr_equal(ashlar_malloc(site.th, 9 * PAGE - 5), all);
    assert_int_equal(page_of(&site, all)->span.requested_bytes, 9 * PAGE - 5);
    uint8_t *next = span_pages(&site, 20); /* of the rest */
    assert_ptr_equal(next, all + 9 * PAGE);
    expect_kept(&site, 0, 1, 31);
    ashlar_free_sized(site.th, next, 20 * PAGE);
    assert_ptr_equal(span_pages(&site, 40), all + 9 * PAGE); /* as one */
    expect_kept(&site, 0, 1, 11);
    ashlar_free(site.th, all + 9 * PAGE);
    ashlar_free(site.th, all); /* three in a row: no two of which one is the rest */
    expect_kept(&site, 0, 3, 60);
    assert_int_equal(site.heap->root.counts.free, free_pages);
    assert_ptr_equal(span_pages(&site, 30), all);
    expect_kept(&site, 0, 0, 0);
    assert_int_equal(site.heap->root.counts.spans, spans);
    assert_int_equal(site.heap->root.counts.free, free_pages + 30);
    ashlar_free(site.th, all);
    ashlar_free(site.th, wall);
    site_close(&site);
}

/* What would leave a rest of few pages gives them back; what other pages fit more tightly takes
 * those. */
static void no_short_rest_is_kept(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    uint8_t *tight = span_pages(&site, 14), *wall = span_pages(&site, 2),
            *piece = span_pages(&site, 40), *end = span_pages(&site, 2);
    ashlar_free(site.th, piece);
    assert_ptr_equal(span_pages(&site, 36), piece);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, piece);
    assert_ptr_equal(span_pages(&site, 31), piece);
    expect_kept(&site, 0, 1, 5);
    ashlar_free(site.th, piece);
    assert_ptr_equal(span_pages(&site, 32), piece); /* 36 pages, of which 4 are left */
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, tight);
    ashlar_trim(site.public_heap, site.th);
    ashlar_free(site.th, piece);
    assert_ptr_equal(span_pages(&site, 12), tight);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, tight);
    ashlar_free(site.th, wall);
    ashlar_free(site.th, end);
    site_close(&site);
}

/* Nothing is looked at behind a span that ends where the committed pages do. */
static void the_frontier_is_behind_no_piece(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    uint8_t *first = span_pages(&site, 10), *wall = span_pages(&site, 2);
    uint8_t *last = span_pages(&site, site.heap->root.counts.committed - 12);
    assert_ptr_equal(page_of(&site, last) + page_of(&site, last)->pages,
                     ash_page_at(site.heap, site.heap->root.counts.committed));
    ashlar_free(site.th, first);
    ashlar_free(site.th, last);
    expect_kept(&site, 0, 2, (uint32_t)site.heap->root.counts.committed - 2);
    assert_ptr_equal(span_pages(&site, 7), first);
    ashlar_free(site.th, first);
    ashlar_free(site.th, wall);
    site_close(&site);
}

/* A rest is a kept span like any other: to whoever frees into it, when the clock says so, and when
 * its thread ends. */
static void a_rest_counts_as_freed(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 2);
    uint8_t *all = span_pages(&site, 60);
    ashlar_free(site.th, all);
    uint8_t *head = span_pages(&site, 20), *rest = all + 20 * PAGE;
    assert_ptr_equal(head, all);
    assert_int_equal(ash_locate(site.heap, (uintptr_t)rest + 100).place, ASH_AT_FREE_RUN);
    assert_int_equal(ashlar_usable_size(site.th, head), 20 * PAGE);
    ashlar_free(site.threads[1], rest);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", rest, NULL, 0);
    ashlar_free(site.threads[1], head); /* kept by another one: no piece with the rest */
    expect_kept(&site, 0, 1, 40);
    expect_kept(&site, 1, 1, 20);
    uint8_t *cut = span_pages(&site, 10);
    assert_ptr_equal(cut, rest);
    ashlar_trim(site.public_heap, site.th);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, cut);
    ashlar_thread_heap_release(site.threads[1]);
    expect_kept(&site, 0, 1, 10);
    site_close(&site);
}

static void no_more_is_kept_than_the_bound(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    uint32_t most = site.heap->kept_most, spans = most / 4;
    void *blocks[64];
    assert_int_equal(most, 128);
    void *too_long = span_pages(&site, most + 1);
    for (uint32_t i = 0; i <= spans; i++) blocks[i] = span_pages(&site, 4);
    for (uint32_t i = 0; i < spans; i++) ashlar_free(site.th, blocks[i]);
    expect_kept(&site, 0, spans, most);
    ashlar_free(site.th, blocks[spans]); /* makes room for itself and for what follows */
    expect_kept(&site, 0, 1, 4);
    ashlar_free(site.th, too_long);
    expect_kept(&site, 0, 1, 4);
    ashlar_free(site.th, span_pages(&site, most)); /* alone */
    expect_kept(&site, 0, 1, most);
    site_close(&site);
    struct ashlar_heap_options options = site_options(&site, 0);
    options.never_purge = true; /* without a clock nobody is to look at it */
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &site.th), ASHLAR_OK);
    ashlar_free(site.th, span_pages(&site, 4));
    assert_int_equal(ash_th_of(site.th)->kept_spans, 1);
    assert_int_equal(atomic_load(&ash_heap_of(site.public_heap)->next_visit_ms), 0);
    ashlar_heap_destroy(site.public_heap);
    options.never_keep = true;
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
    assert_int_equal(ash_heap_of(site.public_heap)->kept_most, 0);
    ashlar_heap_destroy(site.public_heap);
    site_open(&site, 1024 * MIB, 1); /* 9 MiB, however large the heap */
    assert_int_equal(site.heap->kept_most, 144);
    site_close(&site);
    site_open_in(&site, MIB, 1); /* a small heap spares nothing */
    assert_int_equal(site.heap->kept_most, 0);
    site_close(&site);
}

/* A kept span is free for everybody: a pointer to it, into it, by any operation. */
static void a_kept_span_counts_as_freed(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    struct ashlar_heap_stats before = site_stats(&site);
    uint8_t *span = span_pages(&site, 3);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    ashlar_free(site.th, span);
    expect_kept(&site, 0, 1, 3);
    struct ashlar_heap_stats after = site_stats(&site);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.span_bytes, 0);
    assert_int_equal(after.dirty_free_bytes, before.dirty_free_bytes + 3 * PAGE);
    assert_int_equal(after.slab_bytes + after.free_bytes, after.committed_bytes);
    struct ashlar_block found;
    assert_false(ashlar_heap_find(site.public_heap, (uintptr_t)span, &found));
    for (unsigned thread = 0; thread < 2; thread++) {
        ashlar_free(site.threads[thread], span);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", span, NULL, 0);
        ashlar_free(site.threads[thread], span + PAGE + 8);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", span + PAGE + 8, NULL, 0);
        assert_null(ashlar_realloc(site.threads[thread], span, 5 * PAGE));
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "realloc", span, NULL, 0);
        assert_int_equal(ashlar_usable_size(site.threads[thread], span), 0);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "usable_size", span, NULL, 0);
    }
    expect_kept(&site, 0, 1, 3);
    site_close(&site);
}

/* Whoever frees keeps; what another thread made, too. */
static void a_span_is_kept_by_who_frees_it(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *span = span_pages(&site, 3);
    ashlar_free(site.threads[1], span);
    expect_kept(&site, 0, 0, 0);
    expect_kept(&site, 1, 1, 3);
    assert_ptr_not_equal(span_pages(&site, 3), span);
    assert_ptr_equal(ashlar_malloc(site.threads[1], 3 * PAGE), span);
    ashlar_free(site.threads[1], span);
    ashlar_thread_heap_release(site.threads[1]);
    expect_kept(&site, 1, 0, 0);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &site.threads[1]), ASHLAR_OK);
    site_close(&site);
}

/* Once per decay time: by the thread itself, or by any other one while it sleeps. */
static void what_is_kept_goes_back_after_a_decay(void **state) {
    (void)state;
    for (unsigned looks = 0; looks < 2; looks++) {
        struct site site;
        site_open(&site, 64 * MIB, 2);
        struct ashlar_thread_heap *th = site.threads[looks];
        site.os.clock_ms += 600;
        for (unsigned i = 0; i < 2000; i++) ashlar_free(th, ashlar_malloc(th, 8000));
        ashlar_free(site.th, span_pages(&site, 3));
        for (unsigned i = 0; i < 2000; i++) ashlar_free(th, ashlar_malloc(th, 8000));
        expect_kept(&site, 0, 1, 3);
        site.os.clock_ms += 600;
        for (unsigned i = 0; i < 2000; i++) ashlar_free(th, ashlar_malloc(th, 8000));
        expect_kept(&site, 0, 0, 0);
        site_close(&site);
    }
}

/* A look that finds the thread at work leaves it what it keeps; the next one takes it. */
static void what_a_thread_at_work_keeps_is_looked_at_again(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    struct ashlar_thread_heap *other = site.threads[1];
    struct ash_thread_heap *th = ash_th_of(site.th);
    ashlar_free(site.th, span_pages(&site, 3));
    site.os.clock_ms += 600;
    uint32_t before = ash_transition_begin(th, ASH_REFILL);
    for (unsigned i = 0; i < 2000; i++) ashlar_free(other, ashlar_malloc(other, 8000));
    ash_transition_end(th, before); /* was asked, and collects */
    expect_kept(&site, 0, 1, 3);
    assert_int_not_equal(atomic_load(&site.heap->next_visit_ms), 0);
    site.os.clock_ms += 600;
    for (unsigned i = 0; i < 2000; i++) ashlar_free(other, ashlar_malloc(other, 8000));
    expect_kept(&site, 0, 0, 0);
    site_close(&site);
}

/* A thread that uses nothing but spans looks at the clock, too. */
static void spans_alone_look_at_the_clock(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    ashlar_free(site.th, span_pages(&site, 3));
    site.os.clock_ms += 600;
    for (unsigned i = 0; i < 100; i++) ashlar_free(site.th, span_pages(&site, 2));
    expect_kept(&site, 0, 1, 2);
    site_close(&site);
}

/* Before the frontier grows, and before an allocation fails, other thread heaps' too. */
static void what_is_kept_serves_before_memory_ends(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    uint64_t committed = site.heap->root.counts.committed;
    void *spans[16];
    for (unsigned i = 0; i < 16; i++) spans[i] = span_pages(&site, 4);
    assert_int_equal(site.heap->root.counts.committed, committed + 64);
    for (unsigned i = 0; i < 16; i++) ashlar_free(site.th, spans[i]);
    expect_kept(&site, 0, 8, 32); /* a part of the heap */
    void *all = span_pages(&site, 64);
    assert_int_equal(site.heap->root.counts.committed, committed + 64);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, all);
    void *kept = span_pages(&site, 4);
    ashlar_free(site.threads[1], kept);
    void *whole = ashlar_malloc(site.th, 64 * MIB);
    assert_non_null(whole);
    expect_kept(&site, 1, 0, 0);
    ashlar_free(site.th, whole);
    site_close(&site);
}

/* What calloc gets of a kept span is zero; one that is watched for its habits is not kept. */
static void calloc_of_a_kept_span_is_zero(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    unsigned kept = 0;
    for (unsigned i = 0; i < 40; i++) {
        uint8_t *block = ashlar_calloc(site.th, 3, PAGE);
        assert_true(all_zero(block, 3 * PAGE));
        memset(block, 0xee, 3 * PAGE);
        ashlar_free(site.th, block);
        expect_sound(&site);
        kept += th_of(&site, 0)->kept_spans;
    }
    assert_in_range(kept, 1, 39);
    site_close(&site);
}

static void a_moved_span_is_not_kept(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    void *block = span_pages(&site, 32), *wall = span_pages(&site, 2);
    void *moved = ashlar_realloc(site.th, block, 64 * PAGE);
    assert_ptr_not_equal(moved, block);
    assert_int_equal(page_of(&site, moved)->span.moved, 1);
    ashlar_trim(site.public_heap, site.th);
    ashlar_free(site.th, moved);
    expect_kept(&site, 0, 0, 0);
    ashlar_free(site.th, wall);
    site_close(&site);
}

static void a_reset_forgets_what_is_kept(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    ashlar_free(site.th, span_pages(&site, 3));
    ashlar_free(site.th, span_pages(&site, 9));
    ashlar_heap_reset(site.public_heap);
    expect_kept(&site, 0, 0, 0);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_freed_last_is_handed_out_first),
        cmocka_unit_test(a_longer_one_stays_until_another_length_is_cut),
        cmocka_unit_test(the_longer_one_freed_last_changes_its_length),
        cmocka_unit_test(a_shorter_one_is_cut_from_what_is_kept),
        cmocka_unit_test(no_short_rest_is_kept),
        cmocka_unit_test(the_frontier_is_behind_no_piece),
        cmocka_unit_test(a_rest_counts_as_freed),
        cmocka_unit_test(no_more_is_kept_than_the_bound),
        cmocka_unit_test(a_kept_span_counts_as_freed),
        cmocka_unit_test(a_span_is_kept_by_who_frees_it),
        cmocka_unit_test(what_is_kept_goes_back_after_a_decay),
        cmocka_unit_test(what_a_thread_at_work_keeps_is_looked_at_again),
        cmocka_unit_test(spans_alone_look_at_the_clock),
        cmocka_unit_test(what_is_kept_serves_before_memory_ends),
        cmocka_unit_test(calloc_of_a_kept_span_is_zero),
        cmocka_unit_test(a_moved_span_is_not_kept),
        cmocka_unit_test(a_reset_forgets_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
