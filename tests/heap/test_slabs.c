/* Slabs and bins: the order in which blocks are served, when slabs come and go, how far the memory
 * of a churning program may exceed what is live, and what happens at the end of memory. */
#include "heap/slabs.h"

#include "heap/bins.h"
#include "support.h"

#include <stdlib.h>

enum { WINDOW = ASH_WINDOW_BLOCKS, SLAB_16 = 4096 };

static void take_many(struct site *site, size_t bytes, void **blocks, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = ashlar_malloc(site->th, bytes);
        assert_non_null(blocks[i]);
    }
}

static uint64_t slabs_of(const struct site *site) {
    return site->heap->root.counts.slabs;
}

static void a_new_slab_is_served_from_its_start(void **state) {
    (void)state;
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++) {
        struct site site;
        site_open(&site, 128 * MIB, 1);
        size_t bytes = ashlar_class_bytes(class_index);
        uint8_t *first = ashlar_malloc(site.th, bytes);
        const struct ash_page *head = page_of(&site, first);
        unsigned pages = ash_classes[class_index].slab_pages / 16; /* the first slab is short */
        assert_int_equal(head->slab_pages, pages > 0 ? pages : 1);
        for (unsigned i = 1; i < head->block_count; i++) {
            assert_ptr_equal(ashlar_malloc(site.th, bytes), first + i * bytes);
            if (i % WINDOW == 0) {
                assert_int_equal(head->opened_windows, i / WINDOW + 1);
                expect_sound(&site);
            }
        }
        assert_int_equal(slabs_of(&site), 1);
        assert_non_null(ashlar_malloc(site.th, bytes));
        assert_int_equal(slabs_of(&site), 2);
        site_close(&site);
    }
}

static void a_sweep_visits_windows_in_ascending_order(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static void *blocks[SLAB_16];
    take_many(&site, 16, blocks, SLAB_16);
    static const unsigned freed[] = {10, 3, 62, 5}, served[] = {3, 5, 10, 62};
    for (unsigned w = 0; w < 4; w++)
        for (unsigned i = 0; i < WINDOW; i++) ashlar_free(site.th, blocks[freed[w] * WINDOW + i]);
    expect_sound(&site);
    for (unsigned w = 0; w < 4; w++)
        for (unsigned i = 0; i < WINDOW; i++)
            assert_ptr_equal(ashlar_malloc(site.th, 16), blocks[served[w] * WINDOW + i]);
    assert_int_equal(slabs_of(&site), 1);
    site_close(&site);
}

/* The last window of the last slab, all of it live, is the current one: another slab has a free one
 * when there are two, else the same. Frees `most` of the current window, which are used again, and
 * then one less, which are not. */
static void expect_used_again(unsigned slabs, unsigned most) {
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static void *blocks[2 * SLAB_16];
    unsigned count = slabs * SLAB_16;
    take_many(&site, 16, blocks, count);
    assert_int_equal(slabs_of(&site), slabs);
    for (unsigned i = 0; i < WINDOW; i++) ashlar_free(site.th, blocks[i]);
    void **last = blocks + count - WINDOW;
    for (unsigned i = 0; i < most; i++) ashlar_free(site.th, last[i]);
    for (unsigned i = 0; i < most; i++) assert_ptr_equal(ashlar_malloc(site.th, 16), last[i]);
    for (unsigned i = 0; i < most - 1; i++) ashlar_free(site.th, last[i]);
    assert_ptr_equal(ashlar_malloc(site.th, 16), blocks[0]);
    site_close(&site);
}

static void a_window_that_is_free_enough_is_used_again(void **state) {
    (void)state;
    expect_used_again(1, WINDOW / 4);
    expect_used_again(2, WINDOW / 16);
}

