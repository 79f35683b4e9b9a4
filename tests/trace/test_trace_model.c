/* The model: the table of operations, the normal form, and the generator's promises. */
#include "support.h"

#include "trace/model.h"

static void names_lead_back_to_kinds(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) {
        const char *name = ashlar_op_name((enum ashlar_op_kind)kind);
        assert_int_equal(ashlar_op_by_name(name, strlen(name)), kind);
        assert_int_equal(ashlar_op_by_name(name, strlen(name) - 1) == (enum ashlar_op_kind)kind, 0);
    }
    assert_int_equal(ashlar_op_by_name("mallocs", 7), ASHLAR_OP_COUNT);
    assert_int_equal(ashlar_op_by_name("free-", 5), ASHLAR_OP_COUNT);
    assert_int_equal(ashlar_op_by_name("", 0), ASHLAR_OP_COUNT);
    assert_string_equal(ashlar_op_name(ASHLAR_OP_COUNT), "?");
}

static void illegal_kinds_are_one_range(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++)
        assert_int_equal(ashlar_op_is_illegal((enum ashlar_op_kind)kind),
                         kind >= ASHLAR_OP_DOUBLE_FREE && kind <= ASHLAR_OP_FLIP);
    assert_false(ashlar_op_is_illegal(ASHLAR_OP_COUNT));
}

/* What the header promises of each kind's fields, against the table. */
static void operands_agree_with_flags(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) {
        const struct ash_op_info *info = ash_op_info(kind);
        bool slot = false, size = false, arg = false;
        for (unsigned i = 0; i < info->operand_count; i++) {
            slot |= info->operands[i].field == ASH_FIELD_SLOT;
            size |= info->operands[i].field == ASH_FIELD_SIZE;
            arg |= info->operands[i].field == ASH_FIELD_ARG;
            assert_non_null(info->operands[i].label);
        }
        assert_int_equal(slot, info->has_slot);
        assert_int_equal(size, info->has_size);
        assert_int_equal(arg, info->has_arg);
    }
}

static void append_brings_into_normal_form(void **state) {
    (void)state;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    struct ashlar_op op = {ASHLAR_OP_FREE, 3, 77, 5, 6, 7};
    assert_true(ashlar_trace_append(&trace, &op));
    op.kind = ASHLAR_OP_TRIM;
    assert_true(ashlar_trace_append(&trace, &op));
    op.kind = ASHLAR_OP_FREE_FOREIGN;
    assert_true(ashlar_trace_append(&trace, &op));
    op.kind = ASHLAR_OP_FREE_INSIDE;
    op.arg = 0;
    assert_true(ashlar_trace_append(&trace, &op));
    const struct ashlar_op expected[] = {
        {ASHLAR_OP_FREE, 3, 0, 5, 0, 0},
        {ASHLAR_OP_TRIM, 3, 0, 0, 0, 0},
        {ASHLAR_OP_FREE_FOREIGN, 3, 0, 0, 0, 0},
        {ASHLAR_OP_FREE_INSIDE, 3, 0, 5, 0, 1},
    };
    assert_int_equal(trace.count, 4);
    assert_memory_equal(trace.ops, expected, sizeof expected);
    assert_int_equal(trace.slots, 6);
    assert_int_equal(trace.threads, 4);
    ashlar_trace_free(&trace);
}

static void append_takes_an_operation_of_the_trace_itself(void **state) {
    (void)state;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    struct ashlar_op op = {.kind = ASHLAR_OP_MALLOC, .slot = 1, .size = 42};
    assert_true(ashlar_trace_append(&trace, &op));
    while (trace.count < 1000) assert_true(ashlar_trace_append(&trace, &trace.ops[0]));
    assert_int_equal(trace.ops[999].size, 42);
    ashlar_trace_free(&trace);
}

static void append_refuses_a_slot_that_no_table_can_have(void **state) {
    (void)state;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    struct ashlar_op op = {.kind = ASHLAR_OP_FREE, .slot = UINT32_MAX};
    assert_false(ashlar_trace_append(&trace, &op));
    assert_int_equal(trace.count, 0);
    assert_int_equal(trace.slots, 0);
    ashlar_trace_free(&trace);
}

static void copies_are_equal_and_separate(void **state) {
    (void)state;
    struct ashlar_trace a, b;
    test_generate(7, 100, false, &a);
    ashlar_trace_init(&b);
    assert_false(ashlar_trace_equal(&a, &b));
    assert_true(ashlar_trace_copy(&b, &a));
    assert_true(ashlar_trace_equal(&a, &b));
    b.ops[0].size++;
    assert_false(ashlar_trace_equal(&a, &b));
    assert_true(ashlar_trace_copy(&b, &a));
    struct ashlar_trace header = b;
    header.seed++;
    assert_false(ashlar_trace_equal(&a, &header));
    header = b;
    header.heap_kib++;
    assert_false(ashlar_trace_equal(&a, &header));
    header = b;
    header.slots++;
    assert_false(ashlar_trace_equal(&a, &header));
    ashlar_trace_free(&a);
    assert_true(ashlar_trace_copy(&b, &a)); /* an empty one over a full one */
    assert_int_equal(b.count, 0);
    ashlar_trace_free(&b);
}

static bool is_class_edge(uint64_t size) {
    for (uint64_t near = size ? size - 1 : 0; near <= size + 1; near++) {
        if (near && near <= 128 && near % 16 == 0) return true;
        for (unsigned doubling = 7; doubling < 16; doubling++) {
            uint64_t step = (uint64_t)1 << (doubling - 2);
            if (near >= step * 4 && near <= step * 8 && near % step == 0) return true;
        }
    }
    return false;
}

