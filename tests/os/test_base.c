/* What every layer stands on: arithmetic of bits against plain loops, and the line of last words.
 */
#include "base/base.h"

#include "base/line.h"
#include "last_words.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void bits_are_what_loops_say(void **state) {
    (void)state;
    uint64_t word = 1;
    for (unsigned turn = 0; turn < 20000; turn++) {
        word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t value = turn < 64 ? (uint64_t)1 << turn : word >> turn % 64;
        if (value == 0) continue;
        unsigned count = 0, lowest = 64, highest = 0;
        for (unsigned bit = 0; bit < 64; bit++) {
            if ((value >> bit & 1) == 0) continue;
            count++;
            if (lowest == 64) lowest = bit;
            highest = bit;
        }
        assert_int_equal(ash_count_bits(value), count);
        assert_int_equal(ash_lowest_bit(value), lowest);
        assert_int_equal(ash_highest_bit(value), highest);
        assert_int_equal(ash_is_power_of_two(value), count == 1);
    }
    assert_int_equal(ash_count_bits(0), 0);
    assert_int_equal(ash_count_bits(UINT64_MAX), 64);
    assert_false(ash_is_power_of_two(0));
}

static void low_bits_count_from_none_to_all(void **state) {
    (void)state;
    for (unsigned count = 0; count <= 64; count++) {
        assert_int_equal(ash_count_bits(ash_low_bits(count)), count);
        if (count > 0) assert_int_equal(ash_highest_bit(ash_low_bits(count)), count - 1);
    }
}

static void rounding_finds_the_next_multiple(void **state) {
    (void)state;
    for (uint64_t unit = 1; unit <= 64; unit *= 2) {
        for (uint64_t value = 0; value < 300; value++) {
            uint64_t up = ash_round_up(value, unit), down = ash_round_down(value, unit);
            assert_true(up % unit == 0 && up >= value && up - value < unit);
            assert_true(down % unit == 0 && down <= value && value - down < unit);
        }
    }
    assert_int_equal(ash_round_down(UINT64_MAX, 65536), UINT64_MAX - 65535);
    assert_int_equal(ash_round_up(UINT64_MAX - 65535, 65536), UINT64_MAX - 65535);
}

/* What a line sends, as a string. */
static void sent(struct ash_line *line, char *out, size_t bytes) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    errno = 4711;
    ash_line_send(line, ends[1]);
    assert_int_equal(errno, 4711);
    close(ends[1]);
    ssize_t length = read(ends[0], out, bytes - 1);
    assert_true(length > 0);
    out[length] = '\0';
    close(ends[0]);
}

static void lines_say_numbers_and_addresses(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 1, 9, 10, 15, 16, 255, 1234567890, INT64_MAX, UINT64_MAX};
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct ash_line line = {0};
        char expected[100], got[100];
        ash_line_text(&line, "a ");
        ash_line_number(&line, values[i]);
        ash_line_text(&line, " b ");
        ash_line_address(&line, values[i]);
        ash_line_text(&line, "");
        snprintf(expected, sizeof expected, "a %llu b 0x%llx\n", (unsigned long long)values[i],
                 (unsigned long long)values[i]);
        sent(&line, got, sizeof got);
        assert_string_equal(got, expected);
    }
}

static void a_line_too_long_is_cut(void **state) {
    (void)state;
    struct ash_line line = {0};
    char got[1000];
    for (unsigned i = 0; i < 300; i++) ash_line_text(&line, "abc");
    ash_line_number(&line, UINT64_MAX);
    sent(&line, got, sizeof got);
    assert_int_equal(strlen(got), sizeof line.text);
    for (size_t i = 0; i + 1 < sizeof line.text; i++) assert_int_equal(got[i], "abc"[i % 3]);
    assert_int_equal(got[sizeof line.text - 1], '\n');
    /* nowhere to send it: it gives up and keeps errno */
    errno = 4711;
    ash_line_send(&line, -1);
    assert_int_equal(errno, 4711);
}

static void a_panic_says_what_is_not_true_and_aborts(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        abort_as_usual();
        dup2(ends[1], STDERR_FILENO);
        ash_panic("file.c", 42, "count > 0");
    }
    close(ends[1]);
    char got[200];
    ssize_t length = read(ends[0], got, sizeof got - 1);
    assert_true(length > 0);
    got[length] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_string_equal(got, "ashlar: internal error: file.c:42: not true: count > 0\n");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_what_loops_say),
        cmocka_unit_test(low_bits_count_from_none_to_all),
        cmocka_unit_test(rounding_finds_the_next_multiple),
        cmocka_unit_test(lines_say_numbers_and_addresses),
        cmocka_unit_test(a_line_too_long_is_cut),
        cmocka_unit_test(a_panic_says_what_is_not_true_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
