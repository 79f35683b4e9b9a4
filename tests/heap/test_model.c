/* Random operations beside a model: what walk, find and the statistics say is what the caller
 * knows, and no block is ever anybody else's. */
#include "heap/classes.h"

#include "support.h"

#include <stdlib.h>

enum { SLOTS = 400, STEPS = 30000, LOOK_EVERY = 250 };

struct known {
    uint8_t *block;
    size_t bytes;
    uint64_t seed;
};

struct model {
    struct site site;
    struct known slots[SLOTS];
    size_t live, live_bytes;
};

static size_t model_bytes(struct model *model) {
    uint64_t kind = site_random(&model->site, 100);
    if (kind < 60) return site_random(&model->site, 600);
    if (kind < 90) return site_random(&model->site, 20000);
    return site_random(&model->site, 400000);
}

static size_t pattern_bytes(const struct known *known) {
    return known->bytes < 200 ? known->bytes : 200;
}

static void model_put(struct model *model, struct known *known, void *block, size_t bytes) {
    struct ashlar_thread_heap *th = model->site.th;
    *known = (struct known){block, bytes, site_random(&model->site, UINT32_MAX)};
    model->live++;
    model->live_bytes += ashlar_usable_size(th, block);
    fill(block, pattern_bytes(known), known->seed);
}

static void model_take(struct model *model, struct known *known) {
    assert_true(holds(known->block, pattern_bytes(known), known->seed));
    model->live--;
    model->live_bytes -= ashlar_usable_size(model->site.th, known->block);
}

static void model_step(struct model *model) {
    struct site *site = &model->site;
    struct known *known = &model->slots[site_random(site, SLOTS)];
    struct ashlar_thread_heap *th = site->threads[site_random(site, 3)];
    size_t bytes = model_bytes(model);
    if (known->block == NULL) {
        uint64_t how = site_random(site, 4);
        void *block = how == 0 ? ashlar_calloc(th, 1, bytes)
                      : how == 1
                          ? ashlar_aligned_alloc(th, (size_t)16 << site_random(site, 14), bytes)
                          : ashlar_malloc(th, bytes);
        if (block != NULL) model_put(model, known, block, bytes);
    } else if (site_random(site, 4) == 0 && bytes > 0) {
        struct known before = *known;
        model_take(model, known);
        void *block = ashlar_realloc(th, known->block, bytes);
        bool moved = block != NULL;
        size_t kept = pattern_bytes(&before) < bytes ? pattern_bytes(&before) : bytes;
        assert_true(holds(moved ? block : before.block, moved ? kept : pattern_bytes(&before),
                          before.seed));
        model_put(model, known, moved ? block : before.block, moved ? bytes : before.bytes);
    } else {
        model_take(model, known);
        ashlar_free(th, known->block);
        known->block = NULL;
    }
}

/* Gathers what a walk sees. */
struct walked {
    const struct site *site;
    uintptr_t end; /* of the last block: they come in order, and do not overlap */
    size_t counts[3], live_bytes, stop_after;
    uintptr_t live[SLOTS + 1];
};

static bool visit(void *context, const struct ashlar_block *block) {
    struct walked *walked = context;
    assert_true(block->address >= walked->end);
    walked->end = block->address + block->bytes;
    struct ashlar_block found;
    uintptr_t inside = block->address + block->bytes / 3;
    assert_true(ashlar_heap_find(walked->site->public_heap, inside, &found));
    assert_int_equal(found.address, block->address);
    assert_int_equal(found.bytes, block->bytes);
    assert_int_equal(found.state, block->state);
    assert_int_equal(found.span, block->span);
    assert_int_equal(found.class_index, block->class_index);
    assert_int_equal(found.page, block->page);
    assert_int_equal(found.index, block->index);
    assert_int_equal(found.owner, block->owner);
    if (block->span)
        assert_int_equal(block->class_index, ASH_CLASS_COUNT);
    else
        assert_int_equal(block->bytes, ashlar_class_bytes(block->class_index));
    if (block->state == ASHLAR_BLOCK_LIVE) {
        assert_true(walked->counts[ASHLAR_BLOCK_LIVE] < SLOTS);
        walked->live[walked->counts[ASHLAR_BLOCK_LIVE]] = block->address;
        walked->live_bytes += block->bytes;
    }
    walked->counts[block->state]++;
    return --walked->stop_after > 0;
}