/* However few blocks a last window has: else a slab would be queued with nothing live in it. */
static void an_all_free_window_is_never_left(void **state) {
    (void)state;
    enum { BYTES = 112, BLOCKS = ASH_PAGE_BYTES / BYTES, LAST = BLOCKS % WINDOW };
    static_assert(LAST > 0 && LAST < WINDOW / 4, "less than would be enough of a whole window");
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *blocks[BLOCKS];
    take_many(&site, BYTES, blocks, BLOCKS);
    assert_int_equal(slabs_of(&site), 1);
    for (unsigned i = 0; i < WINDOW; i++) ashlar_free(site.th, blocks[i]);
    for (unsigned i = BLOCKS - LAST; i < BLOCKS; i++) ashlar_free(site.th, blocks[i]);
    assert_ptr_equal(ashlar_malloc(site.th, BYTES), blocks[BLOCKS - LAST]);
    site_close(&site);
}

/* Refills that find 12 of 64 are poor in an only slab: after some sweeps it opens a window, though
 * there are free blocks. */
static void an_only_slab_grows_while_refills_are_poor(void **state) {
    (void)state;
    enum { WINDOWS = 4, FOUND = 12, SWEEPS_MOST = 8 };
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *blocks[WINDOWS * WINDOW];
    take_many(&site, 16, blocks, WINDOWS * WINDOW);
    const struct ash_page *head = page_of(&site, blocks[0]);
    unsigned sweeps = 0;
    while (head->opened_windows == WINDOWS && sweeps++ < SWEEPS_MOST) {
        for (unsigned w = 0; w < WINDOWS; w++)
            for (unsigned i = 0; i < FOUND; i++) ashlar_free(site.th, blocks[w * WINDOW + i]);
        for (unsigned i = 0; i < WINDOWS * FOUND; i++)
            assert_non_null(ashlar_malloc(site.th, 16)); /* the same ones, until it grows */
    }
    assert_int_equal(head->opened_windows, WINDOWS + 1);
    assert_in_range(sweeps, WINDOW / (WINDOWS * (WINDOW / 4 - FOUND)), SWEEPS_MOST);
    assert_int_equal(slabs_of(&site), 1);
    expect_sound(&site);
    site_close(&site);
}

static void slabs_queue_first_in_first_out(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static void *blocks[4 * SLAB_16];
    take_many(&site, 16, blocks, 4 * SLAB_16); /* three full slabs, and a full current one */
    static const unsigned order[] = {1, 0, 2};
    for (unsigned i = 0; i < 3; i++) {
        ashlar_free(site.th, blocks[order[i] * SLAB_16 + 100]);
        expect_sound(&site);
    }
    const struct ash_bin *bin = bin_of_size(site.th, 16);
    assert_int_equal(bin->queue_head, ash_slab_link(site.heap, page_of(&site, blocks[SLAB_16])));
    assert_int_equal(bin->queue_tail,
                     ash_slab_link(site.heap, page_of(&site, blocks[2 * SLAB_16])));
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(ashlar_malloc(site.th, 16), blocks[order[i] * SLAB_16 + 100]);
        expect_sound(&site);
    }
    assert_int_equal(bin->queue_head, 0);
    assert_int_equal(slabs_of(&site), 4);
    site_close(&site);
}

/* Takes the middle, the first and the last of a queue out of it, by emptying those slabs. */
static void slabs_leave_the_queue_from_any_place(void **state) {
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned order = 0; order < 6; order++) {
        struct site site;
        site_open(&site, 64 * MIB, 1);
        void *blocks[4 * WINDOW];
        take_many(&site, 1024, blocks, 4 * WINDOW);
        for (unsigned slab = 0; slab < 3; slab++) ashlar_free(site.th, blocks[slab * WINDOW]);
        for (unsigned turn = 0; turn < 3; turn++) {
            unsigned slab = orders[order][turn];
            for (unsigned i = 1; i < WINDOW; i++) ashlar_free(site.th, blocks[slab * WINDOW + i]);
            expect_sound(&site);
            assert_int_equal(slabs_of(&site), 3 - turn); /* an empty slab goes at once */
        }
        site_close(&site);
    }
}

