/* Properties of the encodings over thousands of generated traces: nothing is lost between text,
 * binary and the model; raw decoding is total and reaches a fixed point. */
#include "support.h"

#include "trace/model.h"

enum { TRACES = 3000, OPS = 120 };

static void text_is_lossless(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < TRACES; seed++) {
        struct ashlar_trace trace, back;
        test_generate(seed, OPS, false, &trace);
        struct test_bytes text = test_encode(&trace, ASHLAR_FORMAT_TEXT, false);
        assert_int_equal(text.lost, 0);
        assert_int_equal(ashlar_format_detect(text.bytes, text.size), ASHLAR_FORMAT_TEXT);
        test_decode(text.bytes, text.size, ASHLAR_FORMAT_UNKNOWN, &back);
        test_same(&trace, &back, "text", seed);
        /* and canonical: writing again gives the same bytes */
        struct test_bytes again = test_encode(&back, ASHLAR_FORMAT_TEXT, false);
        assert_int_equal(text.size, again.size);
        assert_memory_equal(text.bytes, again.bytes, text.size);
        free(text.bytes);
        free(again.bytes);
        ashlar_trace_free(&trace);
        ashlar_trace_free(&back);
    }
}

static void binary_is_lossless(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < TRACES; seed++) {
        struct ashlar_trace trace, back;
        test_generate(seed, OPS, false, &trace);
        for (unsigned compress = 0; compress < 2; compress++) {
            struct test_bytes binary = test_encode(&trace, ASHLAR_FORMAT_BINARY, compress);
            assert_int_equal(ashlar_format_detect(binary.bytes, binary.size), ASHLAR_FORMAT_BINARY);
            test_decode(binary.bytes, binary.size, ASHLAR_FORMAT_UNKNOWN, &back);
            test_same(&trace, &back, compress ? "compressed" : "binary", seed);
            if (!compress) assert_int_equal(binary.size, 64 + trace.count * ASHLAR_OP_BYTES);
            free(binary.bytes);
            ashlar_trace_free(&back);
        }
        ashlar_trace_free(&trace);
    }
}

static void raw_is_lossless_within_its_limits(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < TRACES; seed++) {
        struct ashlar_trace trace, back;
        test_generate(seed, OPS, true, &trace);
        struct test_bytes raw = test_encode(&trace, ASHLAR_FORMAT_RAW, false);
        assert_int_equal(raw.lost, 0);
        assert_int_equal(raw.size, ASHLAR_RAW_HEADER_BYTES + trace.count * ASHLAR_OP_BYTES);
        test_decode(raw.bytes, raw.size, ASHLAR_FORMAT_RAW, &back);
        test_same(&trace, &back, "raw", seed);
        free(raw.bytes);
        ashlar_trace_free(&trace);
        ashlar_trace_free(&back);
    }
}

static void assert_well_formed(const struct ashlar_trace *trace) {
    assert_null(ash_trace_header_problem(trace));
    assert_true(trace->threads <= ASHLAR_RAW_THREADS && trace->slots <= ASHLAR_RAW_SLOTS);
    for (size_t i = 0; i < trace->count; i++) assert_null(ash_op_problem(&trace->ops[i], trace));
}

/* Any bytes are a trace, of an operation each record but for loops; what it is encoded as decodes
 * to the same, and encodes to the same. */
static void raw_is_total(void **state) {
    (void)state;
    uint64_t random = 11;
    uint8_t bytes[600];
    size_t room = 8 + (((size_t)1 << 16) + 25) * 24;
    uint8_t *first = malloc(room), *second = malloc(room);
    assert_true(first != NULL && second != NULL);
    for (unsigned round = 0; round < 8000; round++) {
        bool loops = round % 16 == 0;
        size_t size = test_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) {
            bool flags = i >= 8 && ((i - 8) % 24 == 2 || (i - 8) % 24 == 3);
            bytes[i] = flags && !loops ? 0 : (uint8_t)test_random(&random);
        }
        struct ashlar_trace trace, back;
        assert_true(ashlar_trace_decode_raw(bytes, size, SIZE_MAX, &trace));
        size_t records = size > 8 ? (size - 8 + 23) / 24 : 0;
        assert_true(loops ? trace.count >= records : trace.count == records);
        assert_well_formed(&trace);
        size_t needed = ashlar_trace_encode_raw(&trace, first, room);
        assert_int_equal(needed, 8 + trace.count * 24);
        assert_true(ashlar_trace_decode_raw(first, needed, SIZE_MAX, &back));
        test_same(&trace, &back, "raw fixed point", round);
        assert_int_equal(ashlar_trace_encode_raw(&back, second, room), needed);
        assert_memory_equal(first, second, needed);
        ashlar_trace_free(&trace);
        ashlar_trace_free(&back);
    }
    free(first);
    free(second);
}

