/* Reads the text traces of Android's memory_replay.
 *
 * One operation a line, TID being a thread's id and POINTER what the call returned or was given:
 *
 *   TID: malloc POINTER BYTES              TID: free POINTER
 *   TID: calloc POINTER COUNT BYTES        TID: thread_done 0x0
 *   TID: memalign POINTER ALIGNMENT BYTES
 *   TID: realloc NEW-POINTER OLD-POINTER BYTES
 *
 * Each line may end with two more numbers, the times at which the call began and ended.
 *
 * Addresses become slots (blocks.c), thread ids logical threads 0.. in the order of appearance. A
 * thread's number is given to the next new thread once it is done; threads beyond 256 at a time
 * share numbers. Calls that failed (POINTER 0) and free(NULL) are left out: they say nothing of
 * what the block's slot held. Freeing or resizing an address that is not allocated, or allocating
 * one that is, is an error: the trace was cut out of the middle, or its lines are out of order.
 */
#include "trace/blocks.h"
#include "trace/model.h"
#include "trace/parse.h"

#include <inttypes.h>
#include <string.h>

struct decoder {
    struct ash_text text;
    struct ashlar_trace *trace;
    struct ash_blocks blocks;
    uint64_t tids[ASH_TRACE_THREADS_MAX];
    bool used[ASH_TRACE_THREADS_MAX];
};

/* How a line goes on behind its name. */
struct action {
    const char *name;
    uint8_t numbers; /* behind the pointer */
    bool (*read)(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                 const uint64_t *numbers);
};

static struct ash_word next_word(struct decoder *decoder) {
    return ash_text_word(&decoder->text, false);
}

/* Of the whole line. */
static struct ash_word line_start(const struct decoder *decoder) {
    return (struct ash_word){decoder->text.start,
                             (size_t)(decoder->text.end - decoder->text.start)};
}

static bool append(struct decoder *decoder, const struct ashlar_op *op) {
    if (decoder->trace->count == ASH_TRACE_OPS_MAX)
        return ash_text_fail(&decoder->text, line_start(decoder), "more than %d operations",
                             ASH_TRACE_OPS_MAX);
    return ashlar_trace_append(decoder->trace, op) || ash_text_no_memory(&decoder->text);
}

static bool is_free_address(struct decoder *decoder, uint64_t pointer) {
    uint32_t slot;
    if (!ash_blocks_find(&decoder->blocks, pointer, &slot)) return true;
    return ash_text_fail(&decoder->text, line_start(decoder), "0x%" PRIx64 " is already allocated",
                         pointer);
}

static bool is_allocated(struct decoder *decoder, uint64_t pointer) {
    uint32_t slot;
    if (ash_blocks_find(&decoder->blocks, pointer, &slot)) return true;
    return ash_text_fail(&decoder->text, line_start(decoder), "0x%" PRIx64 " is not allocated",
                         pointer);
}

/* A new block at `pointer`; op says which call, and how large. */
static bool allocate(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer) {
    if (!pointer) return true;
    if (!is_free_address(decoder, pointer)) return false;
    if (!ash_blocks_add(&decoder->blocks, pointer, &op->slot))
        return ash_text_no_memory(&decoder->text);
    return append(decoder, op);
}

static bool read_malloc(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                        const uint64_t *numbers) {
    op->kind = ASHLAR_OP_MALLOC;
    op->size = numbers[0];
    return allocate(decoder, op, pointer);
}

static bool read_calloc(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                        const uint64_t *numbers) {
    op->kind = ASHLAR_OP_CALLOC;
    op->arg = numbers[0];
    op->size = numbers[1];
    return allocate(decoder, op, pointer);
}

static bool read_memalign(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                          const uint64_t *numbers) {
    op->kind = ASHLAR_OP_ALIGNED;
    op->arg = numbers[0];
    op->size = numbers[1];
    return allocate(decoder, op, pointer);
}

static bool read_realloc(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                         const uint64_t *numbers) {
    uint64_t old = numbers[0];
    op->kind = ASHLAR_OP_REALLOC;
    op->size = numbers[1];
    if (!old) return allocate(decoder, op, pointer);
    if (!is_allocated(decoder, old)) return false;
    if (!pointer && op->size) return true; /* it failed: the block stayed */
    if (!pointer) {
        op->slot = ash_blocks_remove(&decoder->blocks, old);
        return append(decoder, op);
    }
    if (pointer != old && !is_free_address(decoder, pointer)) return false;
    op->slot = ash_blocks_move(&decoder->blocks, old, pointer);
    return append(decoder, op);
}

static bool read_free(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                      const uint64_t *numbers) {
    (void)numbers;
    if (!pointer) return true;
    if (!is_allocated(decoder, pointer)) return false;
    op->kind = ASHLAR_OP_FREE;
    op->slot = ash_blocks_remove(&decoder->blocks, pointer);
    return append(decoder, op);
}

