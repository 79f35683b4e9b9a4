/* The assembler: raw logs in, a trace out.
 *
 * 1. Purpose. A log speaks of addresses and of calls as they happened; a trace speaks of slots. The
 *    assembler puts the events into the order of their sequence numbers, follows which address is
 *    which block, and writes one operation for each call that had an effect.
 *
 * 2. Order. Numbers are dense from 1, so sorting is placing. A number with no event is one that a
 *    killed process had taken and not finished: counted, and otherwise ignored.
 *
 * 3. Realloc has two events. From BEGIN on the old address may belong to anybody, so the block is
 *    taken out of the table; END says where it is now (or that it stayed, when the call failed).
 *    The operation stands where END stands. A realloc that never ended leaves its block live.
 *
 * 4. Forked children. What a child has from its parent it may free. So the ancestors' logs are
 *    followed first, each up to the fork, without writing anything; what is live then is allocated
 *    at the head of the child's trace, in its original order.
 *
 * 5. What has no place in a trace. Calls that failed for want of memory would succeed in a replay
 *    and are left out; those that every allocator must refuse (over PTRDIFF_MAX, or a product that
 *    wraps) are kept. Frees of blocks never seen are left out. Both are counted.
 *
 * 6. realloc(p, 0) means one thing in glibc and another elsewhere. It becomes what it was seen to
 *    do: a free when NULL came back, else a realloc to one byte.
 */
#include "record/assemble.h"
#include "record/blocks.h"
#include "record/raw_log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOGICAL_THREADS = 256, MOST_ANCESTORS = 64 };
#define NO_SLOT UINT32_MAX

/* A log, mapped, with its events in order. */
struct raw_log {
    const struct ash_raw_header *header;
    size_t bytes;
    const struct ash_raw_event **order; /* by sequence number; NULL where one is missing */
    uint64_t last;                      /* highest number */
    uint64_t events;
};

/* A realloc between its two events. */
struct in_flight {
    uint16_t thread;
    bool known;
    struct ash_recorded_block block;
};

struct assembly {
    struct ash_recorded_blocks blocks;
    struct ash_record_slots slots;
    struct in_flight *flights;
    size_t flight_count, flight_capacity;
    struct ashlar_trace *trace; /* NULL while an ancestor is followed */
    struct ash_recording_summary *summary;
    uint64_t born, live_bytes;
    uint64_t seen_threads[ASH_RAW_THREADS / 64];
    bool failed; /* no memory */
};

static bool fail(struct ashlar_trace_error *error, const char *what, const char *path) {
    *error = (struct ashlar_trace_error){0};
    snprintf(error->message, sizeof error->message, "%s: %.150s", what, path);
    return false;
}

static bool event_kind_known(uint64_t head) {
    unsigned kind = (unsigned)(head & 0xff);
    return kind != ASH_RAW_NONE && kind < ASH_RAW_KIND_COUNT;
}

/* Calls for each finished event; first to find the highest number, then to place. */
static bool scan_events(struct raw_log *log, bool place) {
    uint64_t stopped_at = atomic_load(&log->header->stopped_at);
    uint64_t limit = stopped_at != 0 ? stopped_at : UINT64_MAX;
    for (size_t at = ASH_RAW_FIRST_CHUNK; at + ASH_RAW_CHUNK_BYTES <= log->bytes;
         at += ASH_RAW_CHUNK_BYTES) {
        const void *here = (const char *)log->header + at;
        const struct ash_raw_chunk *chunk = here;
        if (chunk->magic != ASH_RAW_CHUNK_MAGIC) continue; /* allocated, never handed out */
        uint64_t used = atomic_load(&chunk->next);
        if (used > ASH_RAW_CHUNK_EVENTS) used = ASH_RAW_CHUNK_EVENTS;
        for (uint64_t i = 0; i < used; i++) {
            uint64_t head = atomic_load(&chunk->events[i].head);
            uint64_t number = head >> 24;
            if (number == 0 || number >= limit) continue;
            if (!event_kind_known(head)) return false;
            if (!place) {
                if (number > log->last) log->last = number;
                log->events++;
            } else if (number <= log->last) { /* else it came while we read */
                if (log->order[number] != NULL) return false;
                log->order[number] = &chunk->events[i];
            }
        }
    }
    return true;
}