static int by_address(const void *left, const void *right) {
    uintptr_t a = *(const uintptr_t *)left, b = *(const uintptr_t *)right;
    return a < b ? -1 : a > b;
}

static void model_look(struct model *model) {
    struct walked walked = {.site = &model->site, .stop_after = SIZE_MAX};
    ashlar_heap_walk(model->site.public_heap, visit, &walked);
    uintptr_t live[SLOTS];
    size_t count = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (model->slots[slot].block != NULL) live[count++] = (uintptr_t)model->slots[slot].block;
    assert_int_equal(count, model->live);
    assert_int_equal(walked.counts[ASHLAR_BLOCK_LIVE], count);
    qsort(live, count, sizeof live[0], by_address);
    assert_memory_equal(live, walked.live, count * sizeof live[0]);
    struct ashlar_heap_stats stats = site_stats(&model->site);
    assert_int_equal(stats.live_blocks, count);
    assert_int_equal(stats.live_bytes, model->live_bytes);
    assert_int_equal(walked.live_bytes, model->live_bytes);
    assert_int_equal(stats.free_blocks, walked.counts[ASHLAR_BLOCK_FREE]);
    assert_int_equal(stats.remote_blocks, walked.counts[ASHLAR_BLOCK_REMOTE]);
    assert_int_equal(stats.slab_bytes + stats.span_bytes + stats.free_bytes, stats.committed_bytes);
    assert_true(stats.dirty_free_bytes <= stats.free_bytes);
    assert_int_equal(expect_sound(&model->site).live_blocks, count);
}

static void run_model(size_t region_bytes, size_t memory_bytes) {
    static struct model model;
    model = (struct model){0};
    if (memory_bytes > 0)
        site_open_in(&model.site, memory_bytes, 3);
    else
        site_open(&model.site, region_bytes, 3);
    for (unsigned step = 0; step < STEPS; step++) {
        model_step(&model);
        if (step % LOOK_EVERY == 0) model_look(&model);
        if (step % 1000 == 0) model.site.os.clock_ms += 300;
        if (step % 5000 == 0) ashlar_trim(model.site.public_heap, model.site.threads[1]);
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (model.slots[slot].block == NULL) continue;
        model_take(&model, &model.slots[slot]);
        ashlar_free(model.site.threads[slot % 3], model.slots[slot].block);
        model.slots[slot].block = NULL;
    }
    model_look(&model);
    for (unsigned i = 0; i < 3; i++) ashlar_trim(model.site.public_heap, model.site.threads[i]);
    assert_int_equal(site_stats(&model.site).free_bytes, site_stats(&model.site).committed_bytes);
    site_close(&model.site);
}

static void a_large_heap_is_what_its_caller_knows(void **state) {
    (void)state;
    run_model((size_t)1 << 30, 0);
}

static void a_heap_that_runs_out_is_too(void **state) {
    (void)state;
    run_model(0, 4 * MIB);
    run_model(0, MIB);
}

static void a_walk_stops_when_it_is_told(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < 30; i++) ashlar_malloc(site.th, i * 5000);
    struct walked walked = {.site = &site, .stop_after = 7};
    ashlar_heap_walk(site.public_heap, visit, &walked);
    assert_int_equal(walked.counts[0] + walked.counts[1] + walked.counts[2], 7);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_heap_is_what_its_caller_knows),
        cmocka_unit_test(a_heap_that_runs_out_is_too),
        cmocka_unit_test(a_walk_stops_when_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