static void only_the_current_slab_is_kept_when_empty(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *blocks[3 * WINDOW], *other = ashlar_malloc(site.th, 48);
    take_many(&site, 1024, blocks, 3 * WINDOW);
    for (unsigned i = 0; i < 3 * WINDOW; i++) ashlar_free(site.th, blocks[i]);
    assert_int_equal(slabs_of(&site), 2);
    ashlar_free(site.th, other);
    assert_int_equal(slabs_of(&site), 2);
    ash_bin_drop_empty(ash_th_of(site.th), bin_of_size(site.th, 48));
    expect_sound(&site);
    assert_int_equal(slabs_of(&site), 1);
    ash_bins_drop_empty(ash_th_of(site.th));
    expect_sound(&site);
    assert_int_equal(slabs_of(&site), 0);
    assert_int_equal(site_stats(&site).slab_bytes, 0);
    other = ashlar_malloc(site.th, 48);
    ash_bins_drop_empty(ash_th_of(site.th)); /* a live block keeps its slab */
    assert_int_equal(slabs_of(&site), 1);
    ashlar_free(site.th, other);
    site_close(&site);
}

/* Blocks in windows that were ever allocated from: what a program has touched of its slabs. */
static uint64_t opened_blocks(const struct site *site) {
    uint64_t blocks = 0;
    for (uint64_t page = 0; page < site->heap->root.counts.committed; page++) {
        const struct ash_page *head = ash_page_at(site->heap, page);
        unsigned opened = head->opened_windows * (unsigned)WINDOW;
        if (head->kind == ASH_PAGE_SLAB)
            blocks += opened < head->block_count ? opened : head->block_count;
    }
    return blocks;
}

/* The old block goes back as by a free: into a full window, which is found again, and out of a slab
 * that it was the last of, which goes. */
static void realloc_frees_where_the_old_block_was(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static uint8_t *blocks[2 * SLAB_16];
    take_many(&site, 16, (void **)blocks, 2 * SLAB_16);
    assert_int_equal(slabs_of(&site), 2);
    for (unsigned i = 0; i < SLAB_16; i++) { /* the slab that is not the current one */
        const struct ash_page *page = page_of(&site, blocks[0]);
        *blocks[i] = (uint8_t)i;
        uint8_t *moved = ashlar_realloc(site.th, blocks[i], 17);
        assert_int_equal(*moved, (uint8_t)i);
        if (i % WINDOW == 0) assert_true((page->summary >> (i / WINDOW) & 1) != 0);
        if (i % WINDOW == 0 || i + 2 >= SLAB_16) expect_sound(&site);
        ashlar_free(site.th, moved);
    }
    assert_int_equal(slabs_of(&site), 2); /* of 32 bytes, and the one of 16 that is left */
    assert_int_equal(site_stats(&site).live_blocks, SLAB_16);
    site_close(&site);
}

/* The promise of bins.c, section 4: the memory in use grows by at most about an eighth over what is
 * live. Measured after 3 million steps: 1.07 to 1.08. */
static void churn_keeps_memory_near_what_is_live(void **state) {
    (void)state;
    enum { LIVE = 20000, STEPS = 400000 };
    static void *blocks[LIVE];
    static const size_t sizes[] = {16, 64, 208, 1024};
    for (unsigned s = 0; s < 4; s++) {
        struct site site;
        site_open(&site, (size_t)1 << 30, 1);
        take_many(&site, sizes[s], blocks, LIVE);
        for (unsigned step = 0; step < STEPS; step++) {
            uint64_t i = site_random(&site, LIVE);
            ashlar_free(site.th, blocks[i]);
            blocks[i] = ashlar_malloc(site.th, sizes[s]);
        }
        uint64_t opened = opened_blocks(&site);
        if (opened > LIVE * 9 / 8)
            fail_msg("%zu bytes: windows of %llu blocks opened for %d", sizes[s],
                     (unsigned long long)opened, LIVE);
        site_close(&site);
    }
}

/* A heap that is full cannot buy new windows, however poor the sweeps: the debt must stay bounded,
 * or it overflows after some 300 million refills. */
static void debt_stays_bounded_when_there_is_nothing_to_buy(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, MIB, 1);
    void *last = NULL, *next;
    while ((next = ashlar_malloc(site.th, 16)) != NULL) last = next;
    struct ash_bin *bin = bin_of_size(site.th, 16);
    bin->debt = (1 << 30) - 3;
    for (unsigned i = 0; i < 1000; i++) {
        ashlar_free(site.th, last);
        assert_ptr_equal(ashlar_malloc(site.th, 16), last);
        assert_true(bin->debt >= 0 && bin->debt <= 1 << 30);
    }
    expect_sound(&site);
    site_close(&site);
}

