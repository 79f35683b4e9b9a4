/* Misuse by the caller: each kind, with exactly what the handler is told, that it has no effect,
 * and that without a handler the process ends with one line. */
#include "heap/locate.h"

#include "../os/last_words.h"
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int global_variable[8];

/* Every operation that takes a block. */
static void misuse_by(struct site *site, unsigned operation, void *block) {
    switch (operation) {
    case 0:
        ashlar_free(site->th, block);
        break;
    case 1:
        ashlar_free_sized(site->th, block, 32);
        break;
    case 2:
        errno = 0;
        assert_null(ashlar_realloc(site->th, block, 50));
        assert_int_equal(errno, EINVAL);
        break;
    case 3:
        errno = 0;
        assert_null(ashlar_realloc(site->th, block, 0));
        assert_int_equal(errno, EINVAL);
        break;
    default:
        assert_int_equal(ashlar_usable_size(site->th, block), 0);
    }
}

static const char *const operations[] = {"free", "free_sized", "realloc", "realloc", "usable_size"};
enum { OPERATIONS = 5 };

/* Every operation on the pointer is this misuse, and leaves the heap as it was. */
static void expect_each(struct site *site, void *pointer, enum ashlar_finding_code code,
                        const void *block, size_t bytes) {
    for (unsigned operation = 0; operation < OPERATIONS; operation++) {
        struct ashlar_heap_stats before = site_stats(site);
        misuse_by(site, operation, pointer);
        expect_misuse(site, code, operations[operation], pointer, block, bytes);
        assert_int_equal(site->misuse.thread_heap, 1);
        assert_int_equal(site->misuse.claimed_bytes, 0);
        struct ashlar_heap_stats after = site_stats(site);
        assert_memory_equal(&before, &after, sizeof before);
        expect_sound(site);
    }
}

static void a_free_block_freed_again(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t bytes = ashlar_class_bytes(i);
        void *kept = ashlar_malloc(site.th, bytes), *block = ashlar_malloc(site.th, bytes);
        ashlar_free(site.th, block);
        expect_each(&site, block, ASHLAR_MISUSE_DOUBLE_FREE, block, bytes);
        ashlar_free(site.th, kept);
    }
    site_close(&site);
}

static void what_went_back_whole_freed_again(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    void *span = ashlar_malloc(site.th, 300000), *small = ashlar_malloc(site.th, 40);
    ashlar_free(site.th, span);
    expect_each(&site, span, ASHLAR_MISUSE_DOUBLE_FREE, NULL, 0);
    expect_each(&site, (uint8_t *)span + PAGE + 1, ASHLAR_MISUSE_DOUBLE_FREE, NULL, 0);
    ashlar_free(site.th, small);
    ashlar_trim(site.public_heap, site.th);
    expect_each(&site, small, ASHLAR_MISUSE_DOUBLE_FREE, NULL, 0);
    site_close(&site);
}

static void pointers_into_blocks(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t bytes = ashlar_class_bytes(i);
        uint8_t *block = ashlar_malloc(site.th, bytes);
        const size_t offsets[] = {1, 8, bytes / 2, bytes - 1};
        for (unsigned j = 0; j < 4; j++)
            expect_each(&site, block + offsets[j], ASHLAR_MISUSE_INTERIOR, block, bytes);
        ashlar_free(site.th, block);
        /* of a free one too: it is the worse of two mistakes */
        ashlar_free(site.th, block + 1);
        assert_int_equal(site.misuse.code, ASHLAR_MISUSE_INTERIOR);
        site.misuses = 0;
    }
    uint8_t *span = ashlar_malloc(site.th, 3 * PAGE);
    const size_t offsets[] = {1, 16, PAGE - 1, PAGE, 2 * PAGE + 5, 3 * PAGE - 1};
    for (unsigned j = 0; j < 6; j++)
        expect_each(&site, span + offsets[j], ASHLAR_MISUSE_INTERIOR, span, 3 * PAGE);
    ashlar_free(site.th, span);
    site_close(&site);
}

static void behind_the_last_block_of_a_slab(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    unsigned with_waste = 0;
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t bytes = ashlar_class_bytes(i);
        uint8_t *first = ashlar_malloc(site.th, bytes);
        const struct ash_page *head = page_of(&site, first);
        size_t used = head->block_count * bytes, whole = head->slab_pages * PAGE;
        if (used < whole) {
            with_waste++;
            expect_each(&site, first + used, ASHLAR_MISUSE_INTERIOR, NULL, 0);
            expect_each(&site, first + whole - 1, ASHLAR_MISUSE_INTERIOR, NULL, 0);
        }
        ashlar_free(site.th, first);
        ashlar_trim(site.public_heap, site.th);
    }
    assert_true(with_waste > 10);
    site_close(&site);
}

