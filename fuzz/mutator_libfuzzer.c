/* The mutator as libFuzzer calls it. Byte-level mutation is libFuzzer's own, which knows the values
 * that the program compared with. */
#include "engine.h"
#include "mutator.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    return ash_mutate(data, size, max_size, seed, LLVMFuzzerMutate);
}
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
                                 size_t size2, uint8_t *out, size_t max_out_size,
                                 unsigned int seed) {
    return ash_crossover(data1, size1, data2, size2, out, max_out_size, seed);
}