/* A bin in debt would rather buy a slab than go to one that waits; when there is none to buy, it
 * goes. */
static void a_full_heap_uses_what_waits_however_poor(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, MIB, 1);
    void *first = ashlar_malloc(site.th, 16);
    while (ashlar_malloc(site.th, 16) != NULL) continue;
    ashlar_free(site.th, first); /* queues its slab */
    bin_of_size(site.th, 16)->debt = 1 << 20;
    assert_ptr_equal(ashlar_malloc(site.th, 16), first);
    assert_null(ashlar_malloc(site.th, 16));
    site_close(&site);
}

/* Fills a heap with one class, frees in an order (0 up, 1 down, 2 random): all of it can then be
 * had as one span. */
static void exhaust(unsigned class_index, unsigned order) {
    static void *blocks[MIB / 16];
    struct site site;
    site_open_in(&site, MIB, 1);
    size_t bytes = ashlar_class_bytes(class_index), region = site_stats(&site).region_bytes;
    unsigned count = 0;
    while ((blocks[count] = ashlar_malloc(site.th, bytes)) != NULL) count++;
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(site_stats(&site).free_blocks, 0);
    assert_true(count * bytes * 2 >= region); /* 40 KiB blocks in slabs of one page waste most */
    expect_sound(&site);
    for (unsigned i = count - 1; order == 2 && i > 0; i--) {
        unsigned j = (unsigned)site_random(&site, i + 1);
        void *kept = blocks[i];
        blocks[i] = blocks[j];
        blocks[j] = kept;
    }
    for (unsigned i = 0; i < count; i++) {
        ashlar_free(site.th, blocks[order == 1 ? count - 1 - i : i]);
        if (i % 512 == 0) expect_sound(&site);
    }
    ashlar_trim(site.public_heap, site.th);
    expect_sound(&site);
    void *all = ashlar_malloc(site.th, region);
    assert_non_null(all);
    ashlar_free(site.th, all);
    site_close(&site);
}

static void a_full_heap_comes_back_whole(void **state) {
    (void)state;
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        for (unsigned order = 0; order < 3; order++) exhaust(class_index, order);
}

static void a_span_may_have_what_empty_slabs_keep(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, MIB, 1);
    size_t region = site_stats(&site).region_bytes;
    for (unsigned i = 0; i < 8; i++) ashlar_free(site.th, ashlar_malloc(site.th, 16 + 16 * i));
    assert_int_equal(slabs_of(&site), 8);
    void *all = ashlar_malloc(site.th, region);
    assert_non_null(all);
    ashlar_free(site.th, all);
    for (unsigned i = 0; i < 8; i++) ashlar_free(site.th, ashlar_malloc(site.th, 16 + 16 * i));
    void *most = ashlar_malloc(site.th, region - 8 * PAGE); /* and so may a slab of another class */
    assert_non_null(most);
    assert_non_null(ashlar_malloc(site.th, 1000));
    site_close(&site);
}

static void a_span_may_grow_over_what_empty_slabs_keep(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, MIB, 1);
    void *span = span_pages(&site, 2);
    for (unsigned i = 0; i < 8; i++) ashlar_free(site.th, ashlar_malloc(site.th, 16 + 16 * i));
    assert_int_equal(slabs_of(&site), 8);
    assert_ptr_equal(ashlar_realloc(site.th, span, site_stats(&site).region_bytes), span);
    assert_int_equal(slabs_of(&site), 0);
    site_close(&site);
}

/* Found by running clang: the last window of a slab of 112-byte blocks has 9. */
static void an_empty_slab_with_a_short_last_window_is_not_queued(void **state) {
    (void)state;
    enum { BYTES = 112, BLOCKS = 585 };
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *first[BLOCKS], *second[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) first[i] = ashlar_malloc(site.th, BYTES);
    for (unsigned i = 0; i < BLOCKS; i++) second[i] = ashlar_malloc(site.th, BYTES);
    assert_int_equal(slabs_of(&site), 2);
    ashlar_free(site.th, first[0]); /* queues it */
    for (unsigned i = 0; i < BLOCKS; i++) ashlar_free(site.th, second[i]);
    assert_non_null(ashlar_malloc(site.th, BYTES)); /* a refill */
    expect_sound(&site);
    site_close(&site);
}

