/* The raw log's writer.
 *
 * 1. Purpose. Every event of every thread gets into a file, in an order that can be replayed, for
 *    some tens of nanoseconds, from inside malloc: so without malloc, locks that a signal handler
 *    could meet, or anything that has to be flushed at exit.
 *
 * 2. Nothing to flush. Chunks are pieces of the log file mapped shared. A store into one is in the
 *    file's page cache at once, so exit, _exit, exec, quick_exit and SIGKILL are all the same to
 *    us: at most the event that each thread was just writing is missing. Blocks of the file are
 *    allocated before they are mapped, so that a full disk is an error here, not SIGBUS there.
 *
 * 3. Order. One process-wide counter. The number of an allocation is taken after the allocator
 *    returned, that of a free before it is called, a realloc takes both. So a block's free comes
 *    after its allocation and before the next allocation at the same address: the program passed
 *    the pointer from one to the other, the allocator passed the address, and increments of one
 *    atomic object follow that order even when relaxed.
 *
 * 4. Ownership. A thread fills one chunk at a time. An event's place is reserved by an atomic
 *    increment in the chunk, so that a signal handler that interrupts a writer gets another place,
 *    and so that several threads may share a chunk where they must (section 6). A full chunk is
 *    unmapped by the thread that filled it, unless it is inside a signal handler that interrupted
 *    a writer: that writer may still hold a place in it.
 *
 * 5. The lock guards files, chunks and thread numbers, never events. It is only taken with all
 *    signals blocked. Lock and generation live in a page that the kernel wipes in a forked child
 *    (MADV_WIPEONFORK), which thus finds the lock free and generation 0: this tells the child, at
 *    its first event, that the log it inherited is its parent's, whichever way it was forked. A
 *    vfork child shares its parent's memory, page included, and rightly writes to its parent's log.
 *
 * 6. Thread exit. Memory is freed by destructors that run after ours, so ours asks to be run again
 *    until the last round; then it writes THREAD_EXIT, and returns chunk and number to be reused.
 *    What is still to come (glibc frees a few blocks after all destructors) goes to one shared
 *    chunk that is never unmapped.
 *
 * 7. Failure. When no chunk can be had, recording stops for the whole process at one sequence
 *    number, which the header states, so that what was recorded is a consistent prefix. The
 *    program goes on.
 */
#include "record/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_BATCH = ASH_RAW_CHUNK_BYTES, /* bytes by which the file grows: doubling, up to */
    LARGEST_BATCH = 64 * ASH_RAW_CHUNK_BYTES,
    PATH_BYTES = 4096,
};

/* Section 5. */
struct fork_page {
    _Atomic(uint32_t) generation; /* of the log; 0: none in this process yet */
    _Atomic(uint32_t) lock;
};

static struct {
    _Alignas(64) _Atomic(uint64_t) sequence; /* last number taken */
    _Alignas(64) struct fork_page *page;
    struct ash_raw_header *header;
    /* the rest: under the lock */
    uint32_t generation; /* last one given */
    bool children;       /* children are recorded too */
    bool key_made;
    pthread_key_t key;
    char *batch, *batch_end; /* mapped, not yet handed out */
    size_t batch_bytes;      /* of the next batch */
    uint64_t file_bytes;
    struct ash_raw_chunk *pool;   /* chunks of dead threads; linked by unused[0] */
    struct ash_raw_chunk *shared; /* section 6 */
    uint64_t used_ids[ASH_RAW_THREADS / 64];
    char directory[PATH_BYTES];
    char path[PATH_BYTES];
} log_state;

_Atomic(bool) ash_log_enabled;
struct ash_log_range ash_log_allocator, ash_log_recorder;
_Thread_local struct ash_log_thread ash_log_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static void lock_log(sigset_t *mask) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, mask);
    while (atomic_exchange_explicit(&log_state.page->lock, 1, memory_order_acquire) != 0)
        sched_yield();
}

