/* The process heap's address space; see space.c. */
#ifndef ASH_FRONT_SPACE_H
#define ASH_FRONT_SPACE_H

#include "base/base.h"

#include <ashlar/heap.h>

/* Makes the process heap; NULL when there is no memory for one. Allocates nothing. Fills in what
 * `options` leave open. */
ASH_HIDDEN struct ashlar_heap *ash_front_make_heap(struct ashlar_heap_options *options);

/* The heap's shape under a limit on address space; what the caller set stays. */
ASH_HIDDEN void ash_front_fit(struct ashlar_heap_options *options, uint64_t limit_bytes);

#endif
