/* A small allocator to learn fuzzing with. First fit over boundary tags, in one arena; one thread.
 *
 * 1. Chunks. The arena is a row of chunks without gaps, each a header and a payload. A header holds
 *    the chunk's size, whether it is in use, and the size of the chunk before it, so that both
 *    neighbours are found:
 *
 *        | before size  | in a free chunk its payload begins with | before size ...
 *        +--------+-----+------+----------+-----------------------+--------+---
 *        chunk               next, previous of the free list      chunk
 *
 *    The last chunk is a header alone, always in use. Two free chunks are never neighbours.
 * 2. Fresh memory. Nothing at or above `touched` has been written yet, so calloc clears only what
 *    lies below.
 * 3. Failure. NULL and ENOMEM; for a bad alignment EINVAL is returned.
 * 4. Bugs. Each stands where a real one of its kind stood in some allocator, as an `if (has(...))`
 *    beside the right code. Without TEACH_BUG there is none that we know of.
 */
#include "teach.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ARENA_BYTES = 128 << 20,
    HEADER_BYTES = 16,
    LEAST_BYTES = 32, /* a chunk: its header, and the links while it is free */
    PAGE_BYTES = 65536,
};

struct chunk {
    size_t before; /* bytes of the chunk before; 0: there is none */
    size_t bytes;  /* with the header; the lowest bit: in use */
    struct chunk *next, *previous;
};

enum bug {
    NO_BUG,
    ROUND_DOWN,
    ALIGN_EIGHT,
    SIZE_WRAPS,
    CALLOC_WRAPS,
    CALLOC_TRUSTS,
    REALLOC_SHORT_COPY,
    REALLOC_SHRINK_OVERLAP,
    REALLOC_FAIL_FREES,
    REALLOC_GROWS_INTO_LIVE,
    MERGE_LIVE,
    MERGE_KEEPS_LINK,
    BEFORE_STALE,
    FIT_TOO_SMALL,
    TAIL_LINKED_TWICE,
    MEMALIGN_SHORT,
    MEMALIGN_CAPPED,
    USABLE_TOO_LARGE,
    ZERO_SHARED,
    TRIM_ROUNDS_DOWN,
    ERRNO_UNSET,
    BUGS,
};
static const char *const bug_names[BUGS] = {
    [ROUND_DOWN] = "round-down",
    [ALIGN_EIGHT] = "align-eight",
    [SIZE_WRAPS] = "size-wraps",
    [CALLOC_WRAPS] = "calloc-wraps",
    [CALLOC_TRUSTS] = "calloc-trusts",
    [REALLOC_SHORT_COPY] = "realloc-short-copy",
    [REALLOC_SHRINK_OVERLAP] = "realloc-shrink-overlap",
    [REALLOC_FAIL_FREES] = "realloc-fail-frees",
    [REALLOC_GROWS_INTO_LIVE] = "realloc-grows-into-live",
    [MERGE_LIVE] = "merge-live",
    [MERGE_KEEPS_LINK] = "merge-keeps-link",
    [BEFORE_STALE] = "before-stale",
    [FIT_TOO_SMALL] = "fit-too-small",
    [TAIL_LINKED_TWICE] = "tail-linked-twice",
    [MEMALIGN_SHORT] = "memalign-short",
    [MEMALIGN_CAPPED] = "memalign-capped",
    [USABLE_TOO_LARGE] = "usable-too-large",
    [ZERO_SHARED] = "zero-shared",
    [TRIM_ROUNDS_DOWN] = "trim-rounds-down",
    [ERRNO_UNSET] = "errno-unset",
};

static struct {
    char *arena, *touched;
    struct chunk *free_list;
    enum bug bug;
} heap;

const char *teach_bug_name(size_t index) {
    return index + 1 < BUGS ? bug_names[index + 1] : NULL;
}

static bool has(enum bug bug) {
    return heap.bug == bug;
}

static struct chunk *chunk_at(void *address) {
    return address;
}

static size_t bytes_of(const struct chunk *chunk) {
    return chunk->bytes & ~(size_t)1;
}

static bool in_use(const struct chunk *chunk) {
    return (chunk->bytes & 1) != 0;
}

static struct chunk *after(struct chunk *chunk) {
    return chunk_at((char *)chunk + bytes_of(chunk));
}

static void *payload(struct chunk *chunk) {
    return (char *)chunk + HEADER_BYTES;
}

static struct chunk *chunk_of(void *block) {
    return chunk_at((char *)block - HEADER_BYTES);
}

