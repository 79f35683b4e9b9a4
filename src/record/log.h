/* The writing side of the raw log, inside the recorded process. See log.c. */
#ifndef ASH_RECORD_LOG_H
#define ASH_RECORD_LOG_H

#include "record/raw_log.h"
#include <stdbool.h>
#include <stddef.h>

/* What the recorder keeps per thread. All zero is the state of a thread that never allocated. */
struct ash_log_thread {
    struct ash_raw_chunk *chunk; /* being filled; NULL: none yet */
    uintptr_t inside;    /* frame of the call into the allocator that is under way; 0: none */
    uint32_t generation; /* of the log that `chunk` belongs to */
    uint32_t depth; /* events being written: above 1 in a signal handler that interrupted one */
    uint16_t id;    /* thread number in events */
    uint8_t exit_rounds; /* times that our destructor has run */
    bool late;           /* our destructor is done: events go to the shared chunk */
};

extern _Thread_local struct ash_log_thread ash_log_thread;
extern _Atomic(bool) ash_log_enabled;

/* Opens the log, when the environment asks for one. Called once, before any other function. */
void ash_log_start(void);

/* Writes one event, numbered now. errno is kept. */
void ash_log_event(enum ash_raw_kind kind, const void *address, size_t size, uint64_t arg);

/* Marks the thread as being inside the allocator. False when nothing is recorded or when the call
 * comes from inside another one: then the caller passes the call on and records nothing.
 *
 * What is kept is the frame's address, not a flag: a signal handler may leave a call for good by
 * siglongjmp. The next call then comes from a frame that is not below the one kept, and is thereby
 * known not to be inside it. */
static inline bool ash_log_enter(uintptr_t frame) {
    if (!atomic_load_explicit(&ash_log_enabled, memory_order_relaxed)) return false;
    struct ash_log_thread *self = &ash_log_thread;
    if (self->inside != 0 && frame < self->inside) return false;
    self->inside = frame;
    return true;
}
static inline void ash_log_leave(void) {
    ash_log_thread.inside = 0;
}
#define ASH_LOG_ENTER() ash_log_enter((uintptr_t)__builtin_frame_address(0))

#endif