/* Three blocks on slots two apart, and one of them wraps; a loop that is too long is done once. */
static void raw_writes_loops_out(void **state) {
    (void)state;
    uint8_t bytes[8 + 3 * 24] = {0};
    bytes[8 + 2] = 2;      /* twice again */
    bytes[8 + 3] = 1 << 2; /* step 2 */
    bytes[8 + 4] = (ASHLAR_RAW_SLOTS - 3) & 0xff;
    bytes[8 + 5] = (ASHLAR_RAW_SLOTS - 3) >> 8;
    bytes[8 + 24] = ASHLAR_OP_TRIM; /* has no slot */
    bytes[8 + 24 + 2] = 9;
    bytes[8 + 48] = ASHLAR_OP_FREE;
    bytes[8 + 48 + 2] = 1;
    struct ashlar_trace trace;
    assert_true(ashlar_trace_decode_raw(bytes, sizeof bytes, 6, &trace));
    const struct ashlar_op whole[] = {{ASHLAR_OP_MALLOC, 0, 0, ASHLAR_RAW_SLOTS - 3, 0, 0},
                                      {ASHLAR_OP_MALLOC, 0, 0, ASHLAR_RAW_SLOTS - 1, 0, 0},
                                      {ASHLAR_OP_MALLOC, 0, 0, 1, 0, 0},
                                      {ASHLAR_OP_TRIM, 0, 0, 0, 0, 0},
                                      {ASHLAR_OP_FREE, 0, 0, 0, 0, 0},
                                      {ASHLAR_OP_FREE, 0, 0, 1, 0, 0}};
    assert_int_equal(trace.count, 6);
    assert_memory_equal(trace.ops, whole, sizeof whole);
    ashlar_trace_free(&trace);
    assert_true(ashlar_trace_decode_raw(bytes, sizeof bytes, 2, &trace));
    assert_int_equal(trace.count, 2);
    assert_memory_equal(&trace.ops[0], &whole[0], sizeof *whole);
    assert_memory_equal(&trace.ops[1], &whole[3], sizeof *whole);
    ashlar_trace_free(&trace);
}

static void raw_respects_its_bounds(void **state) {
    (void)state;
    uint8_t bytes[8 + 24 * 3] = {1, 2, 3, 0xff, 4, 0, 0, 0};
    struct ashlar_trace trace;
    assert_true(ashlar_trace_decode_raw(bytes, sizeof bytes, 2, &trace));
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.heap, ASHLAR_HEAP_IN_MEMORY);
    assert_int_equal(trace.heap_kib, 1024 + 128);
    assert_int_equal(trace.threads, 4);
    assert_int_equal(trace.seed, 4);
    uint8_t small[55];
    memset(small, 0xee, sizeof small);
    assert_int_equal(ashlar_trace_encode_raw(&trace, small, sizeof small), 56);
    for (unsigned i = 0; i < sizeof small; i++) assert_int_equal(small[i], 0xee); /* untouched */
    ashlar_trace_free(&trace);
    assert_true(ashlar_trace_decode_raw(NULL, 0, 100, &trace));
    assert_int_equal(trace.count, 0);
    assert_int_equal(trace.threads, 1);
    assert_int_equal(trace.heap, ASHLAR_HEAP_RESERVED);
    assert_int_equal(trace.heap_kib, 64 * 1024); /* MiB: no default of a TiB */
    for (unsigned i = 0; i < 2; i++) {           /* which is cut down to it, too */
        uint8_t header[ASHLAR_RAW_HEADER_BYTES];
        trace.heap_kib = i == 0 ? 0 : 1 << 20;
        assert_int_equal(ashlar_trace_encode_raw(&trace, header, sizeof header), sizeof header);
        assert_int_equal(header[1], 0);
    }
    ashlar_trace_free(&trace);
}

