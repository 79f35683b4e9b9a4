/* The entry point of engines: what it runs and counts, and what it leaves alone. */
#include "engine.h"
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static unsigned ran;
static size_t ran_bytes;

static bool count_run(const uint8_t *data, size_t size, const char *file,
                      struct ash_fuzz_outcome *outcome) {
    (void)data;
    assert_null(file);
    outcome->ops = 1;
    ran++;
    ran_bytes = size;
    return true;
}
const struct ash_harness ash_harness = {.name = "count", .run = count_run};

static void expect_run(const char *input, size_t size, bool runs) {
    unsigned before = ran;
    assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)input, size), 0);
    assert_int_equal(ran - before, runs);
    if (runs) assert_int_equal(ran_bytes, size);
}

static void every_input_is_run(void **state) {
    (void)state;
    expect_run("", 0, true);
    expect_run("##S", 3, true);
    expect_run("##SJ", 4, true);
    expect_run("##SIG", 5, true);
}

static void but_that_of_the_driver(void **state) {
    (void)state;
    expect_run("##SI", 4, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_is_run),
        cmocka_unit_test(but_that_of_the_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
