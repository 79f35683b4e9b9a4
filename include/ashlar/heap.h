/* The heap core: heaps as values, thread heaps as explicit objects.
 *
 *   struct ashlar_heap *heap;
 *   struct ashlar_thread_heap *th;
 *   if (ashlar_heap_create(NULL, &heap) != ASHLAR_OK) ...
 *   if (ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) ...
 *   void *p = ashlar_malloc(th, 100);
 *   ashlar_free(th, p);
 *   ashlar_thread_heap_release(th);
 *   ashlar_heap_destroy(heap);
 *
 * Sizes are in bytes everywhere. Unless a function says otherwise:
 * - calls that take a thread heap may run at the same time on different thread heaps, never on the
 * same one;
 * - calls that take a heap may run at any time beside any other call;
 * - no function is safe in a signal handler that may have interrupted another one of the same
 * thread heap.
 */
#ifndef ASHLAR_HEAP_H
#define ASHLAR_HEAP_H

#include <ashlar/finding.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ashlar_heap;
struct ashlar_thread_heap;
struct ashlar_os; /* the system underneath, see <ashlar/os.h>; NULL means the real one */

enum ashlar_status {
    ASHLAR_OK = 0,
    ASHLAR_NO_MEMORY, /* the system, or the caller's memory, has no more */
    ASHLAR_INVALID,   /* an argument is not what it should be */
    ASHLAR_TOO_SMALL, /* caller-supplied memory under 1 MiB, or address space under 64 MiB */
    ASHLAR_TOO_MANY,  /* every thread heap of the heap is in use */
    ASHLAR_STATUS_COUNT
};
const char *ashlar_status_text(enum ashlar_status status);

/* What a misuse handler is told. Addresses are 0 where they are not known. */
struct ashlar_misuse {
    enum ashlar_finding_code code; /* one of the family MISUSE */
    const char *operation;         /* "free", "realloc", "free_sized", "usable_size" */
    uintptr_t address;             /* the pointer that the caller passed */
    uintptr_t block;               /* start of the block that holds it */
    size_t block_bytes;            /* its usable size */
    size_t claimed_bytes;          /* the size a sized free named */
    uint32_t thread_heap;          /* of the caller */
};

/* Called once for each misuse, before the operation returns without effect. It may not call into
 * the heap. The default handler (NULL) writes one line to standard error and aborts. */
typedef void ashlar_misuse_handler(void *context, const struct ashlar_misuse *misuse);

struct ashlar_heap_options {
    size_t region_bytes;   /* address space; 0: 1 TiB, halved on failure, at least 64 MiB */
    uint32_t thread_heaps; /* most thread heaps at once; 0: 65,536 (4 in caller-supplied memory) */
    uint32_t decay_ms;     /* free pages go back to the system after this; 0: the default of 500 */
    bool never_purge;      /* free pages stay until ashlar_trim */
    bool never_keep;       /* freed large blocks serve every thread at once: see ashlar_trim */
    ashlar_misuse_handler *on_misuse;
    void *context;              /* handed to on_misuse */
    const struct ashlar_os *os; /* system calls; a fault-injecting one in tests */
};

/* A heap over address space that it reserves itself. `options` may be NULL.
 * Errors: NO_MEMORY, TOO_SMALL, INVALID. Nothing stays mapped on failure. */
enum ashlar_status ashlar_heap_create(const struct ashlar_heap_options *options,
                                      struct ashlar_heap **out);

/* A heap inside `memory` (1 MiB and up, any alignment, any content), bookkeeping included. Such a
 * heap makes no system call but for waiting and for visits between threads. The memory stays the
 * caller's and must outlive the heap. Errors: TOO_SMALL, INVALID. */
enum ashlar_status ashlar_heap_create_in(void *memory, size_t bytes,
                                         const struct ashlar_heap_options *options,
                                         struct ashlar_heap **out);

/* Gives everything back. No other call may run or follow on this heap. */
void ashlar_heap_destroy(struct ashlar_heap *heap);

/* Frees all blocks at once; thread heaps stay acquired. No other call may run meanwhile. */
void ashlar_heap_reset(struct ashlar_heap *heap);

/* A thread heap for one logical thread; takes over a released one with its slabs when there is one.
 * Errors: NO_MEMORY, TOO_MANY. */
enum ashlar_status ashlar_thread_heap_acquire(struct ashlar_heap *heap,
                                              struct ashlar_thread_heap **out);

/* Returns a thread heap to the pool: pending frees are collected, empty slabs given back. */
void ashlar_thread_heap_release(struct ashlar_thread_heap *th);

/* Merges what other threads freed into this thread heap's slabs; gives empty ones back. Nobody
 * needs to call it: allocating and freeing do so by the way, and when this thread heap is not used,
 * those who free into its slabs give back what holds no live block, but for the slab that each size
 * class allocates from, and for 4 MiB (or an eighth as many pages as there are other slabs with
 * such frees), which follow within about two decay times while any thread allocates. (On Linux from
 * 4.14 on; before, when this thread heap is used again.) */
void ashlar_thread_heap_collect(struct ashlar_thread_heap *th);

/* Around fork, in the thread that forks: prepare before it, then parent or child in each process,
 * as pthread_atfork has it. `mine` is the forking thread's thread heap (NULL when it has none); in
 * the child every other one is released, its slabs with it, and must not be used again. Blocks stay
 * as they were, but one that another thread was just allocating may be live for ever.
 *
 *   ashlar_heap_fork_prepare(heap, mine);
 *   pid_t pid = fork();
 *   if (pid == 0) ashlar_heap_fork_child(heap, mine); else ashlar_heap_fork_parent(heap, mine);
 *
 * A handler that interrupted a call of this heap may fork, too; its child should allocate only
 * after that call has returned there. No other call may run between prepare and child or parent in
 * the same thread. */
