/* The commands' decoder of a heap: agrees with the heap's own walk, and survives any metadata.
 *
 * A decoder that trusts one field would crash exactly when it is needed. So random damage is done
 * to everything that it reads, many times over, and each time it has to end, to account for every
 * page, and to give blocks that lie in their pages.
 */
#include "guarded.h"
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { HEAP_BYTES = 4 << 20, BLOCKS = 600, ROUNDS = 4000 };

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct world {
    void *memory;
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *one, *two;
};

static void make_world(struct world *world, uint64_t seed) {
    static const size_t sizes[] = {8, 16, 100, 1000, 5000, 40000, 70000, 200000};
    void *blocks[BLOCKS] = {0};
    world->memory = malloc(HEAP_BYTES);
    assert_non_null(world->memory);
    assert_int_equal(ashlar_heap_create_in(world->memory, HEAP_BYTES, NULL, &world->heap),
                     ASHLAR_OK);
    assert_int_equal(ashlar_thread_heap_acquire(world->heap, &world->one), ASHLAR_OK);
    assert_int_equal(ashlar_thread_heap_acquire(world->heap, &world->two), ASHLAR_OK);
    for (int i = 0; i < BLOCKS; i++) {
        size_t bytes = sizes[next_random(&seed) % (sizeof sizes / sizeof sizes[0])];
        blocks[i] = ashlar_malloc(i % 3 == 0 ? world->two : world->one, bytes);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (next_random(&seed) % 2 == 0) ashlar_free(world->one, blocks[i]);
    }
}

static void end_world(struct world *world) {
    ashlar_heap_destroy(world->heap);
    free(world->memory);
}

/* Each block of the walk is the view's next one. */
struct follow {
    struct ash_view view;
    struct ash_piece piece;
    uint32_t index;
    uint64_t seen;
};

static bool follow(void *context, const struct ashlar_block *block) {
    struct follow *it = context;
    struct ash_view_block mine;
    while (it->index >= it->piece.blocks) {
        uint64_t next = it->piece.page + it->piece.pages;
        assert_true(ash_view_piece(&it->view, next, &it->piece));
        it->index = 0;
    }
    ash_view_block_at(&it->piece, it->index++, &mine);
    assert_int_equal(mine.address, block->address);
    assert_int_equal(mine.bytes, block->bytes);
    assert_int_equal(mine.state, block->state);
    assert_int_equal(mine.page, block->page);
    assert_int_equal(mine.owner, block->owner);
    assert_int_equal(mine.span, block->span);
    if (!block->span) assert_int_equal(mine.index, block->index);
    it->seen++;
    return true;
}

static void agrees_with_the_walk(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        struct follow it = {0};
        make_world(&world, seed);
        ash_guarded_reset();
        assert_true(ash_view_open(&it.view, &ash_guarded_reader, ashlar_heap_root(world.heap)));
        assert_true(ash_view_piece(&it.view, 0, &it.piece));
        ashlar_heap_walk(world.heap, follow, &it);
        struct ashlar_heap_stats stats;
        ashlar_heap_get_stats(world.heap, &stats);
        assert_int_equal(it.seen, stats.live_blocks + stats.free_blocks + stats.remote_blocks);
        assert_true(stats.remote_blocks > 0);
        while (it.piece.page + it.piece.pages < it.view.pages) {
            assert_true(ash_view_piece(&it.view, it.piece.page + it.piece.pages, &it.piece));
            assert_int_equal(it.piece.blocks, 0); /* no block that the walk did not show */
        }
        end_world(&world);
    }
}

