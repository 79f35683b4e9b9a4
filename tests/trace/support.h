/* What the trace tests share: traces from seeds, encodings in memory, files for a moment. */
#ifndef ASH_TESTS_TRACE_SUPPORT_H
#define ASH_TESTS_TRACE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ashlar/trace.h>

/* splitmix64 */
uint64_t test_random(uint64_t *state);
static inline uint64_t test_below(uint64_t *state, uint64_t bound) {
    return test_random(state) % bound;
}

/* A trace made from a seed alone: header and up to `max_ops` operations, illegal ones too. With
 * `raw_limits` it is one that the raw encoding can say exactly. */
void test_generate(uint64_t seed, size_t max_ops, bool raw_limits, struct ashlar_trace *out);

/* An encoding in memory; end with free. */
struct test_bytes {
    uint8_t *bytes;
    size_t size;
    size_t lost;
};
struct test_bytes test_encode(const struct ashlar_trace *trace, enum ashlar_trace_format format,
                              bool compress);

/* Decodes what must be decodable; fails the test with the message otherwise. */
void test_decode(const void *bytes, size_t size, enum ashlar_trace_format format,
                 struct ashlar_trace *out);

/* All of a file below the sources' tests/trace/data. */
struct test_bytes test_data(const char *name);

/* Fails the test with both texts when the traces differ. */
void test_same(const struct ashlar_trace *expected, const struct ashlar_trace *found,
               const char *what, uint64_t seed);

#endif