/* A partial record is filled with zeros. */
static void raw_fills_what_is_cut_off(void **state) {
    (void)state;
    const uint8_t bytes[8 + 9] = {0, 0, 0, 0, 0, 0, 0, 0, ASHLAR_OP_MALLOC,
                                  0, 0, 0, 5, 0, 0, 0, 77};
    struct ashlar_trace trace;
    assert_true(ashlar_trace_decode_raw(bytes, sizeof bytes, 100, &trace));
    const struct ashlar_op expected = {ASHLAR_OP_MALLOC, 0, 0, 5, 77, 0};
    assert_int_equal(trace.count, 1);
    assert_memory_equal(&trace.ops[0], &expected, sizeof expected);
    ashlar_trace_free(&trace);
}

static void raw_says_what_it_loses(void **state) {
    (void)state;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    const struct ashlar_op ops[] = {{ASHLAR_OP_MALLOC, 0, 0, ASHLAR_RAW_SLOTS - 1, 1, 0},
                                    {ASHLAR_OP_MALLOC, 0, 0, ASHLAR_RAW_SLOTS, 1, 0},
                                    {ASHLAR_OP_MALLOC, 4, 0, 0, 1, 0}};
    for (unsigned i = 0; i < 3; i++) assert_true(ashlar_trace_append(&trace, &ops[i]));
    struct test_bytes raw = test_encode(&trace, ASHLAR_FORMAT_RAW, false);
    assert_int_equal(raw.lost, 2);
    free(raw.bytes);
    ashlar_trace_free(&trace);
}

/* Large, repetitive, compressed: the ratio bound must not make a trace that cannot be read. */
static void a_very_repetitive_trace_can_be_read_back(void **state) {
    (void)state;
    struct ashlar_trace trace, back;
    ashlar_trace_init(&trace);
    trace.count = 3200000; /* 76.8 MB of records, beyond what any ratio is allowed */
    trace.capacity = trace.count;
    trace.slots = 1;
    trace.ops = calloc(trace.count, sizeof *trace.ops);
    assert_non_null(trace.ops);
    struct test_bytes binary = test_encode(&trace, ASHLAR_FORMAT_BINARY, true);
    test_decode(binary.bytes, binary.size, ASHLAR_FORMAT_BINARY, &back);
    assert_true(ashlar_trace_equal(&trace, &back));
    free(binary.bytes);
    ashlar_trace_free(&trace);
    ashlar_trace_free(&back);
}

static void compression_makes_small(void **state) {
    (void)state;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    for (uint32_t i = 0; i < 100000; i++) {
        struct ashlar_op op = {.kind = i % 2 ? ASHLAR_OP_FREE : ASHLAR_OP_MALLOC,
                               .slot = i / 2 % 9,
                               .size = 16 + i % 7};
        assert_true(ashlar_trace_append(&trace, &op));
    }
    struct test_bytes plain = test_encode(&trace, ASHLAR_FORMAT_BINARY, false);
    struct test_bytes small = test_encode(&trace, ASHLAR_FORMAT_BINARY, true);
    assert_true(small.size < plain.size / 50);
    free(plain.bytes);
    free(small.bytes);
    ashlar_trace_free(&trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_lossless),
        cmocka_unit_test(binary_is_lossless),
        cmocka_unit_test(raw_is_lossless_within_its_limits),
        cmocka_unit_test(raw_is_total),
        cmocka_unit_test(raw_writes_loops_out),
        cmocka_unit_test(raw_respects_its_bounds),
        cmocka_unit_test(raw_fills_what_is_cut_off),
        cmocka_unit_test(raw_says_what_it_loses),
        cmocka_unit_test(a_very_repetitive_trace_can_be_read_back),
        cmocka_unit_test(compression_makes_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
