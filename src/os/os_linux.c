/* The real system: Linux.
 *
 * Address space is reserved without access and committed by making it writable, because a limit on
 * committed memory (vm.overcommit_memory = 2) charges writable pages and not reserved ones. Pages
 * go back with MADV_DONTNEED: MADV_FREE would leave them in the resident size, which users read as
 * a leak. All functions keep errno. */
#include "base/base.h"

#include <ashlar/os.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7; older ones refuse it, and the move copies */
#endif

enum { RESERVE_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

static void *linux_reserve(void *context, size_t bytes, size_t alignment) {
    (void)context;
    int kept = errno;
    size_t slack = alignment > (size_t)getauxval(AT_PAGESZ) ? alignment : 0;
    if (bytes + slack < bytes) return NULL;
    uint8_t *start = mmap(NULL, bytes + slack, PROT_NONE, RESERVE_FLAGS, -1, 0);
    if (start == MAP_FAILED) {
        errno = kept;
        return NULL;
    }
    if (slack == 0) return start;
    uint8_t *aligned = (uint8_t *)ash_round_up((uintptr_t)start, alignment);
    size_t before = (size_t)(aligned - start);
    if (before > 0) munmap(start, before);
    if (slack > before) munmap(aligned + bytes, slack - before);
    return aligned;
}

static void linux_release(void *context, void *address, size_t bytes) {
    (void)context;
    int kept = errno;
    munmap(address, bytes);
    errno = kept;
}

static bool linux_commit(void *context, void *address, size_t bytes) {
    (void)context;
    int kept = errno;
    bool done = mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
    errno = kept;
    return done;
}

static bool linux_purge(void *context, void *address, size_t bytes) {
    (void)context;
    int kept = errno;
    bool done = madvise(address, bytes, MADV_DONTNEED) == 0;
    errno = kept;
    return done;
}

/* The last step of a move: the target may be unmapped when it is refused. */
static void move_in(void *staged, void *to, size_t bytes) {
    if (mremap(staged, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED) return;
    if (mmap(to, bytes, PROT_READ | PROT_WRITE, RESERVE_FLAGS | MAP_FIXED, -1, 0) == MAP_FAILED)
        ash_panic(__FILE__, __LINE__, "a hole in the region can be filled");
    memcpy(to, staged, bytes);
    munmap(staged, bytes);
}

static bool linux_move(void *context, void *from, void *to, size_t bytes) {
    int kept = errno;
    /* By way of an address that the system chooses, since a FIXED move unmaps its target before it
     * can be refused, as it is before Linux 6.17 when the source lies in several mappings. With
     * DONTUNMAP the source stays mapped and empty, so the region never has a hole. */
    void *staged = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    bool done = true;
    if (staged != MAP_FAILED) {
        move_in(staged, to, bytes);
    } else {
        memcpy(to, from, bytes);
        done = linux_purge(context, from, bytes);
    }
    errno = kept;
    return done;
}

static bool linux_normalize(void *context, void *address, size_t bytes) {
    (void)context;
    int kept = errno;
    /* A moved mapping keeps the file offset of where it came from and never merges with its
     * neighbours again; a new one over it does. */
    void *start = mmap(address, bytes, PROT_READ | PROT_WRITE, RESERVE_FLAGS | MAP_FIXED, -1, 0);
    errno = kept;
    return start != MAP_FAILED;
}

static bool linux_resident(void *context, const void *address) {
    (void)context;
    int kept = errno;
    uintptr_t unit = (uintptr_t)getauxval(AT_PAGESZ);
    unsigned char state = 0;
    bool known = mincore((void *)((uintptr_t)address & ~(unit - 1)), unit, &state) == 0;
    errno = kept;
    return known && (state & 1) != 0;
}

static size_t linux_page_bytes(void *context) {
    (void)context;
    return (size_t)getauxval(AT_PAGESZ);
}

static uint64_t linux_now_ms(void *context) {
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct ashlar_os linux_os = {
    .reserve = linux_reserve,
    .release = linux_release,
    .commit = linux_commit,
    .purge = linux_purge,
    .move = linux_move,
    .normalize = linux_normalize,
    .resident = linux_resident,
    .page_bytes = linux_page_bytes,
    .now_ms = linux_now_ms,
};

const struct ashlar_os *ashlar_os_linux(void) {
    return &linux_os;
}
