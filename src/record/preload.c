/* libashlar_record.so: malloc and its family, recorded and passed on to whichever allocator the
 * program would have used.
 *
 * 1. Purpose. The library stands before every other definition of these names. Each function calls
 *    the next definition behind it (RTLD_NEXT: libc's, or that of an allocator that is preloaded or
 *    linked), and writes one event (log.h). It changes nothing else: results, errno, and whatever
 *    the next allocator does with a bad pointer are the program's own.
 *
 * 2. States. COLD until the first call; STARTING while the next definitions are looked up and the
 *    log is opened; READY ever after. What is allocated while STARTING is not the program's but the
 *    loader's, and comes from a small static arena. Blocks of the arena are known by their address,
 *    and are never given to the next allocator. The first call comes from the loader or from a
 *    constructor, before there is a second thread.
 *
 * 3. Nesting. An allocator may be made of other functions of this family, even of the ones that
 *    stand here: a realloc that calls malloc and free. Only the outermost call is the program's;
 *    what comes from the allocator's own code is passed on unrecorded (ash_log_wanted). libc's
 *    allocator does not do this, and other code of libc calls malloc for the program.
 *
 * 4. What cannot be seen: calls that never reach the dynamic linker (a static program, an allocator
 *    defined in the executable itself, malloc inside the next allocator), and set-user-ID programs,
 *    which the loader does not preload into.
 */
#include "record/log.h"
#include "record/next.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ash_next ash_next;

enum { COLD, STARTING, READY };
static _Atomic(int) state;

/* The prototypes that <malloc.h> would give; that header is not ISO's. */
void *memalign(size_t alignment, size_t bytes);
void *pvalloc(size_t bytes);

/* Section 2. */
enum { ARENA_BYTES = 64 << 10 };
static struct {
    _Alignas(64) char bytes[ARENA_BYTES];
    size_t used;
} arena;

static bool in_arena(const void *block) {
    return (uintptr_t)block - (uintptr_t)arena.bytes < ARENA_BYTES;
}

/* Zeroed, aligned, with its size in front for realloc; NULL when the arena is full. */
static void *arena_alloc(size_t alignment, size_t bytes) {
    if (alignment < 16) alignment = 16;
    if (alignment > 4096 || bytes > ARENA_BYTES) return NULL;
    uintptr_t base = (uintptr_t)arena.bytes;
    uintptr_t at = (base + arena.used + sizeof(size_t) + alignment - 1) & ~(alignment - 1);
    if (at - base + bytes > ARENA_BYTES) return NULL;
    char *block = arena.bytes + (at - base);
    memcpy(block - sizeof(size_t), &bytes, sizeof bytes);
    arena.used = at - base + bytes;
    return block;
}

static void *arena_realloc(void *block, size_t bytes) {
    size_t old;
    memcpy(&old, (char *)block - sizeof old, sizeof old);
    void *moved = malloc(bytes);
    if (moved != NULL) memcpy(moved, block, old < bytes ? old : bytes);
    return moved;
}

/* A function that the next allocator must have; without it there is no going on. */
static void *must_find(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function != NULL) return function;
    static const char message[] = "libashlar_record: no allocator behind the recorder\n";
    ssize_t wrote = write(STDERR_FILENO, message, sizeof message - 1);
    (void)wrote;
    _exit(127);
}

/* dlsym gives an object pointer; POSIX says that it holds a function's address. */
#define FIND(name, find)                                                                           \
    do {                                                                                           \
        void *found = find;                                                                        \
        memcpy(&ash_next.name, &found, sizeof found);                                              \
    } while (0)

struct search {
    uintptr_t address;
    struct ash_log_range found;
};
static int match_object(struct dl_phdr_info *object, size_t bytes, void *context) {
    (void)bytes;
    struct search *search = context;
    struct ash_log_range range = {0};
    bool holds = false;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0) continue;
        range.start = object->dlpi_addr + header->p_vaddr;
        range.bytes = header->p_memsz;
        holds = ash_log_within(range, search->address);
        if (holds) break;
    }
    if (holds) search->found = range;
    return holds;
}

/* The code that a function lies in. */
static struct ash_log_range code_around(const void *function) {
    struct search search = {.address = (uintptr_t)function};
    dl_iterate_phdr(match_object, &search);
    return search.found;
}

static __attribute__((noinline, cold)) void start(void) {
    int error = errno;
    atomic_store_explicit(&state, STARTING, memory_order_relaxed);
    FIND(malloc, must_find("malloc"));
    FIND(calloc, must_find("calloc"));
    FIND(realloc, must_find("realloc"));
    FIND(free, must_find("free"));
    FIND(aligned_alloc, dlsym(RTLD_NEXT, "aligned_alloc"));
    FIND(posix_memalign, dlsym(RTLD_NEXT, "posix_memalign"));
    FIND(memalign, dlsym(RTLD_NEXT, "memalign"));
    FIND(valloc, dlsym(RTLD_NEXT, "valloc"));
    FIND(pvalloc, dlsym(RTLD_NEXT, "pvalloc"));
    struct ash_log_range libc = code_around((const void *)(uintptr_t)getppid);
    ash_log_allocator = code_around((const void *)(uintptr_t)ash_next.malloc);
    if (ash_log_allocator.start == libc.start) ash_log_allocator.bytes = 0;
    ash_log_recorder = code_around((const void *)(uintptr_t)start);
    ash_log_start();
    atomic_store_explicit(&state, READY, memory_order_release);
    errno = error;
}

