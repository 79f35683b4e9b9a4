/* The check of one address: finds what is wrong with the slab, span or free run there and with its
 * places in its lists; says nothing of what lies elsewhere; takes any address. */
#include "fixture.h"

#include <stdlib.h>

static struct ash_page *slab_at(struct rich *r, enum ash_slab_place place) {
    return find_slab(r, 0, place, 1);
}
static struct ash_page *run_at(struct rich *r) {
    struct ash_page *run = ash_page_at(r->heap, r->heap->runs.heads[3] - 1);
    assert_true(run->run.bin_next != 0 && run->run.dirty_pages != 0);
    return run;
}
static struct ash_page *linked(struct rich *r, uint32_t link) {
    assert_true(link != 0);
    return ash_page_at(r->heap, link - 1);
}

static struct ash_page *kind_unknown(struct rich *r) {
    struct ash_page *page = find_span(r, 3);
    page->kind = ASH_PAGE_KIND_COUNT;
    return page;
}
static struct ash_page *length_none(struct rich *r) {
    run_at(r)[2].pages = 0;
    return run_at(r) + 2;
}
static struct ash_page *length_short(struct rich *r) {
    /* The last page says that the run starts later than it does. */
    run_at(r)[2].pages = 2;
    return run_at(r) + 2;
}
static struct ash_page *body_far(struct rich *r) {
    struct ash_page *head = find_slab(r, 23, ASH_SLAB_CURRENT, 1);
    head[1].page_offset_bytes = UINT32_MAX;
    return head + 1;
}
static struct ash_page *body_near(struct rich *r) {
    struct ash_page *head = find_slab(r, 23, ASH_SLAB_CURRENT, 1);
    head->slab_pages = 1; /* its second page is none of it */
    return head + 1;
}
static struct ash_page *queue_back(struct rich *r) {
    struct ash_page *slab = slab_at(r, ASH_SLAB_QUEUED);
    slab->previous = slab->previous == 0 ? UINT32_MAX : 0;
    return slab;
}
static struct ash_page *queue_forth(struct rich *r) {
    struct ash_page *slab = linked(r, thread_of(r, 1)->bins[0].queue_head);
    linked(r, slab->next)->previous = 0;
    return slab;
}
static struct ash_page *queue_wild(struct rich *r) {
    struct ash_page *slab = linked(r, thread_of(r, 1)->bins[0].queue_tail);
    slab->next = UINT32_MAX;
    return slab;
}
static struct ash_page *bin_window(struct rich *r) {
    thread_of(r, 1)->bins[0].window ^= 16;
    return slab_at(r, ASH_SLAB_FULL);
}
static struct ash_page *bin_slabs(struct rich *r) {
    thread_of(r, 1)->bins[0].slabs = 0;
    return slab_at(r, ASH_SLAB_FULL);
}
static struct ash_page *slab_owner(struct rich *r) {
    struct ash_page *slab = slab_at(r, ASH_SLAB_FULL);
    slab->owner = NULL;
    return slab;
}
static struct ash_page *span_size(struct rich *r) {
    find_span(r, 3)->span.requested_bytes = 1;
    return find_span(r, 3);
}
static struct ash_page *span_clean(struct rich *r) {
    uint64_t page = ash_page_number(r->heap, find_span(r, 3));
    ash_dirty_words(r->heap)[page / 64] &= ~((uint64_t)1 << (page % 64));
    return find_span(r, 3);
}
static struct ash_page *run_back(struct rich *r) {
    struct ash_page *second = linked(r, run_at(r)->run.bin_next);
    run_at(r)->run.bin_next = link_of(r, run_at(r));
    return second;
}
static struct ash_page *run_first(struct rich *r) {
    struct ash_page *run = run_at(r);
    r->heap->runs.heads[3] = 0;
    return run;
}
static struct ash_page *run_forth(struct rich *r) {
    linked(r, run_at(r)->run.bin_next)->run.bin_previous = 0;
    return run_at(r);
}
static struct ash_page *run_wild(struct rich *r) {
    struct ash_page *run = linked(r, run_at(r)->run.bin_next);
    run->run.bin_previous = UINT32_MAX;
    return run;
}
static struct ash_page *run_wild_next(struct rich *r) {
    run_at(r)->run.bin_next = UINT32_MAX;
    return run_at(r);
}
static struct ash_page *dirty_first(struct rich *r) {
    struct ash_page *run = linked(r, r->heap->runs.dirty_head);
    r->heap->runs.dirty_head = run->run.dirty_next;
    return run;
}
static struct ash_page *dirty_last(struct rich *r) {
    struct ash_page *run = linked(r, r->heap->runs.dirty_tail);
    r->heap->runs.dirty_tail = run->run.dirty_previous;
    return run;
}
static struct ash_page *dirty_wild(struct rich *r) {
    struct ash_page *run = linked(r, r->heap->runs.dirty_tail);
    run->run.dirty_previous = UINT32_MAX;
    return run;
}
static struct ash_page *dirty_wild_next(struct rich *r) {
    struct ash_page *run = linked(r, r->heap->runs.dirty_head);
    run->run.dirty_next = UINT32_MAX;
    return run;
}
static struct ash_page *sum(struct rich *r) {
    r->heap->root.counts.slab++;
    return slab_at(r, ASH_SLAB_FULL);
}

