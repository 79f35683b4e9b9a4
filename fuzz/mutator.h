/* Mutation of raw traces (ashlar_trace_decode_raw) by whole operations: see mutator.c for the why.
 *
 * Thread safety: every function works on what it is given only; the result is a function of its
 * arguments (and of `bytes`, where that is used).
 */
#ifndef ASH_FUZZ_MUTATOR_H
#define ASH_FUZZ_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* Byte-level mutation in place; returns the new size, at most `capacity` and at least 1. */
typedef size_t ash_byte_mutator(uint8_t *data, size_t size, size_t capacity);

/* Mutates the raw trace in `data`. Returns the new size, 1..capacity, or `size` with nothing
 * changed when `capacity` holds no operation. `bytes` (may be NULL: a small one of our own) makes
 * about one mutation in five. */
size_t ash_mutate(uint8_t *data, size_t size, size_t capacity, uint64_t seed,
                  ash_byte_mutator *bytes);

/* Makes one raw trace out of two. Returns its size, at most `capacity`; 0 when that holds no
 * header. */
size_t ash_crossover(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                     size_t capacity, uint64_t seed);

/* Applies one operator of the table, for tests. Returns the new size, or 0 when the operator had
 * nothing to work on. */
size_t ash_mutate_with(unsigned operator_index, uint8_t *data, size_t size, size_t capacity,
                       uint64_t seed);
unsigned ash_mutation_count(void);
const char *ash_mutation_name(unsigned operator_index);

#endif
