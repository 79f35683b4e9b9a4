/* The mutator as AFL++ calls it: a shared object of its own, since it runs within afl-fuzz, not
 * within the harness.
 *
 * afl-fuzz keeps its mutations and ours: AFL_CUSTOM_MUTATOR_ONLY is not needed, as every byte
 * string is a trace. Trimming removes whole operations, in ranges that halve from pass to pass; its
 * own trimming would shift the bytes of all later records.
 */
#include "engine.h"
#include "mutator.h"

#include <ashlar/trace.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_BYTES = 1 << 20, TRIM_STEPS = 24 };

struct afl_mutator {
    uint64_t seed; /* of the next mutation */
    uint8_t out[OUT_BYTES];
    /* Trimming: the smallest input that still covers the same, and the range to leave out next. */
    uint8_t best[OUT_BYTES];
    size_t best_size, tried_size, at_op, range_ops;
    int32_t step;
};

void *afl_custom_init(void *afl, unsigned int seed) {
    (void)afl;
    struct afl_mutator *mutator = calloc(1, sizeof *mutator);
    if (mutator != NULL) mutator->seed = (uint64_t)seed << 32;
    return mutator;
}
void afl_custom_deinit(void *data) {
    free(data);
}

size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t buf_size, uint8_t **out_buf,
                       uint8_t *add_buf, size_t add_buf_size, size_t max_size) {
    struct afl_mutator *mutator = data;
    size_t capacity = max_size < OUT_BYTES ? max_size : OUT_BYTES;
    uint64_t seed = mutator->seed++;
    size_t made = 0;
    *out_buf = mutator->out;
    if (add_buf != NULL && add_buf_size != 0 && seed % 8 == 0)
        made = ash_crossover(buf, buf_size, add_buf, add_buf_size, mutator->out, capacity, seed);
    if (made != 0) return made;
    made = buf_size < capacity ? buf_size : capacity;
    memcpy(mutator->out, buf, made);
    return ash_mutate(mutator->out, made, capacity, seed, NULL);
}

static size_t op_count(size_t bytes) {
    return bytes > ASHLAR_RAW_HEADER_BYTES
               ? (bytes - ASHLAR_RAW_HEADER_BYTES + ASHLAR_OP_BYTES - 1) / ASHLAR_OP_BYTES
               : 0;
}

int32_t afl_custom_init_trim(void *data, uint8_t *buf, size_t buf_size) {
    struct afl_mutator *mutator = data;
    size_t count = op_count(buf_size);
    if (buf_size > OUT_BYTES || count < 2) return 0;
    memcpy(mutator->best, buf, buf_size);
    mutator->best_size = buf_size;
    mutator->range_ops = (count + 3) / 4;
    mutator->at_op = 0;
    mutator->step = 0;
    return TRIM_STEPS;
}
/* The best input without [at_op, at_op + range_ops). */
size_t afl_custom_trim(void *data, uint8_t **out_buf) {
    struct afl_mutator *mutator = data;
    size_t from = ASHLAR_RAW_HEADER_BYTES + mutator->at_op * ASHLAR_OP_BYTES;
    size_t to = from + mutator->range_ops * ASHLAR_OP_BYTES;
    if (to > mutator->best_size) to = mutator->best_size;
    memcpy(mutator->out, mutator->best, from);
    memcpy(mutator->out + from, mutator->best + to, mutator->best_size - to);
    mutator->tried_size = from + mutator->best_size - to;
    *out_buf = mutator->out;
    return mutator->tried_size;
}
int32_t afl_custom_post_trim(void *data, uint8_t success) {
    struct afl_mutator *mutator = data;
    if (success) {
        memcpy(mutator->best, mutator->out, mutator->tried_size);
        mutator->best_size = mutator->tried_size;
    } else {
        mutator->at_op += mutator->range_ops;
    }
    if (mutator->at_op >= op_count(mutator->best_size)) {
        mutator->at_op = 0;
        mutator->range_ops /= 2;
    }
    mutator->step++;
    bool ends = mutator->range_ops == 0 || op_count(mutator->best_size) < 2;
    return ends ? TRIM_STEPS : mutator->step;
}