static void unlock_log(const sigset_t *mask) {
    atomic_store_explicit(&log_state.page->lock, 0, memory_order_release);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* Allocates file blocks for [offset, offset + bytes). Where the file system cannot, writes zeros:
 * a hole would turn a full disk into SIGBUS in the program. */
static bool grow_file(int fd, uint64_t offset, size_t bytes) {
    struct rlimit limit; /* beyond it the kernel sends SIGXFSZ, which would be the program's end */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < offset + bytes) {
        errno = EFBIG;
        return false;
    }
    if (fallocate(fd, 0, (off_t)offset, (off_t)bytes) == 0) return true;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return false;
    static const char zeros[4096];
    for (size_t done = 0; done < bytes;) {
        size_t want = bytes - done < sizeof zeros ? bytes - done : sizeof zeros;
        ssize_t wrote = pwrite(fd, zeros, want, (off_t)(offset + done));
        if (wrote <= 0) return false;
        done += (size_t)wrote;
    }
    return true;
}

/* Maps `bytes` more of the log. The file is opened anew each time and never kept open: programs
 * close descriptors that they do not know, and another file could then get our number. */
static void *map_more(int flags, uint64_t offset, size_t bytes) {
    int fd = open(log_state.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0) return NULL;
    void *memory = MAP_FAILED;
    if (grow_file(fd, offset, bytes))
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    int error = errno;
    close(fd);
    errno = error;
    return memory == MAP_FAILED ? NULL : memory;
}

/* Events from the one that is about to be numbered on are void. */
static void stop_recording(int error) {
    uint64_t from = atomic_load_explicit(&log_state.sequence, memory_order_relaxed) + 1;
    if (log_state.header != NULL) {
        log_state.header->stop_errno = (uint64_t)error;
        atomic_store_explicit(&log_state.header->stopped_at, from, memory_order_release);
    }
    atomic_store_explicit(&ash_log_enabled, false, memory_order_relaxed);
}

static char *append_text(char *to, const char *text) {
    while (*text != 0) *to++ = *text++;
    *to = 0;
    return to;
}

static char *append_number(char *to, uint64_t value) {
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(to, digits + at, sizeof digits - at);
    to += sizeof digits - at;
    *to = 0;
    return to;
}

/* Makes this image's file, <directory>/<pid>.<image>, and its header. */
static struct ash_raw_header *create_log(void) {
    pid_t pid = getpid();
    struct ash_raw_header *header = NULL;
    /* Earlier images of this process, before exec, hold the lower numbers. */
    for (uint64_t image = 0; image < 100000 && header == NULL; image++) {
        char *end = append_text(log_state.path, log_state.directory);
        end = append_number(append_text(end, "/"), (uint64_t)pid);
        append_number(append_text(end, "."), image);
        header = map_more(O_CREAT | O_EXCL, 0, sizeof *header);
        if (header == NULL && errno != EEXIST) return NULL;
    }
    if (header == NULL) return NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    header->start_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    header->pid = (uint32_t)pid;
    ssize_t length = readlink("/proc/self/exe", header->program, sizeof header->program - 1);
    header->program[length > 0 ? length : 0] = 0;
    header->magic = ASH_RAW_MAGIC;
    log_state.file_bytes = ASH_RAW_FIRST_CHUNK;
    log_state.batch_bytes = FIRST_BATCH;
    return header;
}

/* In a forked child, at its first event: a log of its own, or none. The parent's chunks stay
 * mapped and are never touched again. Called under the lock. */
