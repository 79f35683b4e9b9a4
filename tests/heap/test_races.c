/* Two threads that free the same span at once: one of them claims it and gives it back, the other
 * one's free is a double free.
 *
 * The heap's lock, held by the test until the first sleeps on it with its claim and the second has
 * come back, makes that order certain. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FREERS = 2, WAITS_MOST = 5000 };

struct freer {
    struct ashlar_thread_heap *th;
    void *block;
    _Atomic int id; /* of its thread, from just before the free */
    _Atomic bool done;
};

static void *free_it(void *argument) {
    struct freer *freer = argument;
    atomic_store(&freer->id, (int)syscall(SYS_gettid));
    ashlar_free(freer->th, freer->block);
    atomic_store(&freer->done, true);
    return NULL;
}

/* Whether the thread sleeps, as the kernel sees it. */
static bool sleeps(int id) {
    char path[64], status = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &status), 1);
    fclose(file);
    return status == 'S';
}

static void two_frees_at_once_are_one_double_free(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, FREERS);
    void *span = span_pages(&site, 5), *wall = span_pages(&site, 2);
    struct freer freers[FREERS];
    pthread_t threads[FREERS];
    ash_lock_take(&site.heap->lock);
    for (unsigned i = 0; i < FREERS; i++) {
        freers[i] = (struct freer){.th = site.threads[i], .block = span};
        assert_int_equal(pthread_create(&threads[i], NULL, free_it, &freers[i]), 0);
    }
    for (unsigned i = 0; i < FREERS; i++) {
        unsigned waits = 0;
        while (atomic_load(&freers[i].id) == 0 ||
               !(atomic_load(&freers[i].done) || sleeps(atomic_load(&freers[i].id)))) {
            assert_true(waits++ < WAITS_MOST);
            usleep(1000);
        }
    }
    assert_int_equal(page_of(&site, span)->kind, ASH_PAGE_KEPT);
    assert_int_equal(freers[0].done + freers[1].done, 1);
    ash_lock_give(&site.heap->lock);
    for (unsigned i = 0; i < FREERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(site.misuses, 1); /* with the block's name or not: as late as it came */
    assert_int_equal(site.misuse.code, ASHLAR_MISUSE_DOUBLE_FREE);
    assert_int_equal(site.misuse.address, (uintptr_t)span);
    site.misuses = 0;
    assert_int_equal(site.heap->root.counts.spans, 1);
    expect_sound(&site);
    ashlar_free(site.th, wall);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_frees_at_once_are_one_double_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