void ashlar_heap_fork_prepare(struct ashlar_heap *heap, struct ashlar_thread_heap *mine);
void ashlar_heap_fork_parent(struct ashlar_heap *heap, struct ashlar_thread_heap *mine);
void ashlar_heap_fork_child(struct ashlar_heap *heap, struct ashlar_thread_heap *mine);

/* 1-based, stable while acquired. */
uint32_t ashlar_thread_heap_id(const struct ashlar_thread_heap *th);

/* Allocation. On failure: NULL, errno ENOMEM, and every block is as it was. Blocks are aligned to
 * 16 bytes; size 0 gives a distinct block. Sizes above PTRDIFF_MAX, and products that wrap, always
 * fail. calloc's block is zero as far as it was asked for. */
void *ashlar_malloc(struct ashlar_thread_heap *th, size_t bytes);
void *ashlar_calloc(struct ashlar_thread_heap *th, size_t count, size_t bytes);

/* realloc(NULL, n) is malloc(n); size 0 frees and returns NULL with errno as it was, as glibc does.
 * On failure the block is as it was. Misuse of `block` goes to the handler; the result is then NULL
 * with errno EINVAL. */
void *ashlar_realloc(struct ashlar_thread_heap *th, void *block, size_t bytes);

/* `alignment`: a power of two up to 1 GiB, else NULL with errno EINVAL. `bytes` need not be a
 * multiple. */
void *ashlar_aligned_alloc(struct ashlar_thread_heap *th, size_t alignment, size_t bytes);

/* NULL is ignored; errno is kept. The block may come from any thread heap of the same heap. */
void ashlar_free(struct ashlar_thread_heap *th, void *block);

/* As free, and reports ASHLAR_MISUSE_SIZE when a block for `bytes` (at `alignment`, 0 for none)
 * would have had another class; the block is then not freed. */
void ashlar_free_sized(struct ashlar_thread_heap *th, void *block, size_t bytes);
void ashlar_free_aligned_sized(struct ashlar_thread_heap *th, void *block, size_t alignment,
                               size_t bytes);

/* Bytes the caller may use; 0 for NULL. A pointer that is no live block goes to the handler and
 * gives 0. */
size_t ashlar_usable_size(struct ashlar_thread_heap *th, const void *block);

/* Gives every free page back to the system now; empty slabs and freed large blocks that `th` (may
 * be NULL) keeps for its own next ones, and what other thread heaps that are not at work keep or
 * are to collect, too. Returns the bytes given back. */
size_t ashlar_trim(struct ashlar_heap *heap, struct ashlar_thread_heap *th);

enum ashlar_block_state { ASHLAR_BLOCK_FREE, ASHLAR_BLOCK_LIVE, ASHLAR_BLOCK_REMOTE };

/* What is known of one block. */
struct ashlar_block {
    uintptr_t address;
    size_t bytes; /* usable size */
    enum ashlar_block_state state;
    bool span;            /* a span of its own, else a block of a slab */
    uint32_t class_index; /* of a slab's block */
    uint32_t page;        /* first page of its slab or span: the number that `slab N` names */
    uint32_t index;       /* within the slab */
    uint32_t owner;       /* thread heap id of the slab; 0 for spans */
};

/* Visits every block, in address order, until `visit` returns false. Blocks whose state changes
 * meanwhile are seen in one of their states; no call that gives pages back may run meanwhile. */
typedef bool ashlar_block_visitor(void *context, const struct ashlar_block *block);
void ashlar_heap_walk(struct ashlar_heap *heap, ashlar_block_visitor *visit, void *context);

/* The block that `address` lies in (start of it or not). False when it lies in none. Same caveat as
 * walk. */
bool ashlar_heap_find(struct ashlar_heap *heap, uintptr_t address, struct ashlar_block *out);

/* Counters are exact when no other call runs. */
struct ashlar_heap_stats {
    size_t region_bytes;    /* address space reserved for blocks */
    size_t committed_bytes; /* of it readable and writable */
    /* committed bytes in slabs, in spans, in free runs: their sum is committed_bytes */
    size_t slab_bytes, span_bytes, free_bytes;
    size_t dirty_free_bytes;        /* of free_bytes, not given back to the system */
    size_t live_blocks, live_bytes; /* bytes are usable sizes */
    size_t free_blocks, remote_blocks;
    size_t metadata_bytes; /* committed bookkeeping */
    size_t thread_heaps;   /* acquired */
    uint64_t purged_bytes; /* given back to the system since creation, counted each time */
};
void ashlar_heap_get_stats(struct ashlar_heap *heap, struct ashlar_heap_stats *out);

/* One size class: its slabs, and their blocks. Blocks are exact when no other call runs. */
struct ashlar_class_stats {
    size_t slabs, slab_bytes;
    size_t live_blocks, free_blocks, remote_blocks;
};
/* `out` has room for ashlar_class_count() of them. */
void ashlar_heap_get_class_stats(struct ashlar_heap *heap, struct ashlar_class_stats *out);

/* Address of the heap's exported root, from which a reader inside or outside the process finds and
 * decodes everything (<ashlar/check.h>). */
uint64_t ashlar_heap_root(const struct ashlar_heap *heap);

/* Size classes. */
uint32_t ashlar_class_count(void);
size_t ashlar_class_bytes(uint32_t class_index); /* 0 when there is no such class */
uint32_t ashlar_class_of(size_t bytes);          /* ashlar_class_count() when it takes a span */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
