/* What callers see: malloc, calloc, realloc, aligned_alloc, free and their edges. What the standard
 * and the header promise is tested through the public interface alone. */
#include "heap/runs.h"
#include "support.h"

#include <stdio.h>

static const size_t huge[] = {SIZE_MAX,         SIZE_MAX - 1,        SIZE_MAX - 15,
                              SIZE_MAX - 16,    SIZE_MAX - 4095,     SIZE_MAX - 65535,
                              SIZE_MAX - 65536, SIZE_MAX / 2 + 2,    (size_t)PTRDIFF_MAX + 1,
                              PTRDIFF_MAX,      PTRDIFF_MAX - 65535, SIZE_MAX / 4,
                              (size_t)1 << 47,  (size_t)1 << 40};
enum { HUGE_COUNT = sizeof huge / sizeof huge[0] };

/* A heap with a bit of everything, and what it was like. But for an empty slab: those go before a
 * large block is refused. */
struct still {
    struct site site;
    struct ashlar_heap_stats before;
    void *block, *span;
};

static void still_open(struct still *still) {
    site_open(&still->site, 64 * MIB, 1);
    still->block = ashlar_malloc(still->site.th, 100);
    still->span = ashlar_malloc(still->site.th, 200000);
    fill(still->block, 100, 1);
    fill(still->span, 200000, 2);
    still->before = site_stats(&still->site);
}

/* The call failed with this error, and nothing is different. */
static void still_same(struct still *still, const void *result, int error) {
    assert_null(result);
    assert_int_equal(errno, error);
    errno = 0;
    struct ashlar_heap_stats after = site_stats(&still->site);
    assert_memory_equal(&after, &still->before, sizeof after);
    expect_sound(&still->site);
}

static void still_close(struct still *still) {
    assert_true(holds(still->block, 100, 1));
    assert_true(holds(still->span, 200000, 2));
    site_close(&still->site);
}

static void sizes_that_cannot_be_fail_without_a_trace(void **state) {
    (void)state;
    struct still still;
    still_open(&still);
    struct ashlar_thread_heap *th = still.site.th;
    for (unsigned i = 0; i < HUGE_COUNT; i++) {
        /* through a variable that the compiler does not know: it would warn of such sizes */
        volatile size_t bytes = huge[i];
        errno = 0;
        still_same(&still, ashlar_malloc(th, bytes), ENOMEM);
        still_same(&still, ashlar_calloc(th, 1, bytes), ENOMEM);
        still_same(&still, ashlar_calloc(th, bytes, 1), ENOMEM);
        still_same(&still, ashlar_realloc(th, NULL, bytes), ENOMEM);
        still_same(&still, ashlar_realloc(th, still.block, bytes), ENOMEM);
        still_same(&still, ashlar_realloc(th, still.span, bytes), ENOMEM);
        for (size_t alignment = 1; alignment <= ASH_ALIGNMENT_MAX; alignment *= 8)
            still_same(&still, ashlar_aligned_alloc(th, alignment, bytes), ENOMEM);
    }
    still_close(&still);
}

static void products_that_wrap_fail(void **state) {
    (void)state;
    static const size_t pairs[][2] = {{SIZE_MAX, 2},
                                      {SIZE_MAX / 2 + 1, 2},
                                      {(size_t)1 << 32, (size_t)1 << 32},
                                      {((size_t)1 << 32) + 1, (size_t)1 << 32},
                                      {SIZE_MAX / 16 + 1, 16},
                                      {SIZE_MAX / 16 + 2, 16},
                                      {SIZE_MAX / 3 + 1, 3},
                                      {SIZE_MAX, SIZE_MAX},
                                      {(size_t)PTRDIFF_MAX, 2}};
    struct still still;
    still_open(&still);
    errno = 0;
    for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        volatile size_t count = pairs[i][0], bytes = pairs[i][1];
        still_same(&still, ashlar_calloc(still.site.th, count, bytes), ENOMEM);
        still_same(&still, ashlar_calloc(still.site.th, bytes, count), ENOMEM);
    }
    still_close(&still);
}

