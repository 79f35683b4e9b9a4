/* A target: an allocator under test, as a table of functions and what it promises.
 *
 * An adapter for another allocator is one such table; docs/FUZZ_YOUR_ALLOCATOR.md shows two. What
 * every malloc promises is always checked: blocks apart from each other, their contents kept,
 * calloc's zeros, no block for a size above PTRDIFF_MAX or a product that wraps. Where allocators
 * may differ, a flag says what this one does, and what no flag promises is no finding. A function
 * that is NULL is not called.
 *
 * Thread safety: one call at a time. The calls come from one OS thread, or for
 * ashlar_target_on_threads from one for each logical thread.
 */
#ifndef ASHLAR_TARGET_H
#define ASHLAR_TARGET_H

#include <ashlar/check.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ashlar_target_flags {
    ASHLAR_TARGET_ZERO_IS_NULL = 1,         /* malloc(0) gives NULL; else a distinct block */
    ASHLAR_TARGET_ABORTS_ON_EXHAUSTION = 2, /* absurd sizes are not tried */
    ASHLAR_TARGET_SETS_ERRNO = 4,           /* ENOMEM / EINVAL on failure */
    ASHLAR_TARGET_FINDS_MISUSE = 8,  /* double, interior and foreign frees reach its misuse report
                                        exactly; else  illegal operations are skipped */
    ASHLAR_TARGET_FINDS_SIZE = 16,   /* a sized free of another class is reported */
    ASHLAR_TARGET_OWNS_MAPPING = 32, /* destroy gives back everything mapped */
    ASHLAR_TARGET_PROCESS_WIDE = 64, /* all instances are one: nothing is gone after destroy */
    ASHLAR_TARGET_ZERO_ANY = 128,    /* malloc(0) gives NULL or a distinct block, as it likes */
    ASHLAR_TARGET_ALIGNS_ALL = 256,  /* `alignment` holds for sizes below it, too */
    ASHLAR_TARGET_KEEPS_ERRNO = 512, /* free, and realloc to 0, leave errno as it was */
    ASHLAR_TARGET_OS_THREADS = 1024, /* it has caches for each OS thread: the harness plays it
                                        by ashlar_target_on_threads */
};

/* Which system calls fail, of those of a target that has `fail_call`. */
struct ashlar_fault_plan {
    uint64_t at;    /* the call, counted from 1 from the making of the instance on; 0: none */
    bool after;     /* every later one, too */
    uint32_t kinds; /* those that count: bits 1 << enum ashlar_os_call; 0: all */
};

struct ashlar_target_config {
    uint8_t heap;      /* enum ashlar_trace_heap */
    uint32_t heap_kib; /* as in struct ashlar_trace */
    uint32_t threads;  /* logical threads 0..threads-1 */
    bool exact_trim;   /* free pages stay until trim or a moved clock (no time passes by itself) */
    const struct ashlar_fault_plan *faults; /* NULL: none */
    ashlar_misuse_handler *on_misuse;
    void *context;
    size_t *left_mapped; /* OWNS_MAPPING: destroy stores here how many bytes stayed mapped; may be
                            NULL */
};

