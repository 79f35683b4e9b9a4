/* Traces: sequences of heap operations on numbered slots, independent of addresses; and replaying
 * them.
 *
 * One model, two encodings, lossless both ways: text (one operation a line) and binary (fixed-width
 * records). Every byte string is a valid binary record stream (ashlar_trace_decode_raw), so
 * byte-level mutation stays meaningful.
 *
 * Thread safety: a trace belongs to one thread at a time.
 */
#ifndef ASHLAR_TRACE_H
#define ASHLAR_TRACE_H

#include <ashlar/check.h>
#include <ashlar/target.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an operation does. A slot is empty (nothing was ever put in), live, or stale (its block was
 * freed; the pointer is remembered, for illegal operations). Legal operations on a slot in the
 * wrong state are skipped, so that every sequence has a meaning: allocations need a slot that is
 * not live, the others a live one. Numbers are part of the encoding. */
enum ashlar_op_kind {
    ASHLAR_OP_MALLOC = 0,  /* slot, size */
    ASHLAR_OP_CALLOC,      /* slot, size: element bytes, arg: count */
    ASHLAR_OP_REALLOC,     /* slot, size; an empty or stale slot is realloc(NULL, size) */
    ASHLAR_OP_ALIGNED,     /* slot, size, arg: alignment */
    ASHLAR_OP_FREE,        /* slot */
    ASHLAR_OP_FREE_SIZED,  /* slot; names the size that was asked for */
    ASHLAR_OP_USABLE,      /* slot */
    ASHLAR_OP_FILL,        /* slot: rewrite the whole usable size with a new pattern */
    ASHLAR_OP_TRIM,        /* give free pages back */
    ASHLAR_OP_COLLECT,     /* merge remote frees of `thread` */
    ASHLAR_OP_THREAD_EXIT, /* release `thread`'s thread heap; its next operation acquires one */
    ASHLAR_OP_CHECK,       /* full check now (targets with a native check) */
    ASHLAR_OP_CLOCK,       /* arg: milliseconds pass (targets whose clock can be moved) */
    ASHLAR_OP_FAULT, /* arg: the arg-th system call from here fails, once (targets with faults); 0:
                        none */
    ASHLAR_OP_RESET, /* all blocks freed at once (targets with reset) */
    /* illegal: what the program under test must not do; a replay knows what each target promises
       for them */
    ASHLAR_OP_DOUBLE_FREE,     /* stale slot: free it again */
    ASHLAR_OP_FREE_INSIDE,     /* live slot, arg: offset into the block, 1.. */
    ASHLAR_OP_FREE_FOREIGN,    /* arg: 0 stack address, 1 static object, 2 wild, 3 null page, 4 just
                                  below and 5 just    behind the region, 6 mapped elsewhere */
    ASHLAR_OP_FREE_WRONG_SIZE, /* live slot, size: the wrong size named to a sized free */
    ASHLAR_OP_WRITE_PAST,      /* live slot, arg: offset behind the requested end, size: bytes */
    ASHLAR_OP_WRITE_STALE,     /* stale slot, arg: offset, size: bytes to write */
    ASHLAR_OP_FLIP, /* arg: bit to flip in the heap's metadata (targets that let it be reached) */
    /* legal again: how logical threads interleave within operations (a core with yield points) */
    ASHLAR_OP_STEP, /* arg: the operation of `thread` that is under way goes on for so many yield
                       points; when there is none, its next one stops after so many */
    ASHLAR_OP_COUNT
};

/* One operation; also the binary record, little-endian: kind u8, thread u8, flags u16 (0), slot
 * u32, size u64, arg u64. */
struct ashlar_op {
    uint8_t kind;   /* enum ashlar_op_kind */
    uint8_t thread; /* logical thread, 0.. */
    uint16_t flags; /* 0 */
    uint32_t slot;
    uint64_t size;
    uint64_t arg;
};
enum {
    ASHLAR_OP_BYTES = 24,
    ASHLAR_RAW_SLOTS = 2048,
    ASHLAR_RAW_THREADS = 4,
    ASHLAR_RAW_HEADER_BYTES = 8,
    ASHLAR_RAW_STEPS = 3, /* byte of the header: bit 0 set when records may be steps */
};

/* Where the core target puts its heap. */
enum ashlar_trace_heap { ASHLAR_HEAP_RESERVED = 0, ASHLAR_HEAP_IN_MEMORY = 1 };

struct ashlar_trace {
    struct ashlar_op *ops;
    size_t count, capacity;
    uint32_t slots;    /* slots used are below this */
    uint32_t threads;  /* 1..256 */
    uint8_t heap;      /* enum ashlar_trace_heap */
    uint32_t heap_kib; /* IN_MEMORY: KiB of memory (1,024 and up); RESERVED: region in MiB (64 and
                          up), 0 default */
    uint64_t seed;     /* of the content patterns */
};

