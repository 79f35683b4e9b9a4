/* Other allocators under the same oracle: the process malloc, and libraries loaded beside it. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
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
        ashlar_target_unload(target);
        loaded++;
    }
    if (loaded == 0) skip();
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
        cmocka_unit_test(what_is_no_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
