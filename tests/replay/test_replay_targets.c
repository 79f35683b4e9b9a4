/* Other allocators under the same oracle: the process malloc, and libraries loaded beside it. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sanitizers end the process on absurd sizes unless they are told not to. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}
const char *__msan_default_options(void);
const char *__msan_default_options(void) {
    return "allocator_may_return_null=1";
}

static bool under_sanitizer(void) {
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL || dlsym(RTLD_DEFAULT, "__msan_init") != NULL;
}

static void run(const struct ashlar_target *target, uint64_t traces) {
    const struct recipe recipes[] = {
        {.kib = 1024, .slots = 16, .threads = 1, .size_limit = 4096, .ops = 60},
        {.kib = 1024,
         .slots = 100,
         .threads = 2,
         .size_limit = 200000,
         .ops = 200,
         .illegal = true},
    };
    for (size_t i = 0; i < COUNT_OF(recipes); i++) {
        for (uint64_t seed = 1; seed <= traces; seed++) {
            const struct ashlar_replay_options options = {
                .target = target, .oracle = (enum ashlar_oracle_tier)(seed % 3)};
            struct ashlar_trace trace;
            trace_generate(&trace, &recipes[i], seed);
            expect_sound(&trace, &options);
            ashlar_trace_free(&trace);
        }
    }
}

static void libc_passes(void **state) {
    (void)state;
    run(&ashlar_target_libc, under_sanitizer() ? 200 : 1500);
    run(ashlar_target_on_threads(&ashlar_target_libc), 50);
}

static void libraries_pass(void **state) {
    (void)state;
    static const char *const paths[] = {
        "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
        "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2",
        "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
    };
    size_t loaded = 0;
    if (under_sanitizer()) skip(); /* their own functions would be the sanitizer's */
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char error[300] = "";
        if (access(paths[i], R_OK) != 0) continue;
        struct ashlar_target *target = ashlar_target_load(paths[i], "", error, sizeof error);
        if (target == NULL && strstr(error, "GLIBC_TUNABLES") != NULL) continue; /* by hand */
        if (target == NULL) {
            fail_msg("%s", error);
            return;
        }
        assert_string_equal(target->name, paths[i]);
        run(target, 300);
        run(ashlar_target_on_threads(target), 50);
        ashlar_target_unload(target);
        loaded++;
    }
    if (loaded == 0) skip();
}

static struct {
    pid_t performed_by[32];
    size_t count, ended;
    pthread_key_t key;
} seen;

static void on_end(void *context) {
    (void)context;
    seen.ended++;
}

static void note(void) {
    assert_true(seen.count < COUNT_OF(seen.performed_by));
    seen.performed_by[seen.count++] = gettid();
    pthread_setspecific(seen.key, &seen);
}

static void *noted_malloc(size_t bytes) {
    note();
    return malloc(bytes);
}

static void *noted_calloc(size_t count, size_t bytes) {
    note();
    return calloc(count, bytes);
}

static void noted_free(void *block) {
    note();
    free(block);
}

/* Order of operations, thread by thread; a thread that exits is another one afterwards. */
static void logical_threads_are_os_threads(void **state) {
    (void)state;
    static const struct ashlar_malloc_family family = {
        .malloc = noted_malloc, .calloc = noted_calloc, .free = noted_free};
    static const struct ashlar_op ops[] = {
        {.kind = ASHLAR_OP_MALLOC, .thread = 0, .slot = 0, .size = 100},
        {.kind = ASHLAR_OP_MALLOC, .thread = 1, .slot = 1, .size = 100},
        {.kind = ASHLAR_OP_FREE, .thread = 1, .slot = 0},
        {.kind = ASHLAR_OP_MALLOC, .thread = 0, .slot = 2, .size = SIZE_MAX},
        {.kind = ASHLAR_OP_THREAD_EXIT, .thread = 1},
        {.kind = ASHLAR_OP_FREE, .thread = 1, .slot = 1},
        {.kind = ASHLAR_OP_CALLOC, .thread = 0, .slot = 3, .size = 10, .arg = 10},
        {.kind = ASHLAR_OP_FREE, .thread = 0, .slot = 3},
    };
    struct ashlar_target plain = ashlar_target_of(&family, "noted", ASHLAR_TARGET_SETS_ERRNO);
    const struct ashlar_replay_options options = {.target = ashlar_target_on_threads(&plain)};
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    for (size_t i = 0; i < COUNT_OF(ops); i++) assert_true(ashlar_trace_append(&trace, &ops[i]));
    assert_int_equal(pthread_key_create(&seen.key, on_end), 0);
    struct ashlar_replay_result result;
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.ops_run, COUNT_OF(ops));
    const pid_t *by = seen.performed_by;
    assert_int_equal(seen.count, 7);
    assert_int_not_equal(by[0], gettid());
    assert_int_not_equal(by[1], gettid());
    assert_int_not_equal(by[0], by[1]);
    assert_int_equal(by[2], by[1]);
    assert_int_equal(by[3], by[0]);
    assert_int_not_equal(by[4], by[1]); /* after its exit */
    assert_int_not_equal(by[4], by[0]);
    assert_int_equal(by[5], by[0]);
    assert_int_equal(seen.ended, 3);
    pthread_key_delete(seen.key);
    ashlar_trace_free(&trace);
}

static void the_core_has_its_own(void **state) {
    (void)state;
    assert_null(ashlar_target_on_threads(&ashlar_target_core));
}

/* What has no malloc of its own is no target, though its dependencies have one. */
static void what_is_no_allocator(void **state) {
    (void)state;
    char error[300] = "";
    assert_null(ashlar_target_load("/nowhere/lib.so", "", error, sizeof error));
    assert_true(error[0] != '\0');
    error[0] = '\0';
    assert_null(ashlar_target_load("libm.so.6", "", error, sizeof error));
    assert_non_null(strstr(error, "malloc"));
    error[0] = '\0';
    assert_null(ashlar_target_load("libm.so.6", "je_", error, sizeof error));
    assert_non_null(strstr(error, "je_malloc"));
    ashlar_target_unload(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libc_passes),
        cmocka_unit_test(libraries_pass),
        cmocka_unit_test(logical_threads_are_os_threads),
        cmocka_unit_test(the_core_has_its_own),
        cmocka_unit_test(what_is_no_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
