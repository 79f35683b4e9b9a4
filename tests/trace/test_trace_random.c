/* Robustness: random bytes, and good inputs that were damaged, into every reader. What a reader
 * accepts must be a trace that holds its own rules; what it refuses must come with a message and a
 * place inside the input. Run under sanitizers this is the test that no byte is read beyond the
 * end: each input stands in a block of exactly its size.
 *
 * Bounded in rounds, not in time: the same inputs everywhere. */
#include "support.h"

#include "trace/model.h"

enum { ROUNDS = 4000, SIZE_MAX_BYTES = 600 };

static void check(const uint8_t *bytes, size_t size, enum ashlar_trace_format format) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error = {.message = ""};
    uint8_t *exact = malloc(size);
    assert_true(exact || !size);
    if (size) memcpy(exact, bytes, size);
    bool accepted = ashlar_trace_decode(exact, size, format, &trace, &error);
    if (accepted) {
        assert_null(ash_trace_header_problem(&trace));
        for (size_t i = 0; i < trace.count; i++) assert_null(ash_op_problem(&trace.ops[i], &trace));
        /* no input makes more operations than it has bytes, but for raw loops */
        assert_true(trace.count <= size + (format == ASHLAR_FORMAT_RAW ? 1 << 16 : 0));
    } else {
        assert_true(error.message[0] != 0);
        assert_true(error.offset <= size);
        assert_null(trace.ops);
        for (const char *at = error.message; *at; at++) assert_true(*at >= ' ' && *at <= '~');
    }
    ashlar_trace_free(&trace);
    free(exact);
}

static void check_all(const uint8_t *bytes, size_t size) {
    for (unsigned format = 0; format < ASHLAR_FORMAT_COUNT; format++)
        check(bytes, size, (enum ashlar_trace_format)format);
}

static void random_bytes(void **state) {
    (void)state;
    uint64_t random = 21;
    uint8_t bytes[SIZE_MAX_BYTES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = test_below(&random, SIZE_MAX_BYTES);
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)test_random(&random);
        check_all(bytes, size);
    }
}

static void put(uint8_t *bytes, size_t *size, const char *word) {
    while (*word) bytes[(*size)++] = (uint8_t)*word++;
}

/* Words of the formats in any order: gets far deeper than bytes do. */
static void random_words(void **state) {
    (void)state;
    static const char *const words[] = {"ashlar trace 1\n",
                                        "malloc ",
                                        "free ",
                                        "calloc ",
                                        "t1 ",
                                        "realloc ",
                                        "slots ",
                                        "heap ",
                                        "memory ",
                                        "reserved ",
                                        "max",
                                        "max-",
                                        "0x",
                                        "0",
                                        "1",
                                        "17",
                                        "4096",
                                        "18446744073709551615",
                                        " ",
                                        "\n",
                                        "\n",
                                        "\n",
                                        "\t",
                                        "\r\n",
                                        "#",
                                        "a ",
                                        "r ",
                                        "f ",
                                        "-1",
                                        "1:",
                                        "2: ",
                                        "memalign ",
                                        "thread_done 0x0\n",
                                        "0x10 ",
                                        "0x20 ",
                                        "= Start\n",
                                        "= End\n",
                                        "@ ",
                                        "+ ",
                                        "- ",
                                        "< ",
                                        "> ",
                                        "! ",
                                        "(nil) ",
                                        "[0x1]",
                                        "free-foreign ",
                                        "stack",
                                        "seed ",
                                        "threads ",
                                        "\xff",
                                        "\x01"};
    uint64_t random = 22;
    uint8_t bytes[SIZE_MAX_BYTES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = 0, target = test_below(&random, SIZE_MAX_BYTES - 24);
        static const char *const starts[] = {"ashlar trace 1\n", "1\n9\n9\n1\n", "= Start\n",
                                             "1: "};
        put(bytes, &size, starts[test_below(&random, 4)]);
        while (size < target) {
            put(bytes, &size, words[test_below(&random, sizeof words / sizeof words[0])]);
        }
        check_all(bytes, size);
    }
}

static void damage(uint64_t *random, uint8_t *bytes, size_t *size) {
    for (uint64_t changes = 1 + test_below(random, 3); changes && *size; changes--) {
        size_t at = test_below(random, *size), length = 1 + test_below(random, 8);
        if (length > *size - at) length = *size - at;
        switch (test_below(random, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1 << test_below(random, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)test_random(random);
            break;
        case 2:
            *size = at;
            break;
        case 3: /* a piece goes */
            memmove(bytes + at, bytes + at + length, *size - at - length);
            *size -= length;
            break;
        default: /* a piece is copied over another */
            memmove(bytes + test_below(random, *size - length + 1), bytes + at, length);
            break;
        }
    }
}

/* So that damage gets past the checksum. */
static void seal(uint8_t *bytes, size_t size) {
    uint64_t sum = 0x41534854;
    if (size < 64) return;
    for (unsigned i = 0; i < 8; i++) bytes[48 + i] = (uint8_t)((size - 64) >> (8 * i));
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        if (at == 56) continue;
        for (size_t i = 0; i < 8 && at + i < size; i++) word |= (uint64_t)bytes[at + i] << (8 * i);
        sum = (sum ^ word) * 0x9E3779B97F4A7C15;
        sum = sum << 29 | sum >> 35;
    }
    for (unsigned i = 0; i < 8; i++) bytes[56 + i] = (uint8_t)(sum >> (8 * i));
}

static void damaged(enum ashlar_trace_format format, bool compress, bool sealed) {
    uint64_t random = 23 + format;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct ashlar_trace trace;
        test_generate(round, 30, true, &trace);
        struct test_bytes good = test_encode(&trace, format, compress);
        damage(&random, good.bytes, &good.size);
        if (sealed) seal(good.bytes, good.size);
        check(good.bytes, good.size, format);
        check(good.bytes, good.size, ASHLAR_FORMAT_UNKNOWN);
        free(good.bytes);
        ashlar_trace_free(&trace);
    }
}

static void damaged_text(void **state) {
    (void)state;
    damaged(ASHLAR_FORMAT_TEXT, false, false);
}
static void damaged_binary(void **state) {
    (void)state;
    damaged(ASHLAR_FORMAT_BINARY, false, false);
    damaged(ASHLAR_FORMAT_BINARY, false, true);
}
static void damaged_compressed(void **state) {
    (void)state;
    damaged(ASHLAR_FORMAT_BINARY, true, false);
    damaged(ASHLAR_FORMAT_BINARY, true, true);
}
static void damaged_rep(void **state) {
    (void)state;
    damaged(ASHLAR_FORMAT_REP, false, false);
}
static void damaged_memory_replay(void **state) {
    (void)state;
    damaged(ASHLAR_FORMAT_MEMORY_REPLAY, false, false);
}

static void damaged_mtrace(void **state) {
    (void)state;
    uint64_t random = 29;
    struct test_bytes good = test_data("mtrace.log");
    uint8_t *bytes = malloc(good.size);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = good.size;
        memcpy(bytes, good.bytes, size);
        damage(&random, bytes, &size);
        check(bytes, size, ASHLAR_FORMAT_MTRACE);
    }
    free(bytes);
    free(good.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes),          cmocka_unit_test(random_words),
        cmocka_unit_test(damaged_text),          cmocka_unit_test(damaged_binary),
        cmocka_unit_test(damaged_compressed),    cmocka_unit_test(damaged_rep),
        cmocka_unit_test(damaged_memory_replay), cmocka_unit_test(damaged_mtrace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