static void adopt_fork(void) {
    struct ash_raw_header *parent = log_state.header;
    atomic_fetch_add_explicit(&parent->forks, 1, memory_order_relaxed);
    uint64_t at = atomic_load_explicit(&log_state.sequence, memory_order_relaxed);
    log_state.header = NULL;
    log_state.pool = NULL;
    log_state.shared = NULL;
    log_state.batch = log_state.batch_end = NULL;
    memset(log_state.used_ids, 0, sizeof log_state.used_ids);
    atomic_store_explicit(&log_state.sequence, 0, memory_order_relaxed);
    if (log_state.children) log_state.header = create_log();
    if (log_state.header == NULL) {
        atomic_store_explicit(&ash_log_enabled, false, memory_order_relaxed);
    } else {
        log_state.header->fork_parent = parent->pid;
        log_state.header->fork_start_ns = parent->start_ns;
        log_state.header->fork_sequence = at;
    }
    munmap(parent, sizeof *parent);
    atomic_store_explicit(&log_state.page->generation, ++log_state.generation,
                          memory_order_release);
}

/* A chunk that no thread writes to; NULL with errno. Called under the lock. */
static struct ash_raw_chunk *take_chunk(void) {
    struct ash_raw_chunk *chunk = log_state.pool;
    if (chunk != NULL) {
        log_state.pool = (struct ash_raw_chunk *)(uintptr_t)chunk->unused[0];
        chunk->unused[0] = 0;
        return chunk;
    }
    if (log_state.batch == log_state.batch_end) {
        size_t bytes = log_state.batch_bytes;
        char *memory = map_more(0, log_state.file_bytes, bytes);
        if (memory == NULL) return NULL;
        log_state.batch = memory;
        log_state.batch_end = memory + bytes;
        log_state.file_bytes += bytes;
        if (bytes < LARGEST_BATCH) log_state.batch_bytes = 2 * bytes;
    }
    chunk = (struct ash_raw_chunk *)(void *)log_state.batch;
    log_state.batch += ASH_RAW_CHUNK_BYTES;
    /* One call instead of sixteen page faults; an older kernel refuses, and faults. */
    madvise(chunk, ASH_RAW_CHUNK_BYTES, MADV_POPULATE_WRITE);
    chunk->magic = ASH_RAW_CHUNK_MAGIC;
    return chunk;
}

static uint16_t take_id(void) {
    for (size_t word = 0; word < ASH_RAW_THREADS / 64; word++) {
        uint64_t open = ~log_state.used_ids[word];
        if (open == 0) continue;
        unsigned bit = (unsigned)__builtin_ctzll(open);
        log_state.used_ids[word] |= UINT64_C(1) << bit;
        return (uint16_t)(word * 64 + bit);
    }
    return ASH_RAW_THREADS - 1; /* more threads at once than numbers: they share the last */
}

/* Gives the thread a chunk with room. False: there is none. Called under the lock. */
static bool refill(struct ash_log_thread *self) {
    uint32_t generation = atomic_load_explicit(&log_state.page->generation, memory_order_relaxed);
    if (self->generation != generation) {
        self->generation = generation;
        self->chunk = NULL; /* of the parent's log, if any */
        self->id = take_id();
        if (log_state.key_made && !self->late) pthread_setspecific(log_state.key, self);
    }
    struct ash_raw_chunk *full = self->chunk;
    if (self->late) { /* shared: the place may have been taken since; the caller asks again */
        struct ash_raw_chunk *shared = log_state.shared;
        if (shared == NULL ||
            atomic_load_explicit(&shared->next, memory_order_relaxed) >= ASH_RAW_CHUNK_EVENTS)
            log_state.shared = take_chunk();
        self->chunk = log_state.shared;
        return self->chunk != NULL;
    }
    self->chunk = take_chunk();
    if (full != NULL && self->depth == 1) munmap(full, sizeof *full);
    return self->chunk != NULL;
}

/* The slow path of reserve: a new thread, a full chunk, or a new process. */
static __attribute__((noinline, cold)) bool refill_locked(struct ash_log_thread *self) {
    int error = errno;
    sigset_t mask;
    lock_log(&mask);
    self->working = true; /* whatever libc allocates for us is not the program's */
    if (atomic_load_explicit(&log_state.page->generation, memory_order_relaxed) == 0) adopt_fork();
    bool enabled = atomic_load_explicit(&ash_log_enabled, memory_order_relaxed);
    if (enabled && !refill(self)) {
        stop_recording(errno);
        enabled = false;
    }
    self->working = false;
    unlock_log(&mask);
    errno = error;
    return enabled;
}