static void absurd_alignments_are_invalid(void **state) {
    (void)state;
    static const size_t alignments[] = {0,
                                        3,
                                        5,
                                        24,
                                        48,
                                        65535,
                                        65537,
                                        SIZE_MAX,
                                        SIZE_MAX / 2 + 1,
                                        ASH_ALIGNMENT_MAX * 2,
                                        ASH_ALIGNMENT_MAX + 1};
    struct still still;
    still_open(&still);
    errno = 0;
    for (unsigned i = 0; i < sizeof alignments / sizeof alignments[0]; i++)
        for (size_t bytes = 0; bytes < MIB; bytes = bytes * 9 + 1)
            still_same(&still, ashlar_aligned_alloc(still.site.th, alignments[i], bytes), EINVAL);
    still_close(&still);
}

static void free_keeps_errno_and_ignores_null(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    for (size_t bytes = 1; bytes < 4 * MIB; bytes = bytes * 3 + 1) {
        void *block = ashlar_malloc(site.threads[0], bytes);
        void *other = ashlar_malloc(site.threads[0], bytes);
        errno = 4711;
        fail_next(&site, 1U << ASHLAR_OS_PURGE, 1);
        site.os.clock_ms += 10000; /* with a purge, and a refused one */
        ashlar_free(site.threads[0], block);
        ashlar_free(site.threads[1], other);
        ashlar_free(site.th, NULL);
        ashlar_free_sized(site.th, NULL, 5);
        ashlar_free_aligned_sized(site.th, NULL, 64, 5);
        assert_null(ashlar_realloc(site.th, ashlar_malloc(site.th, bytes), 0));
        assert_int_equal(errno, 4711);
        fail_no_more(&site);
    }
    assert_int_equal(ashlar_usable_size(site.th, NULL), 0);
    site_close(&site);
}

static void nothing_is_a_block_too(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *blocks[100];
    for (unsigned i = 0; i < 100; i++) {
        blocks[i] = i % 3 == 0   ? ashlar_malloc(site.th, 0)
                    : i % 3 == 1 ? ashlar_calloc(site.th, i % 2, 0)
                                 : ashlar_realloc(site.th, NULL, 0);
        assert_non_null(blocks[i]);
        assert_true(ashlar_usable_size(site.th, blocks[i]) > 0);
        for (unsigned j = 0; j < i; j++) assert_ptr_not_equal(blocks[i], blocks[j]);
    }
    for (size_t alignment = 1; alignment <= 4 * PAGE; alignment *= 2) {
        void *block = ashlar_aligned_alloc(site.th, alignment, 0);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignment, 0);
        ashlar_free_aligned_sized(site.th, block, alignment, 0);
    }
    for (unsigned i = 0; i < 100; i++) ashlar_free_sized(site.th, blocks[i], 0);
    assert_int_equal(site_stats(&site).live_blocks, 0);
    site_close(&site);
}

/* Each size around each boundary, from each to each. */
static void realloc_keeps_content_in_every_transition(void **state) {
    (void)state;
    static const size_t sizes[] = {1,      15,    16,      17,      100,    1024,   1025,
                                   4096,   40000, 65535,   65536,   65537,  131072, 131073,
                                   500000, MIB,   MIB + 1, 3 * MIB, 9 * MIB};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct site site;
    site_open(&site, 512 * MIB, 1);
    for (unsigned from = 0; from < COUNT; from++) {
        for (unsigned to = 0; to < COUNT; to++) {
            uint8_t *block = ashlar_malloc(site.th, sizes[from]);
            void *wall = from % 2 == 0 ? ashlar_malloc(site.th, 70000) : NULL;
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            fill(block, sizes[from], from);
            block = ashlar_realloc(site.th, block, sizes[to]);
            assert_non_null(block);
            if (!holds(block, kept, from)) fail_msg("%zu to %zu bytes", sizes[from], sizes[to]);
            assert_true(ashlar_usable_size(site.th, block) >= sizes[to]);
            fill(block, sizes[to], to); /* all of it can be used */
            ashlar_free_sized(site.th, block, sizes[to]);
            ashlar_free(site.th, wall);
            expect_sound(&site);
        }
    }
    assert_int_equal(site_stats(&site).live_blocks, 0);
    assert_int_equal(site.heap->root.counts.moved_spans, 0);
    site_close(&site);
}