/* Empty: no operations, no slots, one thread, a reserved heap of the default size. */
void ashlar_trace_init(struct ashlar_trace *trace);
void ashlar_trace_free(struct ashlar_trace *trace);
/* Appends `op` in normal form (fields that its kind does not have become 0) and raises slots and
 * threads above those it uses. False: no memory, or a slot that no table can have (2^27 and up);
 * the trace is then as it was. */
bool ashlar_trace_append(struct ashlar_trace *trace, const struct ashlar_op *op);
/* `to` was initialised; its operations are replaced. False: no memory, and `to` is as it was. */
bool ashlar_trace_copy(struct ashlar_trace *to, const struct ashlar_trace *from);
bool ashlar_trace_equal(const struct ashlar_trace *a, const struct ashlar_trace *b);

/* "malloc", "free-inside", ...; and back (ASHLAR_OP_COUNT when there is none). */
const char *ashlar_op_name(enum ashlar_op_kind kind);
enum ashlar_op_kind ashlar_op_by_name(const char *name, size_t length);
bool ashlar_op_is_illegal(enum ashlar_op_kind kind);

/* What is wrong with an input, and where. */
struct ashlar_trace_error {
    size_t line;   /* 1-based, of text; 0 for binary */
    size_t offset; /* byte offset */
    char message[200];
};

/* Raw fuzzer inputs: a header of ASHLAR_RAW_HEADER_BYTES (heap kind, heap size, threads, seed; see
 * docs/TRACE_FORMAT.md), then records; total: the kind is taken modulo the table, slot modulo
 * ASHLAR_RAW_SLOTS, thread modulo the header's threads, a partial record is filled with zeros. A
 * record may stand for a loop, which is written out. At most `max_ops` operations. False: no
 * memory. encode_raw is its inverse for traces within those limits. */
bool ashlar_trace_decode_raw(const uint8_t *bytes, size_t size, size_t max_ops,
                             struct ashlar_trace *out);
size_t ashlar_trace_encode_raw(const struct ashlar_trace *trace, uint8_t *out,
                               size_t capacity); /* bytes needed */

enum ashlar_trace_format {
    ASHLAR_FORMAT_UNKNOWN = 0,
    ASHLAR_FORMAT_TEXT,   /* first line "ashlar trace 1" */
    ASHLAR_FORMAT_BINARY, /* magic, version, header, records, checksum; optionally compressed with
                             zstd */
    ASHLAR_FORMAT_RAW,
    ASHLAR_FORMAT_REP,           /* malloc lab */
    ASHLAR_FORMAT_MEMORY_REPLAY, /* Android memory_replay text */
    ASHLAR_FORMAT_MTRACE,        /* glibc mtrace; import only */
    ASHLAR_FORMAT_COUNT
};
const char *ashlar_format_name(enum ashlar_trace_format format); /* "text", "binary", "raw", "rep",
                                                                    "memory-replay", "mtrace" */
enum ashlar_trace_format ashlar_format_by_name(const char *name);
enum ashlar_trace_format ashlar_format_detect(const uint8_t *bytes, size_t size); /* never RAW */

/* Decodes `bytes` as `format` (UNKNOWN: detect). `out` need not be initialised; what it held is
 * overwritten, not freed. False: *error (which may be NULL) says what is wrong and where, in words
 * that do not name the place, and `out` is empty. */
bool ashlar_trace_decode(const uint8_t *bytes, size_t size, enum ashlar_trace_format format,
                         struct ashlar_trace *out, struct ashlar_trace_error *error);
/* Reads a whole file and decodes it. A directory, an empty or unreadable file is an error too. */
bool ashlar_trace_load(const char *path, enum ashlar_trace_format format, struct ashlar_trace *out,
                       struct ashlar_trace_error *error);
/* Writes; `compress` applies to BINARY. What the format cannot say is counted in *lost (may be
 * NULL) and left out. */
bool ashlar_trace_save(const struct ashlar_trace *trace, const char *path,
                       enum ashlar_trace_format format, bool compress, size_t *lost,
                       struct ashlar_trace_error *error);
bool ashlar_trace_write(const struct ashlar_trace *trace, FILE *stream,
                        enum ashlar_trace_format format, bool compress, size_t *lost,
                        struct ashlar_trace_error *error);
/* One operation as a line of text, without the newline; returns its length, as snprintf. */
int ashlar_op_text(const struct ashlar_op *op, char *out, size_t capacity);

/* A standalone C program that performs the trace through malloc and friends; one with threads of
 * the system when the trace has several. `program` may be NULL, and so may each of its members. */
struct ashlar_program {
    const char *comment; /* on top */
    const char *library; /* the allocator's shared library, for the line that says how to build */
    const char *prefix;  /* that its names have before malloc's */
};
bool ashlar_trace_write_c(const struct ashlar_trace *trace, FILE *stream,
                          const struct ashlar_program *program);

