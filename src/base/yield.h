/* Yield points: where a deterministic scheduler may stop one logical thread and go on with another.
 *
 * Compiled in only with ASHLAR_YIELDS: in the twin of the core that fuzz_threads and the command
 * line replay on (ashlar_scheduled). Everywhere else ASH_YIELD is nothing, and no lock asks whether
 * there is a scheduler.
 *
 * A point stands before the step that it is named after: what other threads do while a thread waits
 * there comes before that step. Between two points a logical thread runs undisturbed, so what is
 * explored are the sequentially consistent interleavings of the steps; what weaker memory orders
 * would add is for the model in docs/model and for ThreadSanitizer.
 */
#ifndef ASH_YIELD_H
#define ASH_YIELD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Locks, then the steps as remote.c (F, C), visit.c (O, V), kept.c (K, T), threads.c and bins.c
 * call them. */
enum ash_point {
    ASH_POINT_START = 0, /* of an operation: not in the core */
    ASH_POINT_LOCK,
    ASH_POINT_UNLOCK,
    ASH_POINT_F1,
    ASH_POINT_F2,
    ASH_POINT_F3,
    ASH_POINT_F4,
    ASH_POINT_F4_LINKED, /* the slab links to what was the top */
    ASH_POINT_F5,
    ASH_POINT_F6,
    ASH_POINT_F6_SEEN, /* the slab was complete */
    ASH_POINT_C1,
    ASH_POINT_C2,
    ASH_POINT_C2_LINK, /* the next slab's link was read */
    ASH_POINT_C3,
    ASH_POINT_C3_SET, /* the free bits are set, the remote ones yet to be cleared */
    ASH_POINT_SETTLE,
    ASH_POINT_O2,
    ASH_POINT_O3,
    ASH_POINT_O4,
    ASH_POINT_V2,
    ASH_POINT_V3,
    ASH_POINT_V4,
    ASH_POINT_V4_SLAB, /* the next slab of a visit */
    ASH_POINT_V5,
    ASH_POINT_LOOK,  /* a visit that is due was claimed */
    ASH_POINT_LEAVE, /* a bin has left its slab */
    ASH_POINT_ENTER, /* a bin has entered a slab */
    ASH_POINT_TAKE,  /* the candidate is gone, the block's bit yet to be cleared */
    ASH_POINT_FREE,  /* the remote summary was read, the block's bit yet to be set */
    ASH_POINT_K2,    /* a span's kind was read, the span yet to be claimed */
    ASH_POINT_K3,    /* it is claimed, and yet to be kept */
    ASH_POINT_K4,    /* it is kept, and the clock yet to be set */
    ASH_POINT_T1,    /* the first of those kept was read, and is yet to leave its list */
    ASH_POINT_T2,    /* the span is in no list, and yet to be live */
    ASH_POINT_POOL,  /* the pool is about to change hands */
    ASH_POINT_POOLED,
    ASH_POINT_COUNT
};

struct ash_scheduler {
    /* The running logical thread is at `point`. */
    void (*pass)(enum ash_point point);
    /* It cannot go on until *state is 0, which it finds on return. */
    void (*wait)(const _Atomic uint32_t *state);
    uint32_t thread; /* which one runs; part of the marks of the locks that it takes */
};

/* Who schedules; NULL: nobody, and every thread runs through. */
extern struct ash_scheduler *ash_scheduler;
/* Whether the core in this program has yield points. */
extern const bool ash_core_yields;

#ifdef ASHLAR_YIELDS
enum { ASH_YIELDS = 1 };
#define ASH_YIELD(point)                                                                           \
    do {                                                                                           \
        if (ash_scheduler != NULL) ash_scheduler->pass(ASH_POINT_##point);                         \
    } while (0)
#else
enum { ASH_YIELDS = 0 };
#define ASH_YIELD(point) ((void)0)
#endif

#endif