static void realloc_stays_where_it_is_in_a_class(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t least = i == 0 ? 1 : ashlar_class_bytes(i - 1) + 1, most = ashlar_class_bytes(i);
        void *block = ashlar_malloc(site.th, least);
        assert_ptr_equal(ashlar_realloc(site.th, block, most), block);
        assert_ptr_equal(ashlar_realloc(site.th, block, least), block);
        void *larger = ashlar_realloc(site.th, block, most + 1);
        assert_ptr_not_equal(larger, block);
        ashlar_free_sized(site.th, larger, most + 1);
    }
    assert_null(ashlar_realloc(site.th, ashlar_malloc(site.th, 10), 0));
    assert_int_equal(site_stats(&site).live_blocks, 0);
    site_close(&site);
}

static void a_failed_realloc_leaves_the_block(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static const size_t sizes[] = {10, 1000, 30000, 100000, 2 * MIB};
    void *blocks[5];
    for (unsigned i = 0; i < 5; i++) {
        blocks[i] = ashlar_malloc(site.th, sizes[i]);
        fill(blocks[i], sizes[i], i);
    }
    while (ashlar_malloc(site.th, 2 * PAGE) != NULL) continue;
    struct ashlar_heap_stats before = site_stats(&site);
    for (unsigned i = 0; i < 5; i++) {
        errno = 0;
        assert_null(ashlar_realloc(site.th, blocks[i], 40 * MIB));
        assert_int_equal(errno, ENOMEM);
        expect_sound(&site);
    }
    struct ashlar_heap_stats after = site_stats(&site);
    assert_memory_equal(&before, &after, sizeof before);
    for (unsigned i = 0; i < 5; i++) assert_true(holds(blocks[i], sizes[i], i));
    site_close(&site);
}

static void large_spans_move_by_their_pages(void **state) {
    (void)state;
    struct site site;
    site_open(&site, (size_t)1 << 30, 1);
    const struct ash_counts *counts = &site.heap->root.counts;
    uint8_t *span = ashlar_malloc(site.th, MIB);
    fill(span, MIB, 0);
    for (unsigned i = 1; i <= 20; i++) {
        void *wall = ashlar_malloc(site.th, 70000); /* so that it cannot grow in place */
        size_t before = i * MIB + (i - 1) * 100;
        span = ashlar_realloc(site.th, span, before + MIB + 100);
        assert_non_null(span);
        assert_true(holds(span, MIB, 0));
        assert_int_equal(counts->moved_spans, page_of(&site, span)->span.moved);
        expect_sound(&site);
        ashlar_free(site.th, wall);
    }
    assert_int_equal(counts->moved_spans, 1);
    uint64_t purged = counts->purged_total;
    uint64_t pages = page_of(&site, span)->pages;
    span = ashlar_realloc(site.th, span, 5 * MIB); /* the tail is made normal, and so is clean */
    assert_int_equal(counts->moved_spans, 1);
    assert_int_equal(counts->purged_total, purged + pages - 80);
    expect_clean(&site);
    assert_true(holds(span, MIB, 0));
    ashlar_free(site.th, span);
    assert_int_equal(counts->moved_spans, 0);
    site_close(&site);
}

