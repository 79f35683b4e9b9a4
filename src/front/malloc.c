/* malloc and its family, under the names and with the semantics that C, POSIX and glibc give them.
 *
 * 1. Purpose. Each function finds the thread's thread heap (front.c) and calls the core. malloc,
 *    calloc, realloc and free do so with calls in tail position, and everything rare stands apart,
 *    so that the core's fast paths can be inlined here and save no registers.
 * 2. Names. Those of section 1, and the second names that glibc exports: programs and libraries
 *    bind them to get past a malloc that they define themselves. Blocks of both kinds meet in the
 *    same free, so both have to be ours.
 * 3. Where C leaves a choice, glibc's: realloc of size 0 frees, malloc(0) gives a block,
 *    aligned_alloc takes any size, memalign rounds its alignment up to a power of two.
 * 4. How it fails. NULL with errno set, except for posix_memalign, which returns the error and
 *    leaves both errno and its result as they were. free keeps errno. */
#include "front/front.h"
#include "heap/fast.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

/* A public name: the function of this file under it. */
#define NAMES(of) __attribute__((visibility("default"), alias(#of)))

enum { ALIGNMENT_MOST = 1 << 30 }; /* of the core */

ASH_COLD void *ash_front_no_memory(void) {
    errno = ENOMEM;
    return NULL;
}

static ASH_COLD void *malloc_rare(size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_enter();
    void *block = th != NULL ? ashlar_malloc(th, bytes) : ash_front_no_memory();
    ash_front_leave(th);
    return block;
}

void *ash_front_malloc(size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_mine;
    if (ASH_UNLIKELY(th == NULL)) return malloc_rare(bytes);
    void *block;
    if (ash_fast_malloc(ash_th_of(th), bytes, &block)) return block;
    return ash_malloc_slow(ash_th_of(th), bytes);
}

static ASH_COLD void *calloc_rare(size_t count, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_enter();
    void *block = th != NULL ? ashlar_calloc(th, count, bytes) : ash_front_no_memory();
    ash_front_leave(th);
    return block;
}

static ASH_COLD void *realloc_rare(void *block, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_enter();
    void *moved = th != NULL ? ashlar_realloc(th, block, bytes) : ash_front_no_memory();
    ash_front_leave(th);
    return moved;
}

/* A thread that frees nothing needs no thread heap. When none can be had there is no heap, and so
 * no block of ours. */
static ASH_COLD void free_rare(void *block) {
    if (block == NULL) return;
    struct ashlar_thread_heap *th = ash_front_enter();
    if (th != NULL) ashlar_free(th, block);
    ash_front_leave(th);
}

void ash_front_free(void *block) {
    struct ashlar_thread_heap *th = ash_front_mine;
    if (ASH_UNLIKELY(th == NULL)) return free_rare(block);
    if (!ash_fast_free(ash_th_of(th), block)) ash_free_slow(ash_th_of(th), block);
}

void ash_front_free_sized(void *block, size_t alignment, size_t bytes) {
    if (block == NULL) return;
    struct ashlar_thread_heap *th = ash_front_enter();
    if (th != NULL && alignment == 0)
        ashlar_free_sized(th, block, bytes);
    else if (th != NULL)
        ashlar_free_aligned_sized(th, block, alignment, bytes);
    ash_front_leave(th);
}

/* A block at a multiple of `alignment`, a power of two. Larger ones than the core gives are a
 * request that cannot be served, not a wrong one. */
void *ash_front_aligned(size_t alignment, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_enter();
    bool can = th != NULL && alignment <= ALIGNMENT_MOST;
    void *block = can ? ashlar_aligned_alloc(th, alignment, bytes) : ash_front_no_memory();
    ash_front_leave(th);
    return block;
}

static void *invalid(void) {
    errno = EINVAL;
    return NULL;
}

static void *front_calloc(size_t count, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_mine;
    if (ASH_UNLIKELY(th == NULL)) return calloc_rare(count, bytes);
    return ashlar_calloc(th, count, bytes);
}

static void *front_realloc(void *block, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_mine;
    if (ASH_UNLIKELY(th == NULL)) return realloc_rare(block, bytes);
    return ashlar_realloc(th, block, bytes);
}

static void *front_reallocarray(void *block, size_t count, size_t bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) return ash_front_no_memory();
    return front_realloc(block, total);
}