/* Sets a chunk's size, here and in the chunk behind it. */
static void resize(struct chunk *chunk, size_t bytes, bool used) {
    chunk->bytes = bytes | used;
    after(chunk)->before = bytes;
}

static void link_free(struct chunk *chunk) {
    chunk->next = heap.free_list;
    chunk->previous = NULL;
    if (heap.free_list != NULL) heap.free_list->previous = chunk;
    heap.free_list = chunk;
}

static void unlink_free(struct chunk *chunk) {
    if (chunk->next != NULL) chunk->next->previous = chunk->previous;
    if (chunk->previous != NULL)
        chunk->previous->next = chunk->next;
    else
        heap.free_list = chunk->next;
}

void teach_reset(void) {
    if (heap.arena == NULL) {
        heap.arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (heap.arena == MAP_FAILED) abort();
        const char *wanted = getenv("TEACH_BUG");
        for (enum bug bug = NO_BUG + 1; wanted != NULL && bug < BUGS; bug++)
            if (strcmp(wanted, bug_names[bug]) == 0) heap.bug = bug;
    } else {
        madvise(heap.arena, ARENA_BYTES, MADV_DONTNEED);
    }
    struct chunk *all = chunk_at(heap.arena);
    heap.free_list = NULL;
    heap.touched = heap.arena;
    all->before = 0;
    resize(all, ARENA_BYTES - HEADER_BYTES, false);
    after(all)->bytes = 1;
    link_free(all);
}

static void start(void) {
    if (heap.arena == NULL) teach_reset();
}

static void *fail(void) {
    if (!has(ERRNO_UNSET)) errno = ENOMEM;
    return NULL;
}

/* The chunk that `bytes` need; 0: there can be none. */
static size_t chunk_bytes(size_t bytes) {
    size_t unit = has(ALIGN_EIGHT) ? 8 : 16;
    if (bytes > ARENA_BYTES && !has(SIZE_WRAPS)) return 0;
    size_t whole = bytes + HEADER_BYTES + (has(ROUND_DOWN) ? 0 : unit - 1);
    whole -= whole % unit;
    return whole < LEAST_BYTES ? LEAST_BYTES : whole;
}

static struct chunk *find_fit(size_t bytes) {
    size_t enough = has(FIT_TOO_SMALL) && bytes > 2 * LEAST_BYTES ? bytes - HEADER_BYTES : bytes;
    for (struct chunk *chunk = heap.free_list; chunk != NULL; chunk = chunk->next)
        if (bytes_of(chunk) >= enough) return chunk;
    return NULL;
}

/* A chunk becomes free, together with free neighbours. */
static void release(struct chunk *chunk) {
    struct chunk *behind = after(chunk);
    size_t bytes = bytes_of(chunk);
    bool alike = has(MERGE_LIVE) && bytes_of(behind) == bytes;
    if (!in_use(behind) || alike) {
        if (!has(MERGE_KEEPS_LINK) && !in_use(behind)) unlink_free(behind);
        bytes += bytes_of(behind);
    }
    if (chunk->before != 0) {
        struct chunk *front = chunk_at((char *)chunk - chunk->before);
        if (!in_use(front)) {
            unlink_free(front);
            bytes += bytes_of(front);
            chunk = front;
        }
    }
    resize(chunk, bytes, false);
    link_free(chunk);
}

/* Cuts a chunk that is in use to `bytes`; what is left becomes free. */
static void cut(struct chunk *chunk, size_t bytes) {
    size_t left = bytes_of(chunk) - bytes;
    if (bytes_of(chunk) < bytes || left < LEAST_BYTES) return;
    struct chunk *rest = chunk_at((char *)chunk + bytes), *behind = after(chunk);
    size_t before = behind->before;
    resize(chunk, bytes, true);
    resize(rest, left, true);
    release(rest);
    if (has(BEFORE_STALE)) behind->before = before;
    if (has(TAIL_LINKED_TWICE) && left > 4096 && left < ARENA_BYTES / 2) link_free(rest);
}

void *teach_malloc(size_t bytes) {
    start();
    static char nothing[16];
    if (bytes == 0 && has(ZERO_SHARED)) return nothing;
    size_t whole = chunk_bytes(bytes);
    struct chunk *chunk = whole != 0 ? find_fit(whole) : NULL;
    if (chunk == NULL) return fail();
    unlink_free(chunk);
    chunk->bytes |= 1;
    cut(chunk, whole);
    char *end = (char *)after(chunk) + LEAST_BYTES;
    if (end > heap.touched) heap.touched = end;
    return payload(chunk);
}