static void a_refused_move_copies(void **state) {
    (void)state;
    struct site site;
    site_open(&site, (size_t)1 << 30, 1);
    uint8_t *span = ashlar_malloc(site.th, 3 * MIB);
    ashlar_malloc(site.th, 70000);
    fill(span, 3 * MIB, 7);
    fail_next(&site, 1U << ASHLAR_OS_MOVE, 1);
    span = ashlar_realloc(site.th, span, 6 * MIB);
    assert_int_equal(site.os.failed, 1);
    assert_true(holds(span, 3 * MIB, 7));
    expect_clean(&site);
    fail_next(&site, 1U << ASHLAR_OS_MOVE, 1);
    ashlar_free(site.th, span); /* it cannot be made normal */
    assert_int_equal(site.os.failed, 1);
    expect_clean(&site);
    fail_no_more(&site);
    assert_int_equal(ashlar_trim(site.public_heap, site.th) % PAGE, 0);
    site_close(&site);
}

static void calloc_is_zero_on_whatever_was_there(void **state) {
    (void)state;
    static const size_t sizes[] = {1,        16,  100,         1024,    5000,    65536,       65537,
                                   3 * PAGE, MIB, 4 * MIB - 1, 4 * MIB, 5 * MIB, 5 * MIB + 77};
    struct site site;
    site_open(&site, 256 * MIB, 1);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint8_t *dirty = ashlar_malloc(site.th, sizes[i]);
            memset(dirty, 0xff, ashlar_usable_size(site.th, dirty));
            ashlar_free(site.th, dirty);
            if (round == 2) ashlar_trim(site.public_heap, NULL);
            if (round == 3) fail_next(&site, 1U << ASHLAR_OS_PURGE, 1); /* then it is cleared */
            uint8_t *zero =
                ashlar_calloc(site.th, round == 0 ? sizes[i] : 1, round == 0 ? 1 : sizes[i]);
            fail_no_more(&site);
            assert_true(all_zero(zero, sizes[i]));
            /* one that is mixed: half of it was used, the rest never */
            uint8_t *longer = ashlar_calloc(site.th, 1, sizes[i] + sizes[i] / 2 + 9 * PAGE);
            assert_true(all_zero(longer, sizes[i] + sizes[i] / 2 + 9 * PAGE));
            memset(longer, 0xee, sizes[i]);
            ashlar_free(site.th, longer);
            ashlar_free(site.th, zero);
            expect_clean(&site);
        }
    }
    site_close(&site);
}

/* Each small size, in a slab that is dirty all over. */
static void calloc_clears_its_block_only(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned class_index = 0; ashlar_class_bytes(class_index) <= 1024; class_index++) {
        size_t usable = ashlar_class_bytes(class_index);
        uint8_t *first = ashlar_malloc(site.th, usable);
        uint8_t *last = first + (page_of(&site, first)->block_count - 1) * usable;
        for (uint8_t *block = first; block < last; block += usable) ashlar_malloc(site.th, usable);
        memset(first, 0xff, (size_t)(last - first) + usable);
        for (uint8_t *block = first; block <= last; block += usable) ashlar_free(site.th, block);
        size_t least = class_index == 0 ? 0 : ashlar_class_bytes(class_index - 1) + 1;
        for (size_t bytes = least; bytes <= usable; bytes++) {
            uint8_t *zero = ashlar_calloc(site.th, 1, bytes);
            assert_in_range(zero, first, last);
            if (!all_zero(zero, bytes)) fail_msg("%zu bytes are not clear", bytes);
            if ((zero > first && zero[-1] != 0xff) || (zero < last && zero[usable] != 0xff))
                fail_msg("%zu bytes: a neighbour was cleared", bytes);
            memset(zero, 0xff, usable);
            ashlar_free(site.th, zero);
        }
    }
    site_close(&site);
}