/* The place of one event; NULL when recording has stopped. */
static struct ash_raw_event *reserve(struct ash_log_thread *self) {
    for (;;) {
        struct ash_raw_chunk *chunk = self->chunk;
        if (__builtin_expect(chunk != NULL && self->generation ==
                                                  atomic_load_explicit(&log_state.page->generation,
                                                                       memory_order_relaxed),
                             1)) {
            uint64_t place = atomic_fetch_add_explicit(&chunk->next, 1, memory_order_relaxed);
            if (__builtin_expect(place < ASH_RAW_CHUNK_EVENTS, 1)) return &chunk->events[place];
        }
        if (!refill_locked(self)) return NULL;
    }
}

void ash_log_event(enum ash_raw_kind kind, const void *address, size_t size, uint64_t arg) {
    struct ash_log_thread *self = &ash_log_thread;
    self->depth++;
    struct ash_raw_event *event = reserve(self);
    if (event != NULL) {
        /* Numbered after the place is certain: no number is lost to a failure above. */
        uint64_t sequence =
            atomic_fetch_add_explicit(&log_state.sequence, 1, memory_order_relaxed) + 1;
        event->address = (uint64_t)(uintptr_t)address;
        event->size = size;
        event->arg = arg;
        atomic_store_explicit(&event->head, ASH_RAW_HEAD(sequence, self->id, kind),
                              memory_order_release);
    }
    self->depth--;
}

/* Section 6. */
static void thread_exit(void *value) {
    struct ash_log_thread *self = value;
    if (++self->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(log_state.key, self);
        return;
    }
    if (!atomic_load_explicit(&ash_log_enabled, memory_order_relaxed)) return;
    ash_log_event(ASH_RAW_THREAD_EXIT, NULL, 0, 0);
    sigset_t mask;
    lock_log(&mask);
    /* A child forked by a destructor may not have noticed yet: then nothing here is its own. */
    if (self->chunk != NULL && self->generation == atomic_load(&log_state.page->generation)) {
        self->chunk->unused[0] = (uint64_t)(uintptr_t)log_state.pool;
        log_state.pool = self->chunk;
        if (self->id != ASH_RAW_THREADS - 1)
            log_state.used_ids[self->id / 64] &= ~(UINT64_C(1) << self->id % 64);
    }
    self->chunk = NULL;
    self->late = true;
    unlock_log(&mask);
}

/* For kernels that cannot wipe pages; misses children made by a bare clone. */
static void forked_without_wipe(void) {
    memset(log_state.page, 0, sizeof *log_state.page);
}

static bool make_page(void) {
    void *page = mmap(NULL, sizeof(struct fork_page), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    log_state.page = page;
    if (madvise(page, sizeof(struct fork_page), MADV_WIPEONFORK) != 0)
        pthread_atfork(NULL, NULL, forked_without_wipe);
    return true;
}

void ash_log_start(void) {
    const char *directory = getenv(ASH_RAW_ENV_DIRECTORY);
    const char *main_pid = getenv(ASH_RAW_ENV_MAIN);
    const char *children = getenv(ASH_RAW_ENV_CHILDREN);
    if (directory == NULL || strlen(directory) > PATH_BYTES - 64) return;
    log_state.children = children != NULL && children[0] == '1';
    bool is_main = main_pid == NULL || strtol(main_pid, NULL, 10) == getpid();
    if (!is_main && !log_state.children) return;
    append_text(log_state.directory, directory);
    if (!make_page()) return;
    log_state.header = create_log();
    if (log_state.header == NULL) return;
    log_state.key_made = pthread_key_create(&log_state.key, thread_exit) == 0;
    atomic_store_explicit(&log_state.page->generation, ++log_state.generation,
                          memory_order_release);
    atomic_store_explicit(&ash_log_enabled, true, memory_order_release);
}
