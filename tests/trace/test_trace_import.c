/* Golden files: what each format's fixture becomes, in canonical text, and the other way round. */
#include "support.h"

static void becomes(const char *input, enum ashlar_trace_format format, const char *expected) {
    struct ashlar_trace trace;
    struct test_bytes bytes = test_data(input), golden = test_data(expected);
    assert_int_equal(ashlar_format_detect(bytes.bytes, bytes.size), format);
    test_decode(bytes.bytes, bytes.size, ASHLAR_FORMAT_UNKNOWN, &trace);
    struct test_bytes text = test_encode(&trace, ASHLAR_FORMAT_TEXT, false);
    if (text.size != golden.size || memcmp(text.bytes, golden.bytes, text.size) != 0)
        fail_msg("%s became\n%.*s\nexpected\n%.*s", input, (int)text.size, (char *)text.bytes,
                 (int)golden.size, (char *)golden.bytes);
    free(text.bytes);
    free(bytes.bytes);
    free(golden.bytes);
    ashlar_trace_free(&trace);
}

static void golden_text_stays_as_it_is(void **state) {
    (void)state;
    becomes("golden.trace", ASHLAR_FORMAT_TEXT, "golden.trace");
}

static void loose_text_becomes_canonical(void **state) {
    (void)state;
    becomes("loose.trace", ASHLAR_FORMAT_TEXT, "loose.expected");
}

static void rep_is_read(void **state) {
    (void)state;
    becomes("short.rep", ASHLAR_FORMAT_REP, "short.rep.expected");
}

static void memory_replay_is_read(void **state) {
    (void)state;
    becomes("memory_replay.txt", ASHLAR_FORMAT_MEMORY_REPLAY, "memory_replay.expected");
}

static void mtrace_is_read(void **state) {
    (void)state;
    becomes("mtrace.log", ASHLAR_FORMAT_MTRACE, "mtrace.expected");
}

/* The golden text holds every kind, so that its file shows the whole grammar. */
static void golden_text_has_every_kind(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct test_bytes bytes = test_data("golden.trace");
    test_decode(bytes.bytes, bytes.size, ASHLAR_FORMAT_TEXT, &trace);
    bool seen[ASHLAR_OP_COUNT] = {0};
    for (size_t i = 0; i < trace.count; i++) seen[trace.ops[i].kind] = true;
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) assert_true(seen[kind]);
    assert_int_equal(trace.heap, ASHLAR_HEAP_IN_MEMORY);
    assert_int_equal(trace.seed, 0xdeadbeefcafe);
    assert_int_equal(trace.ops[2].size, UINT64_MAX);
    assert_int_equal(trace.ops[3].size, UINT64_MAX - 3);
    assert_int_equal(trace.ops[6].arg, 4); /* calloc SLOT COUNT BYTES */
    assert_int_equal(trace.ops[6].size, 16);
    free(bytes.bytes);
    ashlar_trace_free(&trace);
}

/* More threads than the model has: the trace is read all the same. */
static void memory_replay_shares_threads_beyond_256(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (unsigned i = 0; i < 300; i++)
        fprintf(stream, "%u: malloc 0x%x 8\n", 1000 + i, 16 + i * 16);
    for (unsigned i = 0; i < 300; i++) fprintf(stream, "%u: free 0x%x\n", 1000 + i, 16 + i * 16);
    fclose(stream);
    struct ashlar_trace trace;
    test_decode(text, size, ASHLAR_FORMAT_MEMORY_REPLAY, &trace);
    assert_int_equal(trace.count, 600);
    assert_int_equal(trace.threads, 256);
    for (unsigned i = 0; i < 256; i++) assert_int_equal(trace.ops[i].thread, i);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(trace.ops[i].thread, trace.ops[300 + i].thread);
    free(text);
    ashlar_trace_free(&trace);
}

/* A map of addresses under churn, against a plain array: slots are never shared, and come back. */
static void addresses_keep_their_slots(void **state) {
    (void)state;
    enum { ADDRESSES = 5000, STEPS = 200000 };
    static bool live[ADDRESSES];
    uint64_t random = 5;
    char *text = NULL;
    size_t size = 0, live_count = 0, peak = 0;
    FILE *stream = open_memstream(&text, &size);
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t pick = test_below(&random, ADDRESSES), address = 0x7f0000000000 + pick * 4096;
        fprintf(stream, live[pick] ? "1: free 0x%llx\n" : "1: malloc 0x%llx 1\n",
                (unsigned long long)address);
        live[pick] = !live[pick];
        live_count += live[pick] ? 1 : (size_t)-1;
        if (live_count > peak) peak = live_count;
    }
    fclose(stream);
    struct ashlar_trace trace;
    test_decode(text, size, ASHLAR_FORMAT_MEMORY_REPLAY, &trace);
    assert_int_equal(trace.count, STEPS);
    assert_int_equal(trace.slots, peak);
    bool *used = calloc(trace.slots, 1);
    for (size_t i = 0; i < trace.count; i++) {
        bool frees = trace.ops[i].kind == ASHLAR_OP_FREE;
        assert_int_equal(used[trace.ops[i].slot], frees);
        used[trace.ops[i].slot] = !frees;
    }
    free(used);
    free(text);
    ashlar_trace_free(&trace);
}

static void formats_have_names(void **state) {
    (void)state;
    for (unsigned i = 1; i < ASHLAR_FORMAT_COUNT; i++) {
        enum ashlar_trace_format format = (enum ashlar_trace_format)i;
        assert_int_equal(ashlar_format_by_name(ashlar_format_name(format)), format);
    }
    assert_int_equal(ashlar_format_by_name("unknown"), ASHLAR_FORMAT_UNKNOWN);
    assert_int_equal(ashlar_format_by_name("Text"), ASHLAR_FORMAT_UNKNOWN);
    assert_string_equal(ashlar_format_name(ASHLAR_FORMAT_COUNT), "unknown");
}

static void nothing_else_is_recognised(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "\n\n",
                                        "hello\n",
                                        "1\n2\n3\n",
                                        "1\n2\n3\nx\n",
                                        "1 2\n3\n4\n5\n",
                                        "12: hello 0x10\n",
                                        "12 malloc 0x10 1\n",
                                        "ashlar",
                                        "\211ASHT\r\n"};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(ashlar_format_detect((const uint8_t *)texts[i], strlen(texts[i])),
                         ASHLAR_FORMAT_UNKNOWN);
}

static void an_operation_is_one_line(void **state) {
    (void)state;
    char text[64];
    struct ashlar_op op = {ASHLAR_OP_CALLOC, 2, 0, 7, 16, 4};
    assert_int_equal(ashlar_op_text(&op, text, sizeof text), 16);
    assert_string_equal(text, "t2 calloc 7 4 16");
    assert_int_equal(ashlar_op_text(&op, text, 5), 16);
    assert_string_equal(text, "t2 c");
    assert_int_equal(ashlar_op_text(&op, NULL, 0), 16);
    op.kind = 200; /* not a kind: shown, never a crash */
    ashlar_op_text(&op, text, sizeof text);
    assert_string_equal(text, "t2 ? 200");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_text_stays_as_it_is),
        cmocka_unit_test(golden_text_has_every_kind),
        cmocka_unit_test(loose_text_becomes_canonical),
        cmocka_unit_test(rep_is_read),
        cmocka_unit_test(memory_replay_is_read),
        cmocka_unit_test(memory_replay_shares_threads_beyond_256),
        cmocka_unit_test(mtrace_is_read),
        cmocka_unit_test(addresses_keep_their_slots),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(nothing_else_is_recognised),
        cmocka_unit_test(an_operation_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