static void alignments_up_to_a_gibibyte_hold(void **state) {
    (void)state;
    struct site site;
    site_open(&site, (size_t)1 << 34, 1);
    static const size_t sizes[] = {0, 1, 100, 5000, 65536, 65537, 200000};
    for (size_t alignment = 1; alignment <= ASH_ALIGNMENT_MAX; alignment *= 2) {
        void *blocks[7];
        for (unsigned i = 0; i < 7; i++) {
            blocks[i] = ashlar_aligned_alloc(site.th, alignment, sizes[i]);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % alignment, 0);
            assert_true(ashlar_usable_size(site.th, blocks[i]) >= sizes[i]);
            fill(blocks[i], sizes[i], i);
        }
        for (unsigned i = 0; i < 7; i++) {
            assert_true(holds(blocks[i], sizes[i], i));
            if (i % 2 == 0)
                ashlar_free_aligned_sized(site.th, blocks[i], alignment, sizes[i]);
            else
                ashlar_free(site.th, blocks[i]);
        }
        assert_int_equal(site.misuses, 0);
    }
    assert_int_equal(site_stats(&site).live_blocks, 0);
    expect_sound(&site);
    ashlar_heap_destroy(site.public_heap); /* an audit would read gigabytes */
    assert_int_equal(site.os.mapped_bytes, 0);
}

static void usable_size_is_the_class_s_or_the_pages(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (size_t bytes = 0; bytes < 300000; bytes += bytes < 1100 ? 1 : 997) {
        void *block = ashlar_malloc(site.th, bytes);
        uint32_t class_index = ashlar_class_of(bytes);
        size_t expected = class_index < ashlar_class_count() ? ashlar_class_bytes(class_index)
                                                             : (bytes + PAGE - 1) / PAGE * PAGE;
        assert_int_equal(ashlar_usable_size(site.th, block), expected);
        assert_int_equal((uintptr_t)block % 16, 0);
        ashlar_free_sized(site.th, block, bytes);
    }
    assert_int_equal(site_stats(&site).live_blocks, 0);
    site_close(&site);
}

static void classes_add_up_to_the_whole(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[300];
    for (unsigned i = 0; i < 300; i++) blocks[i] = ashlar_malloc(site.th, i * i);
    for (unsigned i = 0; i < 300; i += 3) ashlar_free(site.threads[i / 3 % 2], blocks[i]);
    struct ashlar_class_stats classes[ASH_CLASS_COUNT];
    ashlar_heap_get_class_stats(site.public_heap, classes);
    struct ashlar_heap_stats all = site_stats(&site);
    size_t live = 0, bytes = 0, slab_bytes = 0, slabs = 0, free_blocks = 0, remote = 0;
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t held = 0;
        for (unsigned j = 0; j < 300; j++)
            held += j % 3 != 0 && ashlar_class_of((size_t)j * j) == i;
        assert_int_equal(classes[i].live_blocks, held);
        if (classes[i].slabs == 0) assert_int_equal(classes[i].free_blocks, 0);
        live += held;
        bytes += held * ashlar_class_bytes(i);
        slabs += classes[i].slabs;
        slab_bytes += classes[i].slab_bytes;
        free_blocks += classes[i].free_blocks;
        remote += classes[i].remote_blocks;
    }
    assert_true(remote > 0);
    assert_int_equal(slabs, site.heap->root.counts.slabs);
    assert_int_equal(slab_bytes, all.slab_bytes);
    assert_int_equal(free_blocks, all.free_blocks);
    assert_int_equal(remote, all.remote_blocks);
    size_t kept = 0;
    for (unsigned i = 0; i < 2; i++) kept += ash_th_of(site.threads[i])->kept_spans;
    assert_int_equal(live + site.heap->root.counts.spans - kept, all.live_blocks);
    assert_int_equal(bytes + all.span_bytes, all.live_bytes);
    site_close(&site);
}