/* The slab that a class's `number`th slab is. */
static const struct ash_page *nth_slab(struct site *site, size_t bytes, unsigned number) {
    const struct ash_page *head;
    do {
        head = page_of(site, ashlar_malloc(site->th, bytes));
    } while (bin_of_size(site->th, bytes)->slabs < number);
    return head->head;
}

static void the_first_slabs_of_a_class_are_short(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 1024 * MIB, 1);
    static const unsigned pages[] = {4, 16, 64, 64};
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        assert_int_equal(nth_slab(&site, 65536, i + 1)->slab_pages, pages[i]);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(nth_slab(&site, 16, i + 1)->slab_pages, 1);
    expect_sound(&site);
    site_close(&site);
}

static void small_heaps_make_short_slabs(void **state) {
    (void)state;
    static const struct {
        size_t region;
        unsigned pages;
    } rows[] = {{64, 2}, {128, 4}, {256, 8}, {512, 16}, {1024, 32}, {2048, 64}, {4096, 64}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct site site;
        size_t memory = (rows[i].region + 1) * (PAGE + ASH_BITMAP_STRIDE + 200) + 4 * PAGE;
        site_open_in(&site, memory, 1);
        assert_true(site.heap->root.region_pages >= rows[i].region &&
                    site.heap->root.region_pages < rows[i].region * 2);
        const struct ash_page *head = nth_slab(&site, 65536, 3);
        assert_int_equal(head->slab_pages, rows[i].pages);
        assert_int_equal(head->block_count, rows[i].pages);
        head = nth_slab(&site, 1025, 3);
        assert_int_equal(head->slab_pages, 2);
        site_close(&site);
    }
}

static void a_heap_short_of_pages_makes_shorter_slabs(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *all[128]; /* 128 spans of 8 pages: the whole region */
    for (unsigned i = 0; i < 128; i++) all[i] = span_pages(&site, 8);
    assert_null(ashlar_malloc(site.th, 60000));
    expect_sound(&site);
    ashlar_free(site.th, all[5]); /* 8 pages, where 3, then 14, then 56 are wanted */
    static const unsigned pages[] = {3, 3, 1, 1};
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++) {
        const struct ash_page *head = nth_slab(&site, 57600, i + 1);
        assert_int_equal(head->slab_pages, pages[i]);
        assert_int_equal(head->block_count, pages[i] * PAGE / 57600);
    }
    assert_null(ashlar_malloc(site.th, 57600));
    expect_sound(&site);
    site_close(&site);
}

/* With `live` blocks of a class at most, freed in no order: how far up its slab goes what was ever
 * handed out. */
static size_t reach_of_churn(struct site *site, size_t bytes, unsigned live) {
    char *blocks[16] = {NULL}, *start = NULL;
    size_t reach = 0;
    for (unsigned i = 0; i < 5000; i++) {
        unsigned slot = (unsigned)site_random(site, live);
        ashlar_free(site->th, blocks[slot]);
        blocks[slot] = ashlar_malloc(site->th, bytes);
        if (start == NULL) start = blocks[slot];
        size_t offset = (size_t)(blocks[slot] - start);
        if (offset > reach) reach = offset;
    }
    for (unsigned i = 0; i < live; i++) ashlar_free(site->th, blocks[i]);
    return reach + bytes;
}

static void a_class_with_few_blocks_touches_little(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    assert_in_range(reach_of_churn(&site, 1024, 1), 1024, 17 * 1024);
    assert_in_range(reach_of_churn(&site, 512, 8), 8 * 512, 24 * 512);
    assert_in_range(reach_of_churn(&site, 256, 16), 16 * 256, 48 * 256);
    expect_sound(&site);
    site_close(&site);
}

/* Twice the same: slabs of three classes, some of them an only one, made and given back in another
 * order each time. */