void teach_free(void *block) {
    if (block != NULL) release(chunk_of(block));
}

void *teach_calloc(size_t count, size_t bytes) {
    start();
    size_t product;
    if (__builtin_mul_overflow(count, bytes, &product) && !has(CALLOC_WRAPS)) return fail();
    char *touched = heap.touched;
    char *block = teach_malloc(product);
    if (block == NULL) return NULL;
    size_t dirty = block < touched ? (size_t)(touched - block) : 0;
    if (has(CALLOC_TRUSTS) && dirty < product) dirty = LEAST_BYTES - HEADER_BYTES;
    return memset(block, 0, dirty < product ? dirty : product);
}

/* Grows a chunk into the free one behind it; false: that is not enough. */
static bool grow(struct chunk *chunk, size_t bytes) {
    struct chunk *behind = after(chunk);
    size_t together = bytes_of(chunk) + bytes_of(behind);
    bool takes = !in_use(behind) || (has(REALLOC_GROWS_INTO_LIVE) && bytes_of(behind) > 256);
    if (!takes || together < bytes) return false;
    if (!in_use(behind)) unlink_free(behind);
    resize(chunk, together, true);
    cut(chunk, bytes);
    char *end = (char *)after(chunk) + LEAST_BYTES;
    if (end > heap.touched) heap.touched = end;
    return true;
}

void *teach_realloc(void *block, size_t bytes) {
    if (block == NULL) return teach_malloc(bytes);
    struct chunk *chunk = chunk_of(block);
    size_t whole = chunk_bytes(bytes), held = bytes_of(chunk) - HEADER_BYTES;
    if (whole != 0 && whole <= bytes_of(chunk)) {
        if (has(REALLOC_SHRINK_OVERLAP) && whole > 2 * LEAST_BYTES) whole -= HEADER_BYTES;
        cut(chunk, whole);
        return block;
    }
    if (whole != 0 && grow(chunk, whole)) return block;
    void *moved = teach_malloc(bytes);
    if (moved == NULL && !has(REALLOC_FAIL_FREES)) return NULL;
    if (moved != NULL) memcpy(moved, block, held - (has(REALLOC_SHORT_COPY) ? 8 : 0));
    teach_free(block);
    return moved;
}

/* A chunk with room to move the block up to the alignment; what is in front becomes free. */
int teach_posix_memalign(void **out, size_t alignment, size_t bytes) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    if (has(MEMALIGN_CAPPED) && alignment > 1024) alignment = 1024;
    size_t room = alignment > 16 ? alignment + LEAST_BYTES : 0, wanted;
    if (has(MEMALIGN_SHORT) && room != 0) room = alignment / 2;
    if (__builtin_add_overflow(bytes, room, &wanted)) return ENOMEM;
    int error = errno;
    char *block = teach_malloc(wanted);
    errno = error;
    if (block == NULL) return ENOMEM;
    struct chunk *chunk = chunk_of(block);
    char *aligned = (char *)(((uintptr_t)block + alignment - 1) & ~(uintptr_t)(alignment - 1));
    if (aligned != block && (size_t)(aligned - block) < LEAST_BYTES) aligned += alignment;
    if (aligned != block) {
        size_t front = (size_t)(aligned - block), rest = bytes_of(chunk) - front;
        struct chunk *moved = chunk_of(aligned);
        chunk->bytes = front | 1;
        moved->before = front;
        resize(moved, rest, true);
        release(chunk);
        chunk = moved;
    }
    cut(chunk, chunk_bytes(bytes));
    *out = payload(chunk);
    return 0;
}

size_t teach_malloc_usable_size(void *block) {
    if (block == NULL) return 0;
    struct chunk *chunk = chunk_of(block);
    return bytes_of(chunk) - (has(USABLE_TOO_LARGE) ? 0 : HEADER_BYTES);
}

/* Gives the pages within free chunks back. */
int teach_malloc_trim(size_t keep) {
    (void)keep;
    int any = 0;
    for (struct chunk *chunk = heap.free_list; chunk != NULL; chunk = chunk->next) {
        uintptr_t from = (uintptr_t)chunk + LEAST_BYTES, to = (uintptr_t)after(chunk);
        if (!has(TRIM_ROUNDS_DOWN)) from += PAGE_BYTES - 1;
        from -= from % PAGE_BYTES;
        to -= to % PAGE_BYTES;
        if (from >= to || from < (uintptr_t)heap.arena) continue;
        any |= madvise((void *)from, to - from, MADV_DONTNEED) == 0;
    }
    return any;
}
