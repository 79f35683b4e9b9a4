/* The table of findings: ascending, unique, found both ways, in its family's range, and with
 * something to say in every column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <ashlar/finding.h>
#include <cmocka.h>

static const struct {
    int from, to;
} ranges[] = {
    [ASHLAR_FAMILY_MISUSE] = {1, 99},      [ASHLAR_FAMILY_REGION] = {100, 199},
    [ASHLAR_FAMILY_PAGES] = {200, 299},    [ASHLAR_FAMILY_SLABS] = {300, 399},
    [ASHLAR_FAMILY_SPANS] = {400, 449},    [ASHLAR_FAMILY_RUNS] = {450, 499},
    [ASHLAR_FAMILY_THREADS] = {500, 599},  [ASHLAR_FAMILY_ACCOUNTING] = {600, 699},
    [ASHLAR_FAMILY_CONTENTS] = {700, 799}, [ASHLAR_FAMILY_ORACLE] = {800, 9999},
};

static void test_rows(void **state) {
    (void)state;
    size_t count;
    const struct ashlar_finding_info *rows = ashlar_findings(&count);
    assert_true(count > 90);
    for (size_t i = 0; i < count; i++) {
        const struct ashlar_finding_info *row = &rows[i];
        if (i > 0) assert_true(rows[i - 1].number < row->number);
        assert_in_range(row->number, ranges[row->family].from, ranges[row->family].to);
        assert_ptr_equal(ashlar_finding_by_number(row->number), row);
        assert_ptr_equal(ashlar_finding_by_code(row->code), row); /* so codes are unique */
        assert_int_equal(strncmp(row->code, "ASH-", 4), 0);
        assert_int_equal(strspn(row->code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"), strlen(row->code));
        assert_true(strlen(row->summary) > 15);
        assert_true(strlen(row->causes) > 10);
        assert_true(strlen(row->next) > 10);
        assert_null(strchr(row->summary, '|')); /* rows of a table in the documentation */
        assert_null(strchr(row->causes, '|'));
    }
}

static void test_absent(void **state) {
    (void)state;
    assert_null(ashlar_finding_by_number(ASHLAR_FINDING_NONE));
    assert_null(ashlar_finding_by_number((enum ashlar_finding_code)99));
    assert_null(ashlar_finding_by_number((enum ashlar_finding_code)100000));
    assert_null(ashlar_finding_by_code("ASH-NO-SUCH-THING"));
    assert_null(ashlar_finding_by_code(""));
    assert_null(ashlar_finding_by_code(NULL));
}

static void test_families(void **state) {
    (void)state;
    assert_string_equal(ashlar_family_name(ASHLAR_FAMILY_MISUSE), "misuse");
    assert_string_equal(ashlar_family_name(ASHLAR_FAMILY_ORACLE), "oracle");
    assert_string_equal(ashlar_family_name((enum ashlar_finding_family)77), "unknown");
    for (int family = 0; family <= ASHLAR_FAMILY_ORACLE; family++)
        for (int other = 0; other < family; other++)
            assert_string_not_equal(ashlar_family_name((enum ashlar_finding_family)family),
                                    ashlar_family_name((enum ashlar_finding_family)other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