/* False: the caller serves the call from the arena. */
static inline bool ready(void) {
    int now = atomic_load_explicit(&state, memory_order_acquire);
    if (__builtin_expect(now == READY, 1)) return true;
    if (now == STARTING) return false;
    start();
    return true;
}

/* Before main, so that a program without a malloc of its own has its log too. */
static __attribute__((constructor(101))) void start_early(void) {
    ready();
}

static void *no_memory(int error) {
    errno = error;
    return NULL;
}

void *malloc(size_t bytes) {
    if (!ready()) return arena_alloc(16, bytes);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.malloc(bytes);
    bool before = ash_log_enter();
    void *block = ash_next.malloc(bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_MALLOC, block, bytes, 0);
    return block;
}

void *calloc(size_t count, size_t bytes) {
    if (!ready()) {
        size_t product;
        if (__builtin_mul_overflow(count, bytes, &product)) return no_memory(ENOMEM);
        return arena_alloc(16, product); /* the arena is never used twice: zero */
    }
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.calloc(count, bytes);
    bool before = ash_log_enter();
    void *block = ash_next.calloc(count, bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_CALLOC, block, bytes, count);
    return block;
}

void free(void *block) {
    if (block == NULL || in_arena(block)) return;
    if (!ready()) return; /* a block from before us: there is none */
    if (!ash_log_wanted(ASH_LOG_CALLER())) {
        ash_next.free(block);
        return;
    }
    ash_log_event(ASH_RAW_FREE, block, 0, 0);
    bool before = ash_log_enter();
    ash_next.free(block);
    ash_log_leave(before);
}

void *realloc(void *block, size_t bytes) {
    if (!ready()) return block == NULL ? arena_alloc(16, bytes) : arena_realloc(block, bytes);
    if (in_arena(block)) return arena_realloc(block, bytes);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.realloc(block, bytes);
    if (block != NULL) ash_log_event(ASH_RAW_REALLOC_BEGIN, block, bytes, 0);
    bool before = ash_log_enter();
    void *moved = ash_next.realloc(block, bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_REALLOC_END, moved, bytes, (uint64_t)(uintptr_t)block);
    return moved;
}

/* By way of the realloc above, as libc's own is: what is recorded is a realloc. */
void *reallocarray(void *block, size_t count, size_t bytes) {
    size_t product;
    if (!__builtin_mul_overflow(count, bytes, &product)) return realloc(block, product);
    if (ready() && ash_log_wanted(ASH_LOG_CALLER()))
        ash_log_event(ASH_RAW_REALLOC_END, NULL, SIZE_MAX, 0);
    return no_memory(ENOMEM);
}

/* The common part of the functions that take an alignment: `call` is the next allocator's. */
#define ALIGNED(call, alignment, bytes)                                                            \
    do {                                                                                           \
        if (!ready()) return arena_alloc(alignment, bytes);                                        \
        if ((call) == NULL) return no_memory(ENOMEM);                                              \
    } while (0)

void *aligned_alloc(size_t alignment, size_t bytes) {
    ALIGNED(ash_next.aligned_alloc, alignment, bytes);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.aligned_alloc(alignment, bytes);
    bool before = ash_log_enter();
    void *block = ash_next.aligned_alloc(alignment, bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_ALIGNED, block, bytes, alignment);
    return block;
}

void *memalign(size_t alignment, size_t bytes) {
    ALIGNED(ash_next.memalign, alignment, bytes);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.memalign(alignment, bytes);
    bool before = ash_log_enter();
    void *block = ash_next.memalign(alignment, bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_ALIGNED, block, bytes, alignment);
    return block;
}

int posix_memalign(void **out, size_t alignment, size_t bytes) {
    if (!ready()) {
        void *block = arena_alloc(alignment, bytes);
        if (block == NULL) return ENOMEM;
        *out = block;
        return 0;
    }
    if (ash_next.posix_memalign == NULL) return ENOMEM;
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.posix_memalign(out, alignment, bytes);
    bool before = ash_log_enter();
    int error = ash_next.posix_memalign(out, alignment, bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_ALIGNED, error == 0 ? *out : NULL, bytes, alignment);
    return error;
}

void *valloc(size_t bytes) {
    size_t page = (size_t)getpagesize();
    ALIGNED(ash_next.valloc, page, bytes);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.valloc(bytes);
    bool before = ash_log_enter();
    void *block = ash_next.valloc(bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_ALIGNED, block, bytes, page);
    return block;
}

void *pvalloc(size_t bytes) {
    size_t page = (size_t)getpagesize();
    size_t rounded = bytes > SIZE_MAX - page ? bytes : (bytes + page - 1) / page * page;
    ALIGNED(ash_next.pvalloc, page, rounded);
    if (!ash_log_wanted(ASH_LOG_CALLER())) return ash_next.pvalloc(bytes);
    bool before = ash_log_enter();
    void *block = ash_next.pvalloc(bytes);
    ash_log_leave(before);
    ash_log_event(ASH_RAW_ALIGNED, block, rounded, page);
    return block;
}
