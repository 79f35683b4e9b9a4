/* What the replay tests share: building traces by hand, generating them, and showing a failing one
 * minimised. */
#ifndef ASH_TEST_REPLAY_SUPPORT_H
#define ASH_TEST_REPLAY_SUPPORT_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <ashlar/trace.h>
#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* An empty trace for a heap of `kib` KiB in memory; `kib` 0: over reserved address space. */
void trace_begin(struct ashlar_trace *trace, uint32_t kib);
void trace_add(struct ashlar_trace *trace, enum ashlar_op_kind kind, uint32_t slot, uint64_t size,
               uint64_t arg);
void trace_add_by(struct ashlar_trace *trace, uint8_t thread, enum ashlar_op_kind kind,
                  uint32_t slot, uint64_t size, uint64_t arg);

/* What kind of traces to generate. */
struct recipe {
    uint32_t kib; /* of the heap in memory; 0: reserved */
    uint32_t slots, threads;
    uint64_t size_limit;
    size_t ops;
    bool illegal;
    uint64_t few[2]; /* when not 0: all blocks are of these two sizes, so that slabs fill up */
};
void trace_generate(struct ashlar_trace *trace, const struct recipe *recipe, uint64_t seed);

/* Fails the test when the replay has a finding, after minimising the trace and printing it. */
void expect_sound(const struct ashlar_trace *trace, const struct ashlar_replay_options *options);

/* Prints a finding in one line. */
void print_finding(const struct ashlar_trace *trace, const struct ashlar_replay_result *result);

#endif