static bool read_thread_done(struct decoder *decoder, struct ashlar_op *op, uint64_t pointer,
                             const uint64_t *numbers) {
    (void)pointer;
    (void)numbers;
    op->kind = ASHLAR_OP_THREAD_EXIT;
    decoder->used[op->thread] = false;
    return append(decoder, op);
}

static const struct action actions[] = {
    {"malloc", 1, read_malloc},     {"free", 0, read_free},
    {"calloc", 2, read_calloc},     {"realloc", 2, read_realloc},
    {"memalign", 2, read_memalign}, {"thread_done", 0, read_thread_done},
};
enum { ACTION_COUNT = sizeof actions / sizeof actions[0], NUMBERS_MAX = 2 };

static const struct action *find_action(struct ash_word word) {
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (ash_word_is(word, actions[i].name)) return &actions[i];
    }
    return NULL;
}

/* The logical thread of thread id `tid`. */
static uint8_t find_thread(struct decoder *decoder, uint64_t tid) {
    unsigned unused = ASH_TRACE_THREADS_MAX;
    for (unsigned i = 0; i < ASH_TRACE_THREADS_MAX; i++) {
        if (decoder->used[i] && decoder->tids[i] == tid) return (uint8_t)i;
        if (!decoder->used[i] && unused == ASH_TRACE_THREADS_MAX) unused = i;
        /* numbers are handed out from below, so a run of unused ones is rarely long */
        if (!decoder->used[i] && i >= decoder->trace->threads) break;
    }
    if (unused == ASH_TRACE_THREADS_MAX) return (uint8_t)(tid % ASH_TRACE_THREADS_MAX);
    decoder->used[unused] = true;
    decoder->tids[unused] = tid;
    return (uint8_t)unused;
}

/* "TID:" */
static bool read_tid(struct decoder *decoder, struct ash_word word, uint64_t *tid) {
    struct ash_word digits = {word.text, word.length - 1};
    if (word.length > 1 && word.text[word.length - 1] == ':' &&
        ash_number(digits, tid) == ASH_NUMBER_OK)
        return true;
    return ash_text_fail(&decoder->text, word, "`%s` is not a thread id and a colon",
                         ash_quote(word).text);
}

/* Nothing, or two times. */
static bool read_times(struct decoder *decoder) {
    uint64_t time = 0;
    struct ash_word start = next_word(decoder), end = next_word(decoder), more = next_word(decoder);
    if (!start.length) return true;
    if (!ash_text_number(&decoder->text, start, "start time", UINT64_MAX, &time) ||
        !ash_text_number(&decoder->text, end, "end time", UINT64_MAX, &time))
        return false;
    return !more.length ||
           ash_text_fail(&decoder->text, more, "`%s` is one word too many", ash_quote(more).text);
}

static bool read_line(struct decoder *decoder) {
    struct ash_word word = next_word(decoder);
    uint64_t tid = 0, pointer = 0, numbers[NUMBERS_MAX] = {0};
    if (!word.length) return true;
    if (!read_tid(decoder, word, &tid)) return false;
    struct ash_word name = next_word(decoder);
    const struct action *action = find_action(name);
    if (!action)
        return ash_text_fail(&decoder->text, name, "there is no operation `%s`",
                             ash_quote(name).text);
    if (!ash_text_number(&decoder->text, next_word(decoder), "pointer", UINT64_MAX, &pointer))
        return false;
    for (unsigned i = 0; i < action->numbers; i++) {
        bool is_old_pointer = action->read == read_realloc && i == 0;
        if (!ash_text_number(&decoder->text, next_word(decoder),
                             is_old_pointer ? "old pointer" : "number", UINT64_MAX, &numbers[i]))
            return false;
    }
    if (!read_times(decoder)) return false;
    struct ashlar_op op = {.thread = find_thread(decoder, tid)};
    return action->read(decoder, &op, pointer, numbers);
}

bool ash_memory_replay_is(const uint8_t *bytes, size_t size) {
    struct decoder decoder = {0};
    ash_text_begin(&decoder.text, bytes, size, NULL);
    uint64_t tid = 0;
    while (ash_text_next_line(&decoder.text)) {
        struct ash_word word = next_word(&decoder);
        if (!word.length) continue;
        return read_tid(&decoder, word, &tid) && find_action(next_word(&decoder));
    }
    return false;
}

bool ash_memory_replay_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                              struct ashlar_trace_error *error) {
    struct decoder decoder = {.trace = out};
    ash_text_begin(&decoder.text, bytes, size, error);
    bool done = true;
    while (done && ash_text_next_line(&decoder.text)) done = read_line(&decoder);
    ash_blocks_free(&decoder.blocks);
    return done;
}
