/* The system underneath a heap: every memory system call of the library goes through one of these
 * tables.
 *
 * A heap created without one uses ashlar_os_linux(). Tests wrap it in ashlar_os_fault.
 */
#ifndef ASHLAR_OS_H
#define ASHLAR_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ashlar_os_call {
    ASHLAR_OS_RESERVE,
    ASHLAR_OS_RELEASE,
    ASHLAR_OS_COMMIT,
    ASHLAR_OS_PURGE,
    ASHLAR_OS_MOVE,
    ASHLAR_OS_CALL_COUNT
};

/* Addresses and sizes are multiples of page_bytes. Functions that answer bool return false on
 * failure, and then have changed nothing. All may be called from any thread. */
struct ashlar_os {
    void *context; /* handed to every function */
    /* Address space without access, aligned to `alignment` (a power of two); NULL on failure. */
    void *(*reserve)(void *context, size_t bytes, size_t alignment);
    void (*release)(void *context, void *address, size_t bytes);
    /* Makes reserved space readable and writable; it reads as zero. */
    bool (*commit)(void *context, void *address, size_t bytes);
    /* Gives pages back; they stay committed and read as zero. */
    bool (*purge)(void *context, void *address, size_t bytes);
    /* Moves the content of committed pages to other committed pages, without copying where the
     * system can; the source then reads as zero. The ranges do not overlap. */
    bool (*move)(void *context, void *from, void *to, size_t bytes);
    /* Undoes what move left behind in the page tables of a range; content becomes zero. */
    bool (*normalize)(void *context, void *address, size_t bytes);
    /* Whether the page at an address, given as any of its bytes, is in memory now. A hint: a page
     * that was never touched or that was given back is not, but nor is one that was swapped out. */
    bool (*resident)(void *context, const void *address);
    size_t (*page_bytes)(void *context);
    uint64_t (*now_ms)(void *context); /* monotonic */
};

const struct ashlar_os *ashlar_os_linux(void);

/* A twin of `below` that fails chosen calls. Not thread safe but for its own counters. */
struct ashlar_os_fault {
    struct ashlar_os os; /* hand &fault.os to the heap */
    const struct ashlar_os *below;
    uint64_t calls;      /* fallible calls seen so far */
    uint64_t fail_at;    /* the call, counted from 1, that fails; 0: none */
    bool fail_after;     /* every later one fails too */
    uint32_t fail_kinds; /* only these kinds count and fail: bits 1 << enum ashlar_os_call */
    uint64_t failed;     /* calls failed so far */
    uint64_t made[ASHLAR_OS_CALL_COUNT]; /* calls of each kind so far, also of kinds left out */
    uint64_t clock_ms;                   /* added to the time that the heap sees */
    bool frozen_clock;   /* no time passes but by clock_ms: runs are deterministic */
    size_t mapped_bytes; /* reserved and not yet released */
};
void ashlar_os_fault_init(struct ashlar_os_fault *fault, const struct ashlar_os *below);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