static const struct plant {
    const char *name;
    struct ash_page *(*plant)(struct rich *rich);
    enum ashlar_finding_code code;
} plants[] = {
#define PLANT(name, code)                                                                          \
    { #name, name, ASHLAR_##code }
    PLANT(kind_unknown, PAGE_KIND),  PLANT(length_none, PAGE_LENGTH),
    PLANT(length_short, PAGE_KIND),  PLANT(body_far, PAGE_KIND),
    PLANT(body_near, PAGE_HEAD),     PLANT(queue_back, QUEUE_LINKS),
    PLANT(queue_forth, QUEUE_LINKS), PLANT(queue_wild, QUEUE_LINKS),
    PLANT(bin_window, BIN_WINDOW),   PLANT(bin_slabs, BIN_SLABS),
    PLANT(slab_owner, SLAB_OWNER),   PLANT(span_size, SPAN_REQUESTED),
    PLANT(span_clean, DIRTY_LIVE),   PLANT(run_back, RUN_LINKS),
    PLANT(run_first, RUN_LINKS),     PLANT(run_forth, RUN_LINKS),
    PLANT(run_wild, RUN_LINKS),      PLANT(run_wild_next, RUN_LINKS),
    PLANT(dirty_first, DIRTY_LINKS), PLANT(dirty_last, DIRTY_LINKS),
    PLANT(dirty_wild, DIRTY_LINKS),  PLANT(dirty_wild_next, DIRTY_LINKS),
    PLANT(sum, COUNT_SUM),
};
enum { PLANT_COUNT = sizeof plants / sizeof plants[0] };

static void test_plant(void **state) {
    const struct plant *plant = (const struct plant *)*state;
    struct rich *rich = malloc(sizeof *rich);
    struct ashlar_check_report report;
    struct seen seen = {0};
    rich_make(rich, 0);
    const struct ash_page *page = plant->plant(rich);
    uintptr_t address =
        (uintptr_t)ash_page_address(rich->heap, ash_page_number(rich->heap, page)) + 77;
    ashlar_check_touched(rich->public_heap, address, seen_add, &seen, &report);
    if (seen.count != 1 || seen.findings[0].code != plant->code) seen_print(&seen);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.findings[0].code, plant->code);
    /* Elsewhere it is not seen, but for what the counts say. */
    uintptr_t elsewhere = (uintptr_t)rich->heap->root.region_base - 1;
    enum ashlar_verdict verdict =
        ashlar_check_touched(rich->public_heap, elsewhere, NULL, NULL, &report);
    assert_int_equal(verdict, plant->code == ASHLAR_COUNT_SUM ? ASHLAR_CORRUPT : ASHLAR_SOUND);
    rich_drop(rich);
    free(rich);
}

static void test_any_address(void **state) {
    (void)state;
    struct rich *rich = malloc(sizeof *rich);
    rich_make(rich, 0);
    const struct ash_root *root = &rich->heap->root;
    const uint64_t last = root->region_base + (root->region_pages << ASH_PAGE_SHIFT);
    const uint64_t addresses[] = {0,
                                  1,
                                  UINT64_MAX,
                                  root->region_base - 1,
                                  last,
                                  last - 1,
                                  root->self,
                                  root->pages,
                                  root->region_base + (root->counts.committed << ASH_PAGE_SHIFT)};
    struct ashlar_check_report report;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        enum ashlar_verdict verdict =
            ashlar_check_touched(rich->public_heap, (uintptr_t)addresses[i], NULL, NULL, &report);
        assert_int_equal(verdict, ASHLAR_SOUND);
        assert_int_equal(report.pages_checked, 0);
    }
    for (uint64_t page = 0; page < root->counts.committed; page++)
        assert_int_equal(ashlar_check_touched(rich->public_heap,
                                              (uintptr_t)ash_page_address(rich->heap, page), NULL,
                                              NULL, &report),
                         ASHLAR_SOUND);
    rich_drop(rich);
    free(rich);
}

int main(void) {
    struct CMUnitTest tests[PLANT_COUNT + 1] = {cmocka_unit_test(test_any_address)};
    for (size_t i = 0; i < PLANT_COUNT; i++)
        tests[i + 1] = (struct CMUnitTest){.name = plants[i].name,
                                           .test_func = test_plant,
                                           .initial_state = (void *)(uintptr_t)&plants[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
