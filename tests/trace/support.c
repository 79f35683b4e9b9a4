/* See support.h. Everything is a function of its arguments, so that a failure names a seed and the
 * seed is the reproducer. */
#include "support.h"

uint64_t test_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void generate_header(uint64_t *state, bool raw_limits, struct ashlar_trace *out) {
    ashlar_trace_init(out);
    uint32_t units = (uint32_t)test_below(state, 256);
    out->heap = (uint8_t)test_below(state, 2);
    uint32_t region = raw_limits && units == 0 ? 64 * 1024 : units * 64;
    out->heap_kib = out->heap == ASHLAR_HEAP_IN_MEMORY ? 1024 + units * 64 : region;
    out->threads = 1 + (uint32_t)test_below(state, raw_limits ? ASHLAR_RAW_THREADS : 256);
    out->seed = test_random(state) >> (raw_limits ? 32 : test_below(state, 64));
}

void test_generate(uint64_t seed, size_t max_ops, bool raw_limits, struct ashlar_trace *out) {
    uint64_t state = seed * 0x1234567 + 1;
    generate_header(&state, raw_limits, out);
    uint64_t slots_max =
        raw_limits ? (uint64_t)ASHLAR_RAW_SLOTS : (uint64_t)1 << test_below(&state, 21);
    struct ashlar_generator generator = {
        .state = test_random(&state),
        .slots = 1 + (uint32_t)test_below(&state, slots_max),
        .threads = out->threads,
        .size_limit = (uint64_t)1 << test_below(&state, 40),
        .illegal = true,
    };
    size_t count = test_below(&state, max_ops + 1);
    for (size_t i = 0; i < count; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        assert_true(ashlar_trace_append(out, &op));
    }
    if (!raw_limits && test_below(&state, 2)) out->slots += (uint32_t)test_below(&state, 100);
}

struct test_bytes test_encode(const struct ashlar_trace *trace, enum ashlar_trace_format format,
                              bool compress) {
    struct test_bytes result = {0};
    struct ashlar_trace_error error = {0};
    char *bytes = NULL;
    FILE *stream = open_memstream(&bytes, &result.size);
    assert_non_null(stream);
    if (!ashlar_trace_write(trace, stream, format, compress, &result.lost, &error))
        fail_msg("cannot write %s: %s", ashlar_format_name(format), error.message);
    fclose(stream);
    result.bytes = (uint8_t *)bytes;
    return result;
}

void test_decode(const void *bytes, size_t size, enum ashlar_trace_format format,
                 struct ashlar_trace *out) {
    struct ashlar_trace_error error = {0};
    if (!ashlar_trace_decode(bytes, size, format, out, &error))
        fail_msg("cannot read: line %zu, offset %zu: %s", error.line, error.offset, error.message);
}

struct test_bytes test_data(const char *name) {
    struct test_bytes result = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/trace/data/%s", ASHLAR_SOURCE_DIR, name);
    FILE *stream = fopen(path, "rb");
    if (!stream) fail_msg("no %s", path);
    enum { DATA_MAX = 1 << 20 };
    result.bytes = malloc(DATA_MAX);
    assert_non_null(result.bytes);
    result.size = fread(result.bytes, 1, DATA_MAX, stream);
    assert_true(result.size < DATA_MAX);
    fclose(stream);
    return result;
}

void test_same(const struct ashlar_trace *expected, const struct ashlar_trace *found,
               const char *what, uint64_t seed) {
    if (ashlar_trace_equal(expected, found)) return;
    struct test_bytes a = test_encode(expected, ASHLAR_FORMAT_TEXT, false);
    struct test_bytes b = test_encode(found, ASHLAR_FORMAT_TEXT, false);
    fail_msg("%s, seed %llu: expected\n%s\nfound\n%s", what, (unsigned long long)seed,
             (char *)a.bytes, (char *)b.bytes);
}
