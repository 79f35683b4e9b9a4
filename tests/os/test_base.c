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

static void lines_say_counts_and_shares(void **state) {
    (void)state;
    static const struct {
        uint64_t value;
        const char *text;
    } counts[] = {{0, "0 blocks"},          {1, "1 block"},
                  {999, "999 blocks"},      {1000, "1,000 blocks"},
                  {41233, "41,233 blocks"}, {UINT64_MAX, "18,446,744,073,709,551,615 blocks"}};
    static const struct {
        uint64_t part, whole;
        const char *text;
    } shares[] = {{0, 0, "100 %"},
                  {0, 5, "0 %"},
                  {1, 3, "33.3 %"},
                  {1, 2, "50 %"},
                  {9999, 10000, "99.9 %"},
                  {7, 7, "100 %"},
                  {UINT64_MAX - 1, UINT64_MAX, "99.9 %"}};
    char got[100];
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct ash_line line = {0};
        ash_line_plural(&line, counts[i].value, "block");
        sent(&line, got, sizeof got);
        got[strlen(got) - 1] = '\0';
        assert_string_equal(got, counts[i].text);
    }
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        struct ash_line line = {0};
        ash_line_share(&line, shares[i].part, shares[i].whole);
        sent(&line, got, sizeof got);
        got[strlen(got) - 1] = '\0';
        assert_string_equal(got, shares[i].text);
    }
}

static void lines_have_columns(void **state) {
    (void)state;
    struct ash_line line = {0};
    char got[1000];
    ash_line_text(&line, "a line before\nname");
    ash_line_pad(&line, 8);
    size_t from = line.length;
    ash_line_count(&line, 1234);
    ash_line_align(&line, from, 16);
    ash_line_pad(&line, 3); /* behind it already */
    from = line.length;
    ash_line_text(&line, "too wide for its column");
    ash_line_align(&line, from, 20);
    ash_line_bytes(&line, "cut here", 3);
    sent(&line, got, sizeof got);
    assert_string_equal(got, "a line before\nname       1,234too wide for its columncut\n");
    /* sending empties it; a column beyond the line's end is cut */
    from = line.length;
    ash_line_text(&line, "x");
    ash_line_align(&line, from, 2000);
    sent(&line, got, sizeof got);
    assert_int_equal(strlen(got), sizeof line.text);
    assert_int_equal(got[sizeof line.text - 2], 'x');
}

static void digits_are_a_whole_number_or_nothing(void **state) {
    (void)state;
    uint64_t value = 0;
    assert_true(ash_digits("0", 1, 0, &value) && value == 0);
    assert_true(ash_digits("0123x", 4, 123, &value) && value == 123);
    assert_true(ash_digits("18446744073709551615", 20, UINT64_MAX, &value) && value == UINT64_MAX);
    static const char *const wrong[] = {"", "x", "-1", "+1", " 1", "1 ", "0x1", "124", "1000"};
    value = 42;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ash_digits(wrong[i], strlen(wrong[i]), 123, &value));
    assert_false(ash_digits("18446744073709551616", 20, UINT64_MAX, &value));
    assert_false(ash_digits("99999999999999999999", 20, UINT64_MAX, &value));
    assert_false(ash_digits("7", 1, 3, &value));
    assert_int_equal(value, 42);
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
        cmocka_unit_test(lines_say_counts_and_shares),
        cmocka_unit_test(lines_have_columns),
        cmocka_unit_test(digits_are_a_whole_number_or_nothing),
        cmocka_unit_test(a_line_too_long_is_cut),
        cmocka_unit_test(a_panic_says_what_is_not_true_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