static void a_class_gets_its_pages_again(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static const size_t sizes[] = {1024, 768, 48};
    const void *before[3][3];
    for (unsigned turn = 0; turn < 2; turn++) {
        static void *blocks[3][3 * SLAB_16];
        for (unsigned c = 0; c < 3; c++) {
            unsigned at = turn == 0 ? c : 2 - c, slabs = at == 1 ? 1 : 3;
            unsigned count = slabs * (unsigned)(PAGE / sizes[at]);
            take_many(&site, sizes[at], blocks[at], count);
            for (unsigned i = 0; i < slabs; i++) {
                const void *head = page_of(&site, blocks[at][i * (PAGE / sizes[at])])->head;
                if (turn == 0) before[at][i] = head;
                bool again = false;
                for (unsigned j = 0; j < slabs; j++) again = again || head == before[at][j];
                assert_true(again);
            }
        }
        for (unsigned at = 0; at < 3; at++) {
            unsigned count = (at == 1 ? 1U : 3U) * (unsigned)(PAGE / sizes[at]);
            for (unsigned i = 0; i < count; i++) ashlar_free(site.th, blocks[at][i]);
        }
        ash_bins_drop_empty(ash_th_of(site.th));
        assert_int_equal(slabs_of(&site), 0);
        expect_sound(&site);
    }
    site_close(&site);
}

/* Pages that were never a slab's for a slab that may stay all but empty; else the lowest. */
static void an_only_slab_gets_untouched_pages(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    static void *blocks[3 * SLAB_16];
    take_many(&site, 16, blocks, 3 * SLAB_16);
    const struct ash_page *last = page_of(&site, blocks[3 * SLAB_16 - 1]);
    for (unsigned i = 0; i < 3 * SLAB_16; i++) ashlar_free(site.th, blocks[i]);
    ash_bins_drop_empty(ash_th_of(site.th));
    assert_int_equal(slabs_of(&site), 0);
    assert_ptr_equal(page_of(&site, ashlar_malloc(site.th, 48)), last + 1);
    site_close(&site);
}

static void further_slabs_get_the_lowest_pages(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    static void *blocks[SLAB_16];
    take_many(&site, 16, blocks, SLAB_16);
    void *low = span_pages(&site, 10);
    span_pages(&site, 2);
    void *fits_better = span_pages(&site, 2);
    span_pages(&site, 2);
    ashlar_free(site.th, low);
    ashlar_free(site.th, fits_better);
    assert_ptr_equal(ashlar_malloc(site.th, 16), low);
    expect_sound(&site);
    site_close(&site);
}

/* A class whose slabs have 21 pages, and a free run of 20, which is in the same bin of runs. */
static void a_run_that_is_a_page_short_is_no_slab(void **state) {
    (void)state;
    enum { BYTES = 20736, SHORT_SLABS = 3 + 15 };
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *blocks[SHORT_SLABS];
    take_many(&site, BYTES, blocks, SHORT_SLABS);
    assert_int_equal(slabs_of(&site), 2);
    void *low = span_pages(&site, 20), *high = span_pages(&site, 2);
    ashlar_free(site.th, low);
    void *block = ashlar_malloc(site.th, BYTES);
    assert_int_equal(page_of(&site, block)->slab_pages, 21);
    assert_true((uintptr_t)block > (uintptr_t)high);
    expect_sound(&site);
    site_close(&site);
}

/* A program that allocates now and then, after its peak: the clock moves by `step_ms` at each call.
 * Returns how many milliseconds it takes until the peak's pages are back at the system. */
static uint64_t time_to_give_back(struct site *site, uint64_t step_ms) {
    uint64_t start = site->os.clock_ms;
    while (site_stats(site).dirty_free_bytes > MIB) {
        site->os.clock_ms += step_ms;
        assert_true(site->os.clock_ms - start < 100000);
        ashlar_free(site->th, ashlar_malloc(site->th, 100));
    }
    return site->os.clock_ms - start;
}