/* Each kind of edge is frequent enough that a fuzzer meets it within a minute. */
static void sizes_favour_edges(void **state) {
    (void)state;
    enum { DRAWN = 200000 };
    struct ashlar_generator generator = {.state = 1, .size_limit = 1 << 18};
    size_t below = 0, class_edge = 0, page_edge = 0, near_max = 0, near_signed_max = 0;
    size_t signed_max_plus_1 = 0, power = 0;
    for (unsigned i = 0; i < DRAWN; i++) {
        uint64_t size = ashlar_generate_size(&generator);
        below += size < generator.size_limit;
        class_edge += is_class_edge(size);
        page_edge += size > 4000 && size < 1 << 22 && (size + 1) % 4096 <= 2;
        near_max += size > UINT64_MAX - 64;
        near_signed_max += size >= INT64_MAX - 64 && size <= (uint64_t)INT64_MAX + 2;
        signed_max_plus_1 += size == (uint64_t)INT64_MAX + 1;
        power += size && (size & (size - 1)) == 0;
    }
    assert_true(below > DRAWN * 9 / 10);
    assert_true(class_edge > DRAWN / 4);
    assert_true(page_edge > DRAWN / 20);
    assert_true(near_max > DRAWN / 1000);
    assert_true(near_signed_max > DRAWN / 1000);
    assert_true(signed_max_plus_1 > DRAWN / 5000);
    assert_true(power > DRAWN / 20);
}

static void operations_are_a_mix_of_all_kinds(void **state) {
    (void)state;
    enum { DRAWN = 200000 };
    struct ashlar_generator generator = {.state = 3,
                                         .slots = 64,
                                         .threads = 4,
                                         .size_limit = 1 << 16,
                                         .illegal = true,
                                         .steps = true};
    size_t kinds[ASHLAR_OP_COUNT] = {0}, wrapping = 0, absurd_alignments = 0;
    for (unsigned i = 0; i < DRAWN; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        assert_true(op.kind < ASHLAR_OP_COUNT && op.slot < 64 && op.thread < 4);
        kinds[op.kind]++;
        uint64_t product;
        wrapping +=
            op.kind == ASHLAR_OP_CALLOC && __builtin_mul_overflow(op.size, op.arg, &product);
        absurd_alignments +=
            op.kind == ASHLAR_OP_ALIGNED && (op.arg == 0 || (op.arg & (op.arg - 1)));
    }
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) assert_true(kinds[kind] > DRAWN / 2000);
    assert_true(wrapping > kinds[ASHLAR_OP_CALLOC] / 50);
    assert_true(absurd_alignments > kinds[ASHLAR_OP_ALIGNED] / 50);
    size_t allocations =
        kinds[ASHLAR_OP_MALLOC] + kinds[ASHLAR_OP_CALLOC] + kinds[ASHLAR_OP_ALIGNED];
    size_t frees = kinds[ASHLAR_OP_FREE] + kinds[ASHLAR_OP_FREE_SIZED];
    assert_true(allocations > frees && allocations < frees * 2);
}

static void legal_generators_make_no_illegal_operation(void **state) {
    (void)state;
    struct ashlar_generator generator = {.state = 5, .slots = 8, .threads = 1, .size_limit = 4096};
    for (unsigned i = 0; i < 50000; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        assert_false(ashlar_op_is_illegal((enum ashlar_op_kind)op.kind));
        assert_int_not_equal(op.kind, ASHLAR_OP_STEP);
    }
}

static void generators_are_deterministic_and_total(void **state) {
    (void)state;
    struct ashlar_generator a = {.state = 9}, b = {.state = 9}; /* no slots, threads, limit */
    for (unsigned i = 0; i < 10000; i++) {
        struct ashlar_op x, y;
        ashlar_generate_op(&a, &x);
        ashlar_generate_op(&b, &y);
        assert_memory_equal(&x, &y, sizeof x);
        assert_int_equal(x.slot, 0);
        assert_int_equal(x.thread, 0);
    }
}

/* docs/TRACE_FORMAT.md spells out each row of the table, with the numbers of the records. */
static void document_has_every_operation(void **state) {
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/docs/TRACE_FORMAT.md", ASHLAR_SOURCE_DIR);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    static char text[1 << 17];
    text[fread(text, 1, sizeof text - 1, stream)] = 0;
    fclose(stream);
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) {
        const struct ash_op_info *info = ash_op_info(kind);
        char row[200];
        int at = snprintf(row, sizeof row, "| %u | `%s", kind, info->name);
        for (unsigned i = 0; i < info->operand_count; i++)
            at += snprintf(row + at, sizeof row - (size_t)at, " %s", info->operands[i].label);
        snprintf(row + at, sizeof row - (size_t)at, "` | %s", info->illegal ? "illegal" : "legal");
        if (!strstr(text, row)) fail_msg("TRACE_FORMAT.md has no row that begins: %s", row);
        for (unsigned i = 0; i < info->value_count; i++)
            assert_non_null(strstr(text, info->arg_values[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_back_to_kinds),
        cmocka_unit_test(illegal_kinds_are_one_range),
        cmocka_unit_test(operands_agree_with_flags),
        cmocka_unit_test(append_brings_into_normal_form),
        cmocka_unit_test(append_takes_an_operation_of_the_trace_itself),
        cmocka_unit_test(append_refuses_a_slot_that_no_table_can_have),
        cmocka_unit_test(copies_are_equal_and_separate),
        cmocka_unit_test(sizes_favour_edges),
        cmocka_unit_test(operations_are_a_mix_of_all_kinds),
        cmocka_unit_test(legal_generators_make_no_illegal_operation),
        cmocka_unit_test(generators_are_deterministic_and_total),
        cmocka_unit_test(document_has_every_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
