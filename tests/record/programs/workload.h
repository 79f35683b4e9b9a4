/* What the recorded test programs and the test agree on. */
#ifndef ASH_TEST_WORKLOAD_H
#define ASH_TEST_WORKLOAD_H

#include <stdatomic.h>
#include <stdint.h>

/* Sizes in this range are the workload's own; all others are libc's and are not counted. */
enum { MARK_LOW = 40001, MARK_HIGH = 50000 };

/* In a file that both map shared: what the workload has completed, counted after each call. It
 * outlives the workload however that ends. */
struct progress {
    _Atomic(uint64_t) allocations, frees, moves;
    _Atomic(uint64_t) children[3]; /* the same, by forked children */
    _Atomic(uint64_t) handled;     /* allocations begun in a signal handler */
};
#define PROGRESS_ENV "RECORD_TEST_PROGRESS"

#endif