struct ashlar_target {
    const char *name;
    uint32_t flags;   /* enum ashlar_target_flags */
    size_t alignment; /* promised for malloc: min(this, largest power of two not above the size);
                         with ALIGNS_ALL just this */
    size_t capacity;  /* PROCESS_WIDE: with so many bytes live, a small request still has room; 0:
                             64 MiB */
    size_t alignment_max; /* largest that aligned_alloc takes; 0: no aligned_alloc */
    enum ashlar_status (*create)(const struct ashlar_target *target,
                                 const struct ashlar_target_config *config, void **instance);
    void (*destroy)(void *instance);
    void *(*malloc)(void *instance, uint32_t thread, size_t bytes);
    void *(*calloc)(void *instance, uint32_t thread, size_t count, size_t bytes);
    void *(*realloc)(void *instance, uint32_t thread, void *block, size_t bytes); /* NULL: none */
    void *(*aligned_alloc)(void *instance, uint32_t thread, size_t alignment,
                           size_t bytes); /* NULL: none */
    void (*free)(void *instance, uint32_t thread, void *block);
    /* Optional from here on: NULL when the target cannot. */
    /* `alignment` is what aligned_alloc was asked for, 0 for other blocks. */
    void (*free_sized)(void *instance, uint32_t thread, void *block, size_t alignment,
                       size_t bytes);
    size_t (*usable_size)(void *instance, uint32_t thread, void *block);
    void (*trim)(void *instance, uint32_t thread);
    void (*collect)(void *instance, uint32_t thread);
    void (*thread_exit)(void *instance, uint32_t thread);
    void (*reset)(void *instance);
    void (*advance_clock)(void *instance, uint64_t ms);
    void (*fail_call)(void *instance, uint64_t nth);
    /* How many calls of a kind (enum ashlar_os_call) that could have failed there were so far. */
    uint64_t (*calls)(void *instance, uint32_t kind);
    uint64_t (*failed)(void *instance); /* and how many of all did */
    bool (*flip)(void *instance,
                 uint64_t bit); /* flips a bit of the metadata; false when there is none */
    /* A native check; `address` != 0 asks for the O(1) one around it, else the full one. */
    enum ashlar_verdict (*check)(void *instance, uintptr_t address, ashlar_finding_sink *sink,
                                 void *context, struct ashlar_check_report *report);
    /* Every block lies in [*start, *end). */
    void (*region)(void *instance, uintptr_t *start, uintptr_t *end);
    struct ashlar_heap *(*heap)(void *instance); /* the core only */
    void *data;                                  /* the adapter's own */
};

extern const struct ashlar_target ashlar_target_core;
extern const struct ashlar_target ashlar_target_libc;

/* malloc's family as plain functions, which is what most allocators are. NULL where it has none;
 * malloc, calloc and free it must have. */
struct ashlar_malloc_family {
    void *(*malloc)(size_t bytes);
    void *(*calloc)(size_t count, size_t bytes);
    void *(*realloc)(void *block, size_t bytes);
    int (*posix_memalign)(void **block, size_t alignment, size_t bytes);
    void *(*aligned_alloc)(size_t alignment,
                           size_t bytes); /* asked when there is no posix_memalign:
                                                               powers of two only */
    void (*free)(void *block);
    size_t (*usable_size)(void *block);
    int (*trim)(size_t keep);
};
/* The family as a process-wide target with 16-byte alignment; `flags` are what it promises besides.
 * `family` has to outlive the target. Change what differs:
 *
 *   static const struct ashlar_malloc_family family = {.malloc = my_malloc, ...};
 *   struct ashlar_target target = ashlar_target_of(&family, "mine", ASHLAR_TARGET_SETS_ERRNO);
 *   target.alignment = 8;
 */
struct ashlar_target ashlar_target_of(const struct ashlar_malloc_family *family, const char *name,
                                      uint32_t flags);

/* Any shared library with the malloc names, each with `prefix` before it ("" or "je_", ...). What
 * malloc(0) gives and whether failures set errno is found out by asking it once. NULL with a
 * message in `error` when it cannot be loaded. End with ashlar_target_unload. */
struct ashlar_target *ashlar_target_load(const char *path, const char *prefix, char *error,
                                         size_t error_bytes);
void ashlar_target_unload(struct ashlar_target *target);

/* The same target with an OS thread for each logical one: for allocators that keep caches for each.
 * Operations are handed over one at a time, in the order of the trace; thread-exit ends the thread.
 * One at a time in a process: the next call ends the use of the one before. `inner` has to outlive
 * it. NULL for the core, whose logical threads are thread heaps already. */
const struct ashlar_target *ashlar_target_on_threads(const struct ashlar_target *inner);

/* What the harness of ashlar_add_fuzz_targets fuzzes: defined by the adapter, called once. NULL
 * ends the harness; the adapter has said why. */
const struct ashlar_target *ashlar_fuzz_target(void);

#ifdef __cplusplus
}
#endif
#endif