/* Frees of one slab's block by every size: just the sizes of its class are right. */
static void sized_frees_are_exact(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static const size_t asked[] = {1,    16,   17,   100,   128,   129,
                                   1024, 1025, 5000, 65536, 65537, 131073};
    for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        for (size_t claimed = 0; claimed < 4 * PAGE; claimed += claimed < 1200 ? 3 : 331) {
            void *block = ashlar_malloc(site.th, asked[i]);
            size_t usable = ashlar_usable_size(site.th, block);
            bool small = asked[i] <= PAGE && claimed <= PAGE;
            bool right = small ? ashlar_class_of(asked[i]) == ashlar_class_of(claimed)
                               : asked[i] > PAGE && claimed > PAGE &&
                                     (asked[i] - 1) / PAGE == (claimed - 1) / PAGE;
            ashlar_free_sized(site.th, block, claimed);
            if (right) {
                assert_int_equal(site.misuses, 0);
                continue;
            }
            expect_misuse(&site, ASHLAR_MISUSE_SIZE, "free_sized", block, block, usable);
            assert_int_equal(site.misuse.claimed_bytes, claimed);
            ashlar_free(site.th, block); /* it was not freed */
            assert_int_equal(site.misuses, 0);
        }
    }
    site_close(&site);
}

/* However a block came, its size says what it is. */
static void every_call_chooses_by_size_alone(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        for (size_t bytes = ashlar_class_bytes(i) - 1; bytes <= ashlar_class_bytes(i) + 1;
             bytes++) {
            ashlar_free_sized(site.th, ashlar_malloc(site.th, bytes), bytes);
            ashlar_free_sized(site.th, ashlar_calloc(site.th, 1, bytes), bytes);
            ashlar_free_sized(site.th, ashlar_aligned_alloc(site.th, 1, bytes), bytes);
            void *small = ashlar_malloc(site.th, 1), *large = span_pages(&site, 2);
            ashlar_free_sized(site.th, ashlar_realloc(site.th, small, bytes), bytes);
            ashlar_free_sized(site.th, ashlar_realloc(site.th, large, bytes), bytes);
        }
    }
    assert_int_equal(site_stats(&site).live_blocks, 0);
    site_close(&site);
}

/* No block is for an alignment that is no power of two, and looking for one must end. */
static void sized_frees_refuse_absurd_alignments(void **state) {
    (void)state;
    static const size_t alignments[] = {3, 24, 65535, 65537, SIZE_MAX, SIZE_MAX - 1};
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        void *block = ashlar_malloc(site.th, 48), *span = ashlar_malloc(site.th, 70000);
        ashlar_free_aligned_sized(site.th, block, alignments[i], 48);
        expect_misuse(&site, ASHLAR_MISUSE_SIZE, "free_sized", block, block, 48);
        ashlar_free_aligned_sized(site.th, span, alignments[i], 70000);
        expect_misuse(&site, ASHLAR_MISUSE_SIZE, "free_sized", span, span, 2 * PAGE);
        ashlar_free(site.th, block);
        ashlar_free(site.th, span);
    }
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_cannot_be_fail_without_a_trace),
        cmocka_unit_test(products_that_wrap_fail),
        cmocka_unit_test(absurd_alignments_are_invalid),
        cmocka_unit_test(free_keeps_errno_and_ignores_null),
        cmocka_unit_test(nothing_is_a_block_too),
        cmocka_unit_test(realloc_keeps_content_in_every_transition),
        cmocka_unit_test(realloc_stays_where_it_is_in_a_class),
        cmocka_unit_test(a_failed_realloc_leaves_the_block),
        cmocka_unit_test(large_spans_move_by_their_pages),
        cmocka_unit_test(a_refused_move_copies),
        cmocka_unit_test(calloc_is_zero_on_whatever_was_there),
        cmocka_unit_test(calloc_clears_its_block_only),
        cmocka_unit_test(alignments_up_to_a_gibibyte_hold),
        cmocka_unit_test(usable_size_is_the_class_s_or_the_pages),
        cmocka_unit_test(classes_add_up_to_the_whole),
        cmocka_unit_test(sized_frees_are_exact),
        cmocka_unit_test(every_call_chooses_by_size_alone),
        cmocka_unit_test(sized_frees_refuse_absurd_alignments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