/* Generates operations with the sizes that break allocators: class sizes and multiples of a page
 * +-1, powers of two +-k, SIZE_MAX - k, wrapping products. Deterministic in *state. */
struct ashlar_generator {
    uint64_t state; /* any seed */
    uint32_t slots, threads;
    uint64_t size_limit; /* most sizes stay below; absurd ones ignore it */
    bool illegal;        /* may produce illegal operations */
    bool steps;          /* may produce steps */
};
uint64_t ashlar_generate_size(struct ashlar_generator *generator);
void ashlar_generate_op(struct ashlar_generator *generator, struct ashlar_op *out);

/* How much the oracle checks. */
enum ashlar_oracle_tier {
    ASHLAR_ORACLE_LIGHT,   /* O(1) per operation: overlap, alignment, usable size, first and last
                              bytes */
    ASHLAR_ORACLE_SAMPLED, /* and contents at sampled offsets; the whole of small blocks */
    ASHLAR_ORACLE_FULL,    /* every byte of every block, at every free and at the end */
};

enum ashlar_layer {
    ASHLAR_LAYER_NONE = 0,
    ASHLAR_LAYER_ORACLE,
    ASHLAR_LAYER_CHECKER,
    ASHLAR_LAYER_MISUSE
};

/* The first thing that went wrong in a replay. */
struct ashlar_replay_finding {
    enum ashlar_finding_code code;
    enum ashlar_layer layer;
    size_t op_index; /* 0-based; the operation after which it was seen */
    uint64_t address;
    uint64_t expected, found;
    struct ashlar_finding check; /* layer CHECKER: what the checker saw */
    struct ashlar_misuse misuse; /* layer MISUSE: unpromised, or promised but with other data */
    char text[200];              /* "expected ..., found ..." without addresses */
};

struct ashlar_replay_options {
    const struct ashlar_target *target; /* NULL: the core */
    enum ashlar_oracle_tier oracle;
    uint32_t verify_every; /* native full check after each so many operations; 0: at the end only */
    uint64_t check_pages;  /* once full checks have seen so many pages, there are none but at the
                              end, and no operation that asks for one is performed; 0: no bound */
    bool touched_check;    /* native O(1) check after each operation */
    size_t until;          /* stop before this operation; 0: run all */
    const struct ashlar_fault_plan *faults; /* from the start; NULL: none but the trace's own */
    bool report_illegal; /* an illegal operation that the target reports as promised is itself
                              the finding (replay, minimize); false: it is expected and the replay
                              goes on (fuzzing) */
    bool
        keep; /* keep the target instance in the result, for dump and stats; else it is destroyed */
};

struct ashlar_replay_result {
    bool found;
    bool under_way; /* the finding came while threads were in the middle of operations, where a
                       kept instance leaves them: its heap is not quiescent */
    struct ashlar_replay_finding finding;
    size_t ops_run, ops_skipped;
    uint64_t misuses_expected;        /* illegal operations that were reported as promised */
    struct ashlar_check_report check; /* of the last full check */
    bool checked;
    uint64_t live_blocks, live_bytes, peak_bytes; /* as the oracle counts: requested bytes */
    enum ashlar_status
        failure;    /* not OK: the replay itself could not go on (no memory, no instance) */
    void *instance; /* with options.keep; end with ashlar_replay_end */
    struct ashlar_oracle *oracle;
    const struct ashlar_target *target;
};

void ashlar_replay(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                   struct ashlar_replay_result *result);
/* Destroys a kept instance. What it leaves mapped becomes the finding, unless there is one
 * already. */
void ashlar_replay_end(struct ashlar_replay_result *result);
/* With options.keep: where slot's block is (live or stale), or 0. */
uint64_t ashlar_replay_slot_address(const struct ashlar_replay_result *result, uint32_t slot,
                                    bool *live, uint64_t *requested);

/* Same finding: same code, same layer and the same kind of operation. */
bool ashlar_same_finding(const struct ashlar_trace *a, const struct ashlar_replay_result *ra,
                         const struct ashlar_trace *b, const struct ashlar_replay_result *rb);

/* The first operation after which something is wrong, by re-replaying ever shorter prefixes with a
 * full check at their end: log2(count) replays. False: nothing is wrong. *finding is what is seen
 * right after that operation, its op_index. `options->until`, `verify_every` and `keep` are
 * ignored. */
bool ashlar_bisect(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                   struct ashlar_replay_finding *finding);

/* Whether a candidate still shows what is being minimised. */
typedef bool ashlar_trace_predicate(void *context, const struct ashlar_trace *candidate);
/* Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
 * 2002) over operations, then slots, threads, sizes and arguments, to a fixed point or `max_tests`.
 * Returns tests made; trace is changed in place. */
size_t ashlar_minimize(struct ashlar_trace *trace, ashlar_trace_predicate *still_fails,
                       void *context, size_t max_tests);

#ifdef __cplusplus
}
#endif
#endif
