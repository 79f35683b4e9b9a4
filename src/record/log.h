/* The writing side of the raw log, inside the recorded process. See log.c. */
#ifndef ASH_RECORD_LOG_H
#define ASH_RECORD_LOG_H

#include "record/raw_log.h"
#include <stdbool.h>
#include <stddef.h>

/* What the recorder keeps per thread. All zero is the state of a thread that never allocated. */
struct ash_log_thread {
    struct ash_raw_chunk *chunk; /* being filled; NULL: none yet */
    uint32_t generation;         /* of the log that `chunk` belongs to */
    uint32_t depth; /* events being written: above 1 in a signal handler that interrupted one */
    uint16_t id;    /* thread number in events */
    uint8_t exit_rounds; /* times that our destructor has run */
    bool inside;         /* a call into the allocator is under way */
    bool working;        /* the recorder itself is; signals are blocked */
    bool late;           /* our destructor is done: events go to the shared chunk */
};

extern _Thread_local struct ash_log_thread ash_log_thread;
extern _Atomic(bool) ash_log_enabled;

/* Opens the log, when the environment asks for one. Called once, before any other function. */
void ash_log_start(void);

/* Writes one event, numbered now. errno is kept. */
void ash_log_event(enum ash_raw_kind kind, const void *address, size_t size, uint64_t arg);

/* The code of the allocator underneath, when that is not libc, and of this library. Set before
 * ash_log_start. */
struct ash_log_range {
    uintptr_t start, bytes;
};
extern struct ash_log_range ash_log_allocator, ash_log_recorder;

static inline bool ash_log_within(struct ash_log_range range, uintptr_t address) {
    return address - range.start < range.bytes;
}

/* Whether a call that returns to `caller` is the program's own, and recorded. It is not when an
 * allocator makes it on its own behalf: from its own code, inside another call. Where the call
 * comes from is asked, and not only whether one is under way, because a signal handler may
 * interrupt the allocator and call it itself, and may leave by siglongjmp for good. */
static inline bool ash_log_wanted(const void *caller) {
    if (!atomic_load_explicit(&ash_log_enabled, memory_order_relaxed)) return false;
    const struct ash_log_thread *self = &ash_log_thread;
    if (__builtin_expect(self->inside || self->working, 0))
        return !self->working && !ash_log_within(ash_log_allocator, (uintptr_t)caller) &&
               !ash_log_within(ash_log_recorder, (uintptr_t)caller);
    return true;
}

/* Around each call into the allocator. `enter` returns what `leave` wants. */
static inline bool ash_log_enter(void) {
    bool before = ash_log_thread.inside;
    ash_log_thread.inside = true;
    return before;
}
static inline void ash_log_leave(bool before) {
    ash_log_thread.inside = before;
}
#define ASH_LOG_CALLER() __builtin_return_address(0)

#endif
