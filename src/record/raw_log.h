/* The raw log: what a recorded process leaves behind, and what assemble.c reads.
 *
 * One file per process image, mapped shared by the process that writes it, so that whatever was
 * stored is in the file however the process ends:
 *
 *   offset 0        header, one page, then nothing up to ASH_RAW_FIRST_CHUNK
 *   + n * 64 KiB    chunks: 32 bytes of header, then 2,047 events of 32 bytes
 *
 * A chunk's `next` counts reserved events (it runs past the capacity when the chunk is full). An
 * event is committed by its first word, stored last; an event whose first word is 0 was never
 * finished. Events of one chunk are in no particular order: the sequence number in the first word
 * is the order of the whole process.
 *
 * The two sides are always of the same build and machine, so words are in host order.
 */
#ifndef ASH_RECORD_RAW_LOG_H
#define ASH_RECORD_RAW_LOG_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define ASH_RAW_MAGIC       UINT64_C(0x31474f4c48534100) /* "\0ASHLOG1" */
#define ASH_RAW_CHUNK_MAGIC UINT64_C(0x314b4e4843485341) /* "ASHCHNK1" */
enum {
    ASH_RAW_CHUNK_BYTES = 64 << 10,
    ASH_RAW_CHUNK_EVENTS = 2047,
    ASH_RAW_FIRST_CHUNK = 64 << 10, /* a multiple of every page size */
    ASH_RAW_THREADS = 1 << 16,
};

/* What an event says. `address` is what the call returned, but for FREE and REALLOC_BEGIN, where it
 * is what was passed. */
enum ash_raw_kind {
    ASH_RAW_NONE = 0,
    ASH_RAW_MALLOC,        /* size */
    ASH_RAW_CALLOC,        /* size: element, arg: count */
    ASH_RAW_ALIGNED,       /* size, arg: alignment */
    ASH_RAW_FREE,          /* taken before the call */
    ASH_RAW_REALLOC_BEGIN, /* size; taken before the call: the old block may be gone from here on */
    ASH_RAW_REALLOC_END,   /* size, arg: old address (0: realloc(NULL), which has no BEGIN) */
    ASH_RAW_THREAD_EXIT,
    ASH_RAW_KIND_COUNT
};

struct ash_raw_event {
    _Atomic(uint64_t) head; /* sequence number << 24 | thread << 8 | kind; 0: not committed */
    uint64_t address;
    uint64_t size;
    uint64_t arg;
};
static_assert(sizeof(struct ash_raw_event) == 32, "event layout");

struct ash_raw_chunk {
    uint64_t magic;
    _Atomic(uint64_t) next; /* events reserved */
    uint64_t unused[2];
    struct ash_raw_event events[ASH_RAW_CHUNK_EVENTS];
};
static_assert(sizeof(struct ash_raw_chunk) == ASH_RAW_CHUNK_BYTES, "chunk layout");

struct ash_raw_header {
    uint64_t magic;
    uint64_t start_ns;       /* CLOCK_MONOTONIC: orders the logs of one recording */
    uint32_t pid;            /* of this process */
    uint32_t fork_parent;    /* pid of the parent whose memory it began with; 0: began by exec */
    uint64_t fork_start_ns;  /* start_ns of that parent's log: names the log, pids may recur */
    uint64_t fork_sequence;  /* the parent's events up to this one happened before the fork */
    _Atomic(uint64_t) forks; /* children forked by this process that then allocated */
    _Atomic(uint64_t) stopped_at; /* not 0: recording stopped; events from this one on are void */
    uint64_t stop_errno;          /* why */
    char program[256];            /* path of the executable */
};
static_assert(sizeof(struct ash_raw_header) <= 4096, "header fits a page");

#define ASH_RAW_HEAD(sequence, thread, kind)                                                       \
    ((uint64_t)(sequence) << 24 | (uint64_t)(thread) << 8 | (uint64_t)(kind))

/* Environment by which `ashlar record` speaks to the library. */
#define ASH_RAW_ENV_DIRECTORY "ASHLAR_RECORD_DIRECTORY" /* absolute; where the logs go */
#define ASH_RAW_ENV_MAIN      "ASHLAR_RECORD_MAIN"      /* pid of the main process */
#define ASH_RAW_ENV_CHILDREN  "ASHLAR_RECORD_CHILDREN"  /* "1": other processes too */

#endif