static void *front_aligned_alloc(size_t alignment, size_t bytes) {
    return ash_is_power_of_two(alignment) ? ash_front_aligned(alignment, bytes) : invalid();
}

/* A medium block goes straight to the core's slow path. */
static ASH_NOINLINE int posix_memalign_slow(void **out, size_t alignment, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    bool classed = th != NULL && ash_has_aligned_class(bytes, alignment);
    int kept = errno;
    void *block = classed ? ash_malloc_slow(th, ash_aligned_bytes(bytes, alignment))
                          : ash_front_aligned(alignment, bytes);
    errno = kept;
    if (block == NULL) return ENOMEM;
    *out = block;
    return 0;
}

static int front_posix_memalign(void **out, size_t alignment, size_t bytes) {
    if (!ash_is_power_of_two(alignment) || alignment % sizeof(void *) != 0) return EINVAL;
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    bool quick = ASH_LIKELY(th != NULL) && ash_fast_aligned(th, alignment, bytes, out);
    return quick ? 0 : posix_memalign_slow(out, alignment, bytes);
}

static void *front_memalign(size_t alignment, size_t bytes) {
    if (alignment > SIZE_MAX / 2 + 1) return invalid();
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    if (!ash_is_power_of_two(alignment)) alignment = (size_t)1 << (ash_highest_bit(alignment) + 1);
    return ash_front_aligned(alignment, bytes);
}

static void *front_valloc(size_t bytes) {
    return ash_front_aligned((size_t)getpagesize(), bytes);
}

static void *front_pvalloc(size_t bytes) {
    size_t page = (size_t)getpagesize();
    if (bytes > PTRDIFF_MAX) return ash_front_no_memory(); /* rounding could wrap */
    return ash_front_aligned(page, (size_t)ash_round_up(bytes, page));
}

static void front_free_sized(void *block, size_t bytes) {
    struct ashlar_thread_heap *th = ash_front_mine;
    if (ASH_UNLIKELY(th == NULL)) return ash_front_free_sized(block, 0, bytes);
    ashlar_free_sized(th, block, bytes);
}

static void front_free_aligned_sized(void *block, size_t alignment, size_t bytes) {
    ash_front_free_sized(block, alignment, bytes);
}

static size_t front_usable_size(void *block) {
    if (block == NULL) return 0;
    struct ashlar_thread_heap *th = ash_front_enter();
    size_t bytes = th != NULL ? ashlar_usable_size(th, block) : 0;
    ash_front_leave(th);
    return bytes;
}

/* The names. A second name for a function, since a name that is called here could be anybody's. */
void *malloc(size_t bytes) NAMES(ash_front_malloc);
void *calloc(size_t count, size_t bytes) NAMES(front_calloc);
void *realloc(void *block, size_t bytes) NAMES(front_realloc);
void *reallocarray(void *block, size_t count, size_t bytes) NAMES(front_reallocarray);
void free(void *block) NAMES(ash_front_free);
void *aligned_alloc(size_t alignment, size_t bytes) NAMES(front_aligned_alloc);
int posix_memalign(void **out, size_t alignment, size_t bytes) NAMES(front_posix_memalign);
void *memalign(size_t alignment, size_t bytes) NAMES(front_memalign);
void *valloc(size_t bytes) NAMES(front_valloc);
void *pvalloc(size_t bytes) NAMES(front_pvalloc);
size_t malloc_usable_size(void *block) NAMES(front_usable_size);

/* C23's. */
void free_sized(void *block, size_t bytes) NAMES(front_free_sized);
void free_aligned_sized(void *block, size_t alignment, size_t bytes)
    NAMES(front_free_aligned_sized);

/* What old programs are linked to, and what glibc exports for those that replace malloc. */
void cfree(void *block) NAMES(ash_front_free);
void *__libc_malloc(size_t bytes) NAMES(ash_front_malloc);
void *__libc_calloc(size_t count, size_t bytes) NAMES(front_calloc);
void *__libc_realloc(void *block, size_t bytes) NAMES(front_realloc);
void __libc_free(void *block) NAMES(ash_front_free);
void *__libc_memalign(size_t alignment, size_t bytes) NAMES(front_memalign);
void *__libc_valloc(size_t bytes) NAMES(front_valloc);
void *__libc_pvalloc(size_t bytes) NAMES(front_pvalloc);
int __posix_memalign(void **out, size_t alignment, size_t bytes) NAMES(front_posix_memalign);
