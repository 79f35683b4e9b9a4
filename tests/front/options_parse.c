/* The parser of options, each row of the table in turn; and the table itself. */
#include "front/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char said[4096];

/* Parses, and returns how many lines were said. */
static unsigned parse(const char *text) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    ash_options_parse(text, ends[1]);
    close(ends[1]);
    ssize_t length = 0, now;
    while ((now = read(ends[0], said + length, sizeof said - 1 - (size_t)length)) > 0)
        length += now;
    said[length] = '\0';
    close(ends[0]);
    unsigned lines = 0;
    for (const char *at = said; *at != '\0'; at++) lines += *at == '\n';
    return lines;
}

static const char *text_of(const struct ash_option_row *row, uint64_t value) {
    static struct ash_line line;
    line.length = 0;
    ash_option_value_text(&line, row, value);
    line.text[line.length] = '\0';
    return line.text;
}

static void the_table_makes_sense(void **state) {
    (void)state;
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++) {
        const struct ash_option_row *row = &ash_option_rows[i];
        assert_int_equal(ash_option_of(row), i);
        assert_ptr_equal(ash_option_find(row->name, strlen(row->name)), row);
        assert_null(ash_option_find(row->name, strlen(row->name) - 1));
        assert_true(row->help[0] != '\0' && strchr(row->help, '\n') == NULL);
        assert_true(row->least <= row->preset && row->preset <= row->most);
        assert_int_equal(row->words[0] != '\0',
                         row->type == ASH_OPTION_CHOICE || row->type == ASH_OPTION_TEXT);
    }
}

static void every_value_that_is_written_is_read(void **state) {
    (void)state;
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++) {
        const struct ash_option_row *row = &ash_option_rows[i];
        const uint64_t tried[] = {row->least, row->most, row->preset, (row->least + row->most) / 2};
        if (row->type == ASH_OPTION_TEXT) continue;
        for (unsigned j = 0; j < sizeof tried / sizeof tried[0]; j++) {
            char text[100];
            snprintf(text, sizeof text, "%s=%.60s", row->name, text_of(row, tried[j]));
            assert_int_equal(parse(text), 0);
            assert_int_equal(ash_option((enum ash_option)i), tried[j]);
        }
        char before[40];
        snprintf(before, sizeof before, "it stays %.25s\n", text_of(row, tried[3]));
        static const char *const wrong[] = {"", "x", "-1", " 1", "99999999999999999999999", "1x"};
        for (unsigned j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            char text[100];
            snprintf(text, sizeof text, "%s=%s", row->name, wrong[j]);
            assert_int_equal(parse(text), 1);
            assert_non_null(strstr(said, before));
            assert_int_equal(ash_option((enum ash_option)i), tried[3]);
        }
    }
}

static void limits_are_kept(void **state) {
    (void)state;
    static const char *const beyond[] = {
        "verify_signal=65",      "decay_ms=0",
        "decay_ms=4294967295",   "verbose=2",
        "region_bytes=1025G",    "region_bytes=2T",
        "region_bytes=67108863", "region_bytes=63M",
        "region_bytes=K",        "thread_heaps=0",
        "thread_heaps=1048577",  "region_bytes=18446744073709551615T"};
    for (unsigned i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        assert_int_equal(parse(beyond[i]), 1);
    assert_int_equal(parse("region_bytes=64m:region_bytes=65536K:region_bytes=1T"), 0);
    assert_int_equal(ash_option(ASH_OPTION_REGION_BYTES), UINT64_C(1) << 40);
}

static void several_at_once(void **state) {
    (void)state;
    assert_int_equal(parse("verbose=0:decay_ms=10::verbose:verify=exit:"), 0);
    assert_int_equal(ash_option(ASH_OPTION_VERBOSE), 1); /* the last one counts */
    assert_int_equal(ash_option(ASH_OPTION_DECAY_MS), 10);
    assert_int_equal(ash_option(ASH_OPTION_VERIFY), ASH_VERIFY_EXIT);
    assert_int_equal(parse(""), 0);
    assert_int_equal(parse(":::"), 0);
    assert_int_equal(parse("=1:verb=1:verbose1=1:decay_ms=20:x"), 4);
    assert_int_equal(ash_option(ASH_OPTION_DECAY_MS), 20); /* what is right still counts */
    assert_int_equal(parse("level=guard:level=track:level=fast"), 2);
    assert_int_equal(ash_option(ASH_OPTION_LEVEL), 0);
}

static void texts(void **state) {
    (void)state;
    char longest[ASH_OPTION_TEXT_BYTES + 20] = "output=";
    assert_string_equal(ash_option_output(), "stderr");
    assert_int_equal(parse("output=a=b"), 0);
    assert_string_equal(ash_option_output(), "a=b");
    assert_int_equal(parse("output="), 1);
    memset(longest + 7, 'x', ASH_OPTION_TEXT_BYTES - 1);
    assert_int_equal(parse(longest), 0);
    assert_string_equal(ash_option_output(), longest + 7);
    longest[7 + ASH_OPTION_TEXT_BYTES - 1] = 'y';
    assert_int_equal(parse(longest), 1);
    assert_int_equal(strlen(ash_option_output()), ASH_OPTION_TEXT_BYTES - 1);
}

static void what_is_long_is_cut(void **state) {
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(parse(text), 1);
    text[1000] = '=';
    assert_int_equal(parse(text), 1);
    memcpy(text, "verbose=", 8);
    assert_int_equal(parse(text), 1);
    assert_true(strlen(said) <= sizeof((struct ash_line *)NULL)->text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_makes_sense),
        cmocka_unit_test(every_value_that_is_written_is_read),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(texts),
        cmocka_unit_test(what_is_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