static void pointers_that_are_not_ours(void **state) {
    (void)state;
    struct site site, other;
    site_open(&site, 64 * MIB, 1);
    site_open(&other, 64 * MIB, 1);
    void *used = ashlar_malloc(site.th, 10);
    int local = 0;
    void *system_block = malloc(10);
    uint8_t *base = (uint8_t *)site.heap->root.region_base;
    uint64_t committed = site.heap->root.counts.committed;
    void *const foreign[] = {
        &local,
        global_variable,
        system_block,
        ashlar_malloc(other.th, 10),
        base - 1,
        base + committed * PAGE, /* behind the frontier: no access */
        base + 64 * MIB - 16,
        base + 64 * MIB,
        (void *)site.heap, /* the bookkeeping */
        (void *)site.heap->root.pages,
        (void *)site.heap->root.metadata, /* its guard */
        (void *)1,
        (void *)UINTPTR_MAX,
        (void *)(UINTPTR_MAX / 2),
    };
    for (unsigned i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        expect_each(&site, foreign[i], ASHLAR_MISUSE_FOREIGN, NULL, 0);
    ashlar_free(site.th, used);
    free(system_block);
    site_close(&other);
    site_close(&site);
}

static void locate_and_find_agree_everywhere(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (size_t bytes = 100; bytes < 200000; bytes = bytes * 7 / 3) ashlar_malloc(site.th, bytes);
    ashlar_free(site.th, ashlar_malloc(site.th, 140000));
    uint64_t base = site.heap->root.region_base, end = site.heap->root.counts.committed * PAGE;
    unsigned found = 0;
    for (uint64_t offset = 0; offset < end + PAGE; offset += 97) {
        struct ash_located located = ash_locate(site.heap, base + offset);
        struct ashlar_block block;
        bool has = ashlar_heap_find(site.public_heap, base + offset, &block);
        assert_int_equal(has, located.place == ASH_AT_BLOCK || located.place == ASH_AT_SPAN);
        if (!has) continue;
        found++;
        assert_int_equal(block.address, located.start);
        assert_in_range(base + offset, block.address, block.address + block.bytes - 1);
        assert_int_equal(block.state, located.state);
        assert_int_equal(block.span, located.place == ASH_AT_SPAN);
    }
    assert_true(found > 1000);
    site_close(&site);
}

/* Deaths. */

enum death {
    DOUBLE_FREE,
    INTERIOR,
    BEHIND_LAST,
    STACK,
    GLOBAL,
    BEYOND_FRONTIER,
    GUARD,
    SIZED,
    MEASURED,
    RESIZED,
    DEATHS
};

/* What a death's line is made of; the child tells its addresses through `told`. */
struct told {
    uint64_t address, block;
};

static void die(enum death death, int told_fd) {
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *th;
    if (ashlar_heap_create(NULL, &heap) != ASHLAR_OK) _exit(1);
    if (ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) _exit(1);
    const struct ash_root *root = &ash_heap_of(heap)->root;
    uint8_t *block = ashlar_malloc(th, 100); /* of 112 bytes; 585 in a slab of one page */
    uint8_t *kept = ashlar_malloc(th, 100);
    if (block == NULL || kept == NULL) _exit(1);
    int local = 0;
    uint8_t *const pointers[DEATHS] = {block,
                                       block + 8,
                                       block + 585 * 112,
                                       (uint8_t *)&local,
                                       (uint8_t *)global_variable,
                                       (uint8_t *)root->region_base + root->counts.committed * PAGE,
                                       (uint8_t *)root->metadata,
                                       block,
                                       block,
                                       block + 1};
    struct told told = {(uintptr_t)pointers[death], (uintptr_t)block};
    if (write(told_fd, &told, sizeof told) != sizeof told) _exit(2);
    if (death == DOUBLE_FREE || death == MEASURED) ashlar_free(th, block);
    if (death == SIZED)
        ashlar_free_sized(th, block, 200);
    else if (death == MEASURED)
        ashlar_usable_size(th, block);
    else if (death == RESIZED)
        ashlar_realloc(th, block + 1, 1000);
    else
        ashlar_free(th, pointers[death]);
    _exit(3); /* it survived */
}

static void expected_line(enum death death, const struct told *told, char *out, size_t bytes) {
    static const struct {
        enum ashlar_finding_code code;
        const char *operation;
        bool block;
    } rows[DEATHS] = {
        [DOUBLE_FREE] = {ASHLAR_MISUSE_DOUBLE_FREE, "free", true},
        [INTERIOR] = {ASHLAR_MISUSE_INTERIOR, "free", true},
        [BEHIND_LAST] = {ASHLAR_MISUSE_INTERIOR, "free", false},
        [STACK] = {ASHLAR_MISUSE_FOREIGN, "free", false},
        [GLOBAL] = {ASHLAR_MISUSE_FOREIGN, "free", false},
        [BEYOND_FRONTIER] = {ASHLAR_MISUSE_FOREIGN, "free", false},
        [GUARD] = {ASHLAR_MISUSE_FOREIGN, "free", false},
        [SIZED] = {ASHLAR_MISUSE_SIZE, "free_sized", true},
        [MEASURED] = {ASHLAR_MISUSE_DOUBLE_FREE, "usable_size", true},
        [RESIZED] = {ASHLAR_MISUSE_INTERIOR, "realloc", true},
    };
    const struct ashlar_finding_info *info = ashlar_finding_by_number(rows[death].code);
    int length = snprintf(out, bytes, "ashlar: %s at 0x%llx in %s: %s", info->code,
                          (unsigned long long)told->address, rows[death].operation, info->summary);
    if (rows[death].block)
        length += snprintf(out + length, bytes - (size_t)length, "; block 0x%llx of 112 bytes",
                           (unsigned long long)told->block);
    snprintf(out + length, bytes - (size_t)length, "%s\n", death == SIZED ? ", claimed 200" : "");
}

/* What a thread heap knows of the frontier may be old: nothing that is live looks foreign then. */
static void an_old_limit_is_looked_up_again(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *kept = ashlar_malloc(site.th, 100), *own = ashlar_malloc(site.th, 100);
    void *other = ashlar_malloc(site.threads[1], 100), *span = ashlar_malloc(site.th, 300000);
    struct ash_thread_heap *th = ash_th_of(site.th);
    void *const blocks[] = {own, other, span};
    for (unsigned i = 0; i < 3; i++) {
        struct ashlar_block seen;
        th->page_limit = 0;
        ashlar_free(site.th, blocks[i]);
        assert_int_equal(th->page_limit, site.heap->root.counts.committed);
        bool found = ashlar_heap_find(site.public_heap, (uintptr_t)blocks[i], &seen);
        assert_true(!found || seen.state != ASHLAR_BLOCK_LIVE);
        expect_sound(&site);
    }
    th->page_limit = 0;
    ashlar_free(site.th, own);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", own, own, 112);
    ashlar_free(site.th, kept);
    site_close(&site);
}

static void without_a_handler_the_process_ends(void **state) {
    (void)state;
    for (unsigned death = 0; death < DEATHS; death++) {
        int error_pipe[2], told_pipe[2];
        assert_int_equal(pipe(error_pipe) + pipe(told_pipe), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            abort_as_usual();
            dup2(error_pipe[1], STDERR_FILENO);
            die((enum death)death, told_pipe[1]);
        }
        close(error_pipe[1]);
        close(told_pipe[1]);
        struct told told;
        assert_int_equal(read(told_pipe[0], &told, sizeof told), sizeof told);
        char line[1000] = "", expected[1000];
        size_t length = 0;
        ssize_t got;
        while ((got = read(error_pipe[0], line + length, sizeof line - 1 - length)) > 0)
            length += (size_t)got;
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        expected_line((enum death)death, &told, expected, sizeof expected);
        assert_string_equal(line, expected);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        close(error_pipe[0]);
        close(told_pipe[0]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_block_freed_again),
        cmocka_unit_test(what_went_back_whole_freed_again),
        cmocka_unit_test(pointers_into_blocks),
        cmocka_unit_test(behind_the_last_block_of_a_slab),
        cmocka_unit_test(pointers_that_are_not_ours),
        cmocka_unit_test(locate_and_find_agree_everywhere),
        cmocka_unit_test(an_old_limit_is_looked_up_again),
        cmocka_unit_test(without_a_handler_the_process_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