static void rare_mallocs_give_a_peak_back(void **state) {
    (void)state;
    static const uint64_t steps[] = {1, 2, 10, 100};
    for (unsigned i = 0; i < 2 * sizeof steps / sizeof *steps; i++) {
        struct site site;
        site_open_plain(&site, 64 * MIB, 1);
        void *first = ashlar_malloc(site.th, 100);   /* a window full of candidates */
        if (i % 2 == 0) ashlar_free(site.th, first); /* else no slab goes back by the way */
        void *peak[32];
        for (unsigned j = 0; j < 32; j++) peak[j] = memset(span_pages(&site, 16), 1, 16 * PAGE);
        for (unsigned j = 0; j < 32; j++) ashlar_free(site.th, peak[j]);
        assert_in_range(site_stats(&site).dirty_free_bytes, 32 * MIB, 33 * MIB);
        assert_in_range(time_to_give_back(&site, steps[i / 2]), 500, 500 + 2 * 64 + 100);
        site_close(&site);
    }
}

/* The first pages that begin to wait have the clock looked at soon; others have nothing to add. */
static void only_the_first_to_wait_hastens_the_clock(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    struct ash_thread_heap *th = ash_th_of(site.th);
    void *first = span_pages(&site, 3), *wall = span_pages(&site, 2), *next = span_pages(&site, 3);
    th->pace = 500;
    ashlar_free(site.th, first);
    assert_int_equal(th->pace, 1);
    th->pace = 500;
    ashlar_free(site.th, next);
    assert_int_equal(th->pace, 500);
    ashlar_free(site.th, wall);
    site_close(&site);
    site_open(&site, 64 * MIB, 1); /* what is kept does not wait */
    th = ash_th_of(site.th);
    first = span_pages(&site, 3);
    th->pace = 500;
    ashlar_free(site.th, first);
    assert_int_equal(th->pace, 500);
    site_close(&site);
}

static void empty_current_slabs_go_back_after_a_decay(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 128 * MIB, 1);
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        ashlar_free(site.th, ashlar_malloc(site.th, ashlar_class_bytes(class_index)));
    assert_int_equal(slabs_of(&site), ASH_CLASS_COUNT);
    site.os.clock_ms += 500;
    void *kept = ashlar_malloc(site.th, 5000);
    for (unsigned i = 0; i < 2000; i++) ashlar_free(site.th, ashlar_malloc(site.th, 5000));
    assert_int_equal(slabs_of(&site), 1);
    expect_sound(&site);
    ashlar_free(site.th, kept);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_slab_is_served_from_its_start),
        cmocka_unit_test(a_sweep_visits_windows_in_ascending_order),
        cmocka_unit_test(a_window_that_is_free_enough_is_used_again),
        cmocka_unit_test(an_all_free_window_is_never_left),
        cmocka_unit_test(an_only_slab_grows_while_refills_are_poor),
        cmocka_unit_test(slabs_queue_first_in_first_out),
        cmocka_unit_test(slabs_leave_the_queue_from_any_place),
        cmocka_unit_test(only_the_current_slab_is_kept_when_empty),
        cmocka_unit_test(realloc_frees_where_the_old_block_was),
        cmocka_unit_test(churn_keeps_memory_near_what_is_live),
        cmocka_unit_test(debt_stays_bounded_when_there_is_nothing_to_buy),
        cmocka_unit_test(a_full_heap_uses_what_waits_however_poor),
        cmocka_unit_test(a_full_heap_comes_back_whole),
        cmocka_unit_test(a_span_may_have_what_empty_slabs_keep),
        cmocka_unit_test(a_span_may_grow_over_what_empty_slabs_keep),
        cmocka_unit_test(an_empty_slab_with_a_short_last_window_is_not_queued),
        cmocka_unit_test(the_first_slabs_of_a_class_are_short),
        cmocka_unit_test(small_heaps_make_short_slabs),
        cmocka_unit_test(a_heap_short_of_pages_makes_shorter_slabs),
        cmocka_unit_test(a_class_with_few_blocks_touches_little),
        cmocka_unit_test(a_class_gets_its_pages_again),
        cmocka_unit_test(an_only_slab_gets_untouched_pages),
        cmocka_unit_test(further_slabs_get_the_lowest_pages),
        cmocka_unit_test(a_run_that_is_a_page_short_is_no_slab),
        cmocka_unit_test(rare_mallocs_give_a_peak_back),
        cmocka_unit_test(only_the_first_to_wait_hastens_the_clock),
        cmocka_unit_test(empty_current_slabs_go_back_after_a_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