static void close_log(struct raw_log *log) {
    free(log->order);
    if (log->header != NULL) munmap((void *)(uintptr_t)log->header, log->bytes);
    *log = (struct raw_log){0};
}

static bool map_log(struct raw_log *log, const char *path, struct ashlar_trace_error *error) {
    *log = (struct raw_log){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(error, strerror(errno), path);
    struct stat status;
    void *memory = MAP_FAILED;
    if (fstat(fd, &status) == 0 && (size_t)status.st_size >= sizeof(struct ash_raw_header)) {
        log->bytes = (size_t)status.st_size;
        memory = mmap(NULL, log->bytes, PROT_READ, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (memory == MAP_FAILED) return fail(error, "not a raw log", path);
    log->header = memory;
    if (log->header->magic == ASH_RAW_MAGIC) return true;
    close_log(log);
    return fail(error, "not a raw log", path);
}

static bool open_log(struct raw_log *log, const char *path, struct ashlar_trace_error *error) {
    if (!map_log(log, path, error)) return false;
    if (scan_events(log, false)) {
        /* At most one number per running thread and signal level can be missing; many more mean
         * that the file is not what we wrote, and must not make us allocate for them. */
        if (log->last <= 2 * log->events + ASH_RAW_THREADS) {
            log->order = calloc((size_t)log->last + 1, sizeof(void *));
            if (log->order == NULL) {
                close_log(log);
                return fail(error, "no memory for", path);
            }
            if (scan_events(log, true)) return true;
        }
    }
    close_log(log);
    return fail(error, "damaged raw log", path);
}

static void emit(struct assembly *a, enum ashlar_op_kind kind, uint16_t thread, uint32_t slot,
                 uint64_t size, uint64_t arg) {
    if (a->trace == NULL) return;
    struct ashlar_op op = {.kind = (uint8_t)kind,
                           .thread = (uint8_t)(thread % LOGICAL_THREADS),
                           .slot = slot,
                           .size = size,
                           .arg = arg};
    if (op.thread >= a->trace->threads) a->trace->threads = op.thread + 1U;
    if (slot >= a->trace->slots) a->trace->slots = slot + 1;
    if (!ashlar_trace_append(a->trace, &op)) a->failed = true;
}

static void count_live(struct assembly *a, uint64_t gone, uint64_t come) {
    a->live_bytes += come - gone;
    if (a->trace == NULL) return;
    if (a->live_bytes > a->summary->peak_live_bytes) a->summary->peak_live_bytes = a->live_bytes;
    if (a->blocks.count > a->summary->peak_live_blocks)
        a->summary->peak_live_blocks = a->blocks.count;
}

static void let_go(struct assembly *a, uint16_t thread, const struct ash_recorded_block *block) {
    emit(a, ASHLAR_OP_FREE, thread, block->slot, 0, 0);
    if (block->slot != NO_SLOT) ash_record_slots_return(&a->slots, block->slot);
    count_live(a, block->size, 0);
}

/* Whoever is still known at an address that is handed out now has been freed unseen. */
static void evict(struct assembly *a, uint16_t thread, uint64_t address) {
    struct ash_recorded_block old;
    if (!ash_recorded_blocks_take(&a->blocks, address, &old)) return;
    if (a->trace != NULL) a->summary->implied_frees++;
    let_go(a, thread, &old);
}

/* Enters a block under its address; `gone` bytes of it were counted as live before. */
static void settle(struct assembly *a, uint16_t thread, const struct ash_recorded_block *block,
                   uint64_t gone) {
    evict(a, thread, block->address);
    ash_recorded_blocks_add(&a->blocks, block);
    count_live(a, gone, block->size);
}

static uint64_t bytes_of(unsigned kind, const struct ash_raw_event *event) {
    uint64_t product;
    if (kind != ASH_RAW_CALLOC) return event->size;
    return __builtin_mul_overflow(event->size, event->arg, &product) ? UINT64_MAX : product;
}

/* memalign's callers may say anything; libc rounds up to a power of two, and so do we. */
static uint64_t alignment_of(unsigned kind, const struct ash_raw_event *event) {
    if (kind != ASH_RAW_ALIGNED || event->arg <= 1) return 0;
    uint64_t alignment = 2;
    while (alignment < event->arg && alignment != UINT64_C(1) << 63) alignment *= 2;
    return alignment;
}

/* MALLOC, CALLOC, ALIGNED, and END of a realloc of nothing. */
static void on_allocation(struct assembly *a, unsigned kind, uint16_t thread,
                          const struct ash_raw_event *event) {
    uint64_t bytes = bytes_of(kind, event), alignment = alignment_of(kind, event);
    enum ashlar_op_kind op = kind == ASH_RAW_CALLOC        ? ASHLAR_OP_CALLOC
                             : kind == ASH_RAW_REALLOC_END ? ASHLAR_OP_REALLOC
                             : alignment != 0              ? ASHLAR_OP_ALIGNED
                                                           : ASHLAR_OP_MALLOC;
    uint64_t arg = op == ASHLAR_OP_CALLOC ? event->arg : op == ASHLAR_OP_ALIGNED ? alignment : 0;
    if (event->address == 0) {
        if (bytes > PTRDIFF_MAX)
            emit(a, op, thread, ash_record_slots_lowest(&a->slots), event->size, arg);
        else if (a->trace != NULL)
            a->summary->failed++;
        return;
    }
    struct ash_recorded_block block = {
        .address = event->address, .size = bytes, .alignment = alignment, .born = a->born++};
    evict(a, thread, block.address); /* first: its slot is free then */
    block.slot = a->trace != NULL ? ash_record_slots_take(&a->slots) : NO_SLOT;
    emit(a, op, thread, block.slot, event->size, arg);
    settle(a, thread, &block, 0);
}

static void on_free(struct assembly *a, uint16_t thread, const struct ash_raw_event *event) {
    struct ash_recorded_block block;
    if (ash_recorded_blocks_take(&a->blocks, event->address, &block))
        let_go(a, thread, &block);
    else if (a->trace != NULL)
        a->summary->unknown_frees++;
}

static void on_realloc_begin(struct assembly *a, uint16_t thread,
                             const struct ash_raw_event *event) {
    if (a->flight_count == a->flight_capacity) {
        size_t capacity = a->flight_capacity == 0 ? 64 : 2 * a->flight_capacity;
        struct in_flight *flights = realloc(a->flights, capacity * sizeof *flights);
        if (flights == NULL) {
            a->failed = true;
            return;
        }
        a->flights = flights;
        a->flight_capacity = capacity;
    }
    struct in_flight *flight = &a->flights[a->flight_count++];
    *flight = (struct in_flight){.thread = thread};
    flight->known = ash_recorded_blocks_take(&a->blocks, event->address, &flight->block);
    flight->block.address = event->address;
}

/* The latest realloc of that block by that thread. */
static bool take_flight(struct assembly *a, uint16_t thread, uint64_t address,
                        struct in_flight *out) {
    for (size_t i = a->flight_count; i-- != 0;) {
        const struct in_flight *flight = &a->flights[i];
        if (flight->thread != thread || flight->block.address != address) continue;
        *out = *flight;
        a->flights[i] = a->flights[--a->flight_count];
        return true;
    }
    return false;
}

static void on_realloc_end(struct assembly *a, uint16_t thread, const struct ash_raw_event *event) {
    struct in_flight flight;
    if (event->arg == 0) {
        on_allocation(a, ASH_RAW_REALLOC_END, thread, event);
        return;
    }
    if (!take_flight(a, thread, event->arg, &flight) || !flight.known) {
        if (a->trace != NULL) a->summary->unknown_moves++;
        on_allocation(a, ASH_RAW_REALLOC_END, thread, event);
        return;
    }
    struct ash_recorded_block block = flight.block;
    if (event->address != 0) {
        uint64_t gone = block.size;
        block.address = event->address;
        block.size = event->size;
        block.alignment = 0;
        emit(a, ASHLAR_OP_REALLOC, thread, block.slot, event->size != 0 ? event->size : 1, 0);
        settle(a, thread, &block, gone);
    } else if (event->size == 0) {
        let_go(a, thread, &block);
    } else {
        if (event->size > PTRDIFF_MAX)
            emit(a, ASHLAR_OP_REALLOC, thread, block.slot, event->size, 0);
        else if (a->trace != NULL)
            a->summary->failed++;
        settle(a, thread, &block, block.size);
    }
}

static void on_event(struct assembly *a, const struct ash_raw_event *event) {
    uint64_t head = atomic_load(&event->head);
    unsigned kind = (unsigned)(head & 0xff);
    uint16_t thread = (uint16_t)(head >> 8);
    if (a->trace != NULL) a->seen_threads[thread / 64] |= UINT64_C(1) << thread % 64;
    switch (kind) {
    case ASH_RAW_FREE:
        on_free(a, thread, event);
        break;
    case ASH_RAW_REALLOC_BEGIN:
        on_realloc_begin(a, thread, event);
        break;
    case ASH_RAW_REALLOC_END:
        on_realloc_end(a, thread, event);
        break;
    case ASH_RAW_THREAD_EXIT:
        emit(a, ASHLAR_OP_THREAD_EXIT, thread, 0, 0, 0);
        break;
    default:
        on_allocation(a, kind, thread, event);
    }
}

/* Reallocs that have not ended keep their blocks. */
static void land_flights(struct assembly *a) {
    for (size_t i = 0; i < a->flight_count; i++) {
        const struct in_flight *flight = &a->flights[i];
        if (flight->known) settle(a, flight->thread, &flight->block, flight->block.size);
    }
    a->flight_count = 0;
}

static void follow(struct assembly *a, const struct raw_log *log, uint64_t until) {
    uint64_t end = until < log->last ? until : log->last;
    for (uint64_t number = 1; number <= end; number++) {
        if (log->order[number] != NULL) on_event(a, log->order[number]);
    }
}

static int by_birth(const void *left, const void *right) {
    const struct ash_recorded_block *a = left, *b = right;
    return a->born < b->born ? -1 : a->born > b->born;
}

/* Section 4: what the child was born with becomes the head of its trace. */
static void write_inherited(struct assembly *a) {
    size_t count = a->blocks.count, at = 0;
    if (count == 0) return;
    struct ash_recorded_block *all = malloc(count * sizeof *all);
    if (all == NULL) {
        a->failed = true;
        return;
    }
    for (size_t i = 0; i < a->blocks.capacity; i++) {
        if (a->blocks.entries[i].address != 0) all[at++] = a->blocks.entries[i];
    }
    qsort(all, count, sizeof *all, by_birth);
    ash_recorded_blocks_end(&a->blocks);
    a->live_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct ash_recorded_block block = all[i];
        block.slot = ash_record_slots_take(&a->slots);
        enum ashlar_op_kind op = block.alignment != 0 ? ASHLAR_OP_ALIGNED : ASHLAR_OP_MALLOC;
        emit(a, op, 0, block.slot, block.size, block.alignment);
        settle(a, 0, &block, 0);
    }
    a->summary->inherited = count;
    free(all);
}

static const struct ash_recorded_image *parent_of(const struct ash_recording *recording,
                                                  const struct ash_recorded_image *image) {
    for (size_t i = 0; i < recording->count; i++) {
        const struct ash_recorded_image *other = &recording->images[i];
        if (image->fork_parent != 0 && other->pid == image->fork_parent &&
            other->start_ns == image->fork_start_ns)
            return other;
    }
    return NULL;
}

static bool follow_ancestors(struct assembly *a, const struct ash_recording *recording,
                             const struct ash_recorded_image *image,
                             struct ashlar_trace_error *error) {
    const struct ash_recorded_image *line[MOST_ANCESTORS]; /* youngest first */
    size_t generations = 0;
    line[0] = image;
    while (generations + 1 < MOST_ANCESTORS) {
        const struct ash_recorded_image *parent = parent_of(recording, line[generations]);
        if (parent == NULL) break;
        line[++generations] = parent;
    }
    for (size_t i = generations; i != 0; i--) {
        struct raw_log log;
        if (!open_log(&log, line[i]->path, error)) return false;
        follow(a, &log, line[i - 1]->fork_sequence);
        land_flights(a);
        close_log(&log);
    }
    return true;
}

static void summarise(struct assembly *a, const struct raw_log *log) {
    struct ash_recording_summary *summary = a->summary;
    summary->events = log->events;
    summary->lost = log->last - log->events;
    summary->live_blocks = a->blocks.count;
    for (size_t i = 0; i < ASH_RAW_THREADS / 64; i++)
        summary->threads += (uint32_t)__builtin_popcountll(a->seen_threads[i]);
}

bool ash_recording_assemble(const struct ash_recording *recording, size_t image,
                            struct ashlar_trace *out, struct ash_recording_summary *summary,
                            struct ashlar_trace_error *error) {
    *summary = (struct ash_recording_summary){0};
    ashlar_trace_init(out);
    struct assembly *a = calloc(1, sizeof *a);
    if (a == NULL) return fail(error, "no memory for", recording->images[image].path);
    a->summary = summary;
    struct raw_log log = {0};
    bool done = follow_ancestors(a, recording, &recording->images[image], error) &&
                open_log(&log, recording->images[image].path, error);
    if (done) {
        a->trace = out;
        out->threads = 1;
        write_inherited(a);
        follow(a, &log, UINT64_MAX);
        land_flights(a);
        summarise(a, &log);
        if (a->failed || a->blocks.failed || a->slots.failed)
            done = fail(error, "no memory for", recording->images[image].path);
        if (out->slots == 0) out->slots = 1;
    }
    close_log(&log);
    ash_recorded_blocks_end(&a->blocks);
    ash_record_slots_end(&a->slots);
    free(a->flights);
    free(a);
    if (!done) {
        ashlar_trace_free(out);
        ashlar_trace_init(out);
    }
    return done;
}

static int by_start(const void *left, const void *right) {
    const struct ash_recorded_image *a = left, *b = right;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* False: no memory. A file that is no log (its process was killed while making it) is left out. */
static bool add_image(struct ash_recording *recording, const char *directory, const char *name) {
    char *path;
    if (asprintf(&path, "%s/%s", directory, name) < 0) return false;
    struct ashlar_trace_error ignored;
    struct raw_log log;
    if (!map_log(&log, path, &ignored)) {
        free(path);
        return true;
    }
    struct ash_recorded_image *images =
        realloc(recording->images, (recording->count + 1) * sizeof *images);
    if (images != NULL) {
        const struct ash_raw_header *header = log.header;
        recording->images = images;
        struct ash_recorded_image *image = &images[recording->count++];
        *image = (struct ash_recorded_image){
            .path = path,
            .start_ns = header->start_ns,
            .pid = header->pid,
            .fork_parent = header->fork_parent,
            .fork_start_ns = header->fork_start_ns,
            .fork_sequence = header->fork_sequence,
            .forks = atomic_load(&header->forks),
            .stop_errno = (int)header->stop_errno,
        };
        memcpy(image->program, header->program, sizeof image->program - 1);
    } else {
        free(path);
    }
    close_log(&log);
    return images != NULL;
}

bool ash_recording_open(struct ash_recording *recording, const char *directory,
                        struct ashlar_trace_error *error) {
    *recording = (struct ash_recording){0};
    DIR *stream = opendir(directory);
    if (stream == NULL) return fail(error, strerror(errno), directory);
    bool done = true;
    for (const struct dirent *entry = readdir(stream); done && entry != NULL;
         entry = readdir(stream)) {
        if (entry->d_name[0] != '.') done = add_image(recording, directory, entry->d_name);
    }
    closedir(stream);
    if (!done) {
        ash_recording_close(recording);
        return fail(error, "no memory for", directory);
    }
    if (recording->count != 0)
        qsort(recording->images, recording->count, sizeof *recording->images, by_start);
    return true;
}

void ash_recording_close(struct ash_recording *recording) {
    for (size_t i = 0; i < recording->count; i++) free(recording->images[i].path);
    free(recording->images);
    *recording = (struct ash_recording){0};
}
