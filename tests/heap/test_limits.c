/* A limit on address space, as batch systems set it: the heap takes less instead of failing, and
 * says so when too little is left. In a child of its own, since a limit cannot be lifted again. */
#include "../os/last_words.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes of address space in use. */
static size_t address_space(void) {
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu", &pages) != 1) _exit(90);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Exit codes name what went wrong; 0 is success. */
static int use_heap_under_limit(size_t left_bytes, bool fits) {
    struct rlimit limit;
    limit.rlim_cur = limit.rlim_max = address_space() + left_bytes;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    struct ashlar_heap *heap = NULL;
    struct ashlar_thread_heap *th;
    enum ashlar_status status = ashlar_heap_create(NULL, &heap);
    if (!fits) return status == ASHLAR_TOO_SMALL && heap == NULL ? 0 : 2;
    if (status != ASHLAR_OK || ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) return 3;
    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(heap, &stats);
    if (stats.region_bytes < 64 * MIB || stats.region_bytes > left_bytes) return 4;
    if (stats.region_bytes * 4 < left_bytes) return 5; /* at least a quarter is used */
    size_t served = 0;
    while (ashlar_malloc(th, 300000) != NULL) served += 5 * PAGE;
    if (served + 5 * PAGE <= stats.region_bytes - PAGE) return 6;
    struct ashlar_check_report report;
    if (ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report) != ASHLAR_SOUND) return 7;
    ashlar_heap_destroy(heap);
    return 0;
}

static void expect_child(size_t left_bytes, bool fits) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int code = use_heap_under_limit(left_bytes, fits);
        keep_profile(0);
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_heap_takes_what_the_limit_leaves(void **state) {
    (void)state;
    expect_child((size_t)600 << 20, true);
    expect_child((size_t)3 << 30, true);
    expect_child((size_t)50 << 30, true);
}

static void too_tight_a_limit_is_said(void **state) {
    (void)state;
    expect_child((size_t)60 << 20, false);
    expect_child((size_t)4 << 20, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_takes_what_the_limit_leaves),
        cmocka_unit_test(too_tight_a_limit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