static void neighbours_are_neighbours(void **state) {
    (void)state;
    struct world world;
    struct ash_view view;
    struct ash_view_block block, before, after;
    make_world(&world, 99);
    ash_guarded_reset();
    assert_true(ash_view_open(&view, &ash_guarded_reader, ashlar_heap_root(world.heap)));
    struct ash_piece piece;
    uint64_t inner = 0;
    for (uint64_t page = 0; ash_view_piece(&view, page, &piece); page += piece.pages) {
        for (uint32_t i = 0; i < piece.blocks; i += 7) {
            uint64_t address = piece.address + i * piece.block_bytes;
            assert_true(ash_view_block_of(&view, address + piece.block_bytes - 1, &block));
            assert_int_equal(block.address, address);
            if (i == 0 || i + 1 >= piece.blocks) continue;
            assert_true(ash_view_block_before(&view, &block, &before));
            assert_true(ash_view_block_after(&view, &block, &after));
            assert_int_equal(before.address + before.bytes, block.address);
            assert_int_equal(block.address + block.bytes, after.address);
            inner++;
        }
    }
    assert_true(inner > 100);
    assert_false(ash_view_block_of(&view, 0, &block));
    assert_false(ash_view_block_of(&view, view.root.region_base - 1, &block));
    assert_false(ash_view_block_of(&view, UINT64_MAX, &block));
    end_world(&world);
}

static void walk_all(const struct ash_view *view) {
    struct ash_piece piece;
    struct ash_view_block block, other;
    uint64_t pages = 0;
    for (uint64_t page = 0; ash_view_piece(view, page, &piece); page += piece.pages) {
        assert_true(piece.pages > 0);
        pages += piece.pages;
        assert_true((uint64_t)piece.live + piece.free + piece.remote == piece.blocks);
        assert_true(piece.blocks * piece.block_bytes <= piece.pages << ASH_PAGE_SHIFT);
        if (piece.blocks == 0) continue;
        ash_view_block_at(&piece, piece.blocks - 1, &block);
        assert_true(block.address + block.bytes <= piece.address + (piece.pages << ASH_PAGE_SHIFT));
        ash_view_block_before(view, &block, &other);
        ash_view_block_after(view, &block, &other);
    }
    assert_int_equal(pages, view->pages);
}

static void survives_damage(void **state) {
    (void)state;
    struct world world;
    uint64_t seed = 4711;
    make_world(&world, seed);
    ash_guarded_reset();
    struct ash_view view;
    assert_true(ash_view_open(&view, &ash_guarded_reader, ashlar_heap_root(world.heap)));
    uint8_t *metadata = (uint8_t *)view.root.metadata; /* NOLINT(performance-no-int-to-ptr) */
    size_t bytes = view.root.metadata_bytes;
    uint8_t *saved = malloc(bytes);
    assert_non_null(saved);
    memcpy(saved, metadata, bytes);
    uint64_t opened = 0, refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned hits = 1 + (unsigned)(next_random(&seed) % 40);
        for (unsigned i = 0; i < hits; i++) {
            /* descriptors and bitmaps mostly; the root every now and then */
            size_t at = (size_t)(next_random(&seed) % bytes);
            if (round % 16 != 0 && at < sizeof(struct ash_root) + 4096) at = bytes - 1 - at;
            metadata[at] = (uint8_t)next_random(&seed);
        }
        ash_guarded_reset();
        if (ash_view_open(&view, &ash_guarded_reader, ashlar_heap_root(world.heap))) {
            opened++;
            walk_all(&view);
        } else {
            refused++;
            assert_int_equal(view.pages, 0);
        }
        memcpy(metadata, saved, bytes);
    }
    assert_true(opened > ROUNDS / 2);
    assert_true(refused > 0);
    free(saved);
    end_world(&world);
}

static void unreadable_is_an_answer(void **state) {
    (void)state;
    struct ash_view view;
    uint8_t scratch[64];
    assert_false(ash_view_open(&view, &ash_guarded_reader, 0));
    assert_false(ash_view_open(&view, &ash_guarded_reader, 4096));
    assert_false(ash_view_open(&view, &ash_guarded_reader, UINT64_MAX - 8));
    void *hole = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(hole != MAP_FAILED);
    ash_guarded_reset();
    uint64_t address = (uint64_t)(uintptr_t)hole;
    assert_null(ash_guarded_reader.view(NULL, address, sizeof scratch, scratch));
    assert_false(ash_view_open(&view, &ash_guarded_reader, address));
    munmap(hole, 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_walk),
        cmocka_unit_test(neighbours_are_neighbours),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(unreadable_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
