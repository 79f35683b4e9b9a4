/* The raw encoding: what a fuzzer mutates.
 *
 * Every byte string is a valid raw trace, and every field of every record means something for every
 * value, so that no mutation is wasted: a header of 8 bytes, then records of 24.
 *
 *   header  0  heap kind, modulo 2
 *           1  heap size: in memory 1,024 KiB + 64 KiB each; reserved 64 MiB each, 0 is 64 GiB: in
 *              the default of 1 TiB one span can have more pages than a check sees in seconds
 *           2  threads - 1, modulo 4
 *           3  bit 0: records may be steps; without it the table ends before them, so that inputs
 *              of harnesses without a scheduler never hold any
 *           4  seed, 32 bits, little-endian
 *   record  as struct ashlar_op, little-endian: kind modulo the table, thread modulo the threads,
 *           slot modulo 2,048; fields that the kind does not have are ignored
 *   flags   of a record whose kind has a slot: a loop. Bits 0..9 say how often the operation comes
 *           again, each time on a slot further on by 1 + bits 10..15
 *
 * Loops are there because what breaks slabs needs hundreds of blocks of one class, which a mutator
 * of single operations does not make. They are written out when a trace is decoded, up to
 * REPEATS_MAX operations: the model knows nothing of them. The mutator works on the records.
 *
 * A header that is cut off, or a record, is filled with zeros. Decoding, encoding and decoding
 * again gives the same trace; encoding is exact for traces that stay within the moduli, whose heap
 * size is a multiple and whose slots are the ones used.
 */
#include "trace/raw.h"
#include "trace/bytes.h"
#include "trace/model.h"
#include "trace/parse.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_UNIT_KIB = 64,
    RESERVED_UNIT_MIB = 64,
    RESERVED_MIB_MAX = 64 * 1024,
    SIZE_CODE_MAX = 255,
    REPEATS_MAX = 1 << 16, /* so that few bytes do not ask for much memory */
};

static void decode_header(const uint8_t *header, struct ashlar_trace *out) {
    ashlar_trace_init(out);
    out->heap = header[0] % 2;
    if (out->heap == ASHLAR_HEAP_IN_MEMORY)
        out->heap_kib = ASH_HEAP_MEMORY_KIB_MIN + header[1] * (uint32_t)MEMORY_UNIT_KIB;
    else
        out->heap_kib = header[1] != 0 ? header[1] * (uint32_t)RESERVED_UNIT_MIB : RESERVED_MIB_MAX;
    out->threads = 1 + header[2] % (uint32_t)ASHLAR_RAW_THREADS;
    out->seed = ash_load(header + 4, 4);
}

/* Kinds that a record of a raw trace with this header can have. */
static_assert(ASHLAR_OP_STEP + 1 == ASHLAR_OP_COUNT, "steps are the last kind");
static unsigned kind_count(const uint8_t *header) {
    return (header[ASHLAR_RAW_STEPS] & 1) != 0 ? ASHLAR_OP_COUNT : ASHLAR_OP_STEP;
}

static void decode_record(const uint8_t *record, uint32_t threads, unsigned kinds,
                          struct ashlar_op *op) {
    op->kind = (uint8_t)(record[0] % kinds);
    op->thread = (uint8_t)(record[1] % threads);
    op->slot = (uint32_t)ash_load(record + 4, 4) % ASHLAR_RAW_SLOTS;
    op->size = ash_load(record + 8, 8);
    op->arg = ash_load(record + 16, 8);
    ash_op_normalise(op);
    if (ash_op_info(op->kind)->has_slot) op->flags = (uint16_t)ash_load(record + 2, 2);
}

bool ash_raw_records(const uint8_t *bytes, size_t size, size_t max_records,
                     struct ashlar_trace *out) {
    uint8_t header[ASHLAR_RAW_HEADER_BYTES] = {0};
    size_t at = size < sizeof header ? size : sizeof header;
    if (at) memcpy(header, bytes, at);
    decode_header(header, out);
    size_t count = (size - at + ASHLAR_OP_BYTES - 1) / ASHLAR_OP_BYTES;
    if (count > max_records) count = max_records;
    if (!ash_trace_reserve(out, count)) return false;
    for (size_t i = 0; i < count; i++, at += ASHLAR_OP_BYTES) {
        uint8_t partial[ASHLAR_OP_BYTES] = {0};
        const uint8_t *record = bytes + at;
        if (size - at < sizeof partial) record = memcpy(partial, record, size - at);
        decode_record(record, out->threads, kind_count(header), &out->ops[i]);
    }
    out->count = count;
    return true;
}

/* Writes the loops out, from the last record on, so that it can be done in place. */
static bool write_out(struct ashlar_trace *trace, size_t max_ops) {
    size_t records = trace->count, count = 0, repeats = 0;
    for (size_t i = 0; i < records; i++) {
        struct ashlar_op *op = &trace->ops[i];
        size_t times = ash_raw_times(op);
        if (repeats + times - 1 > REPEATS_MAX || count + times > max_ops) {
            op->flags = 0;
            times = 1;
        }
        if (count + times > max_ops) records = i;
        if (i < records) count += times;
        repeats += times - 1;
    }
    if (!ash_trace_reserve(trace, count)) return false;
    trace->count = count;
    for (size_t at = count; records-- > 0;) {
        const struct ashlar_op op = trace->ops[records];
        for (size_t i = ash_raw_times(&op); i-- > 0;) {
            trace->ops[--at] = op;
            trace->ops[at].slot = ash_raw_slot(&op, i);
            trace->ops[at].flags = 0;
        }
    }
    return true;
}

bool ashlar_trace_decode_raw(const uint8_t *bytes, size_t size, size_t max_ops,
                             struct ashlar_trace *out) {
    if (!ash_raw_records(bytes, size, max_ops, out) || !write_out(out, max_ops)) return false;
    uint32_t threads = out->threads;
    ash_trace_fit(out);
    out->threads = threads;
    return true;
}

static uint8_t size_code(const struct ashlar_trace *trace) {
    uint32_t code = trace->heap_kib < RESERVED_MIB_MAX ? trace->heap_kib / RESERVED_UNIT_MIB : 0;
    if (trace->heap == ASHLAR_HEAP_IN_MEMORY) {
        uint32_t kib = trace->heap_kib;
        code =
            kib < ASH_HEAP_MEMORY_KIB_MIN ? 0 : (kib - ASH_HEAP_MEMORY_KIB_MIN) / MEMORY_UNIT_KIB;
    }
    return (uint8_t)(code > SIZE_CODE_MAX ? SIZE_CODE_MAX : code);
}

static void encode_record(const struct ashlar_op *op, uint32_t threads, uint8_t *record) {
    struct ashlar_op normal = *op;
    ash_op_normalise(&normal);
    ash_store(record, normal.kind, 1);
    ash_store(record + 1, normal.thread % threads, 1);
    ash_store(record + 2, ash_op_info(normal.kind)->has_slot ? op->flags : 0, 2);
    ash_store(record + 4, normal.slot % ASHLAR_RAW_SLOTS, 4);
    ash_store(record + 8, normal.size, 8);
    ash_store(record + 16, normal.arg, 8);
}

size_t ashlar_trace_encode_raw(const struct ashlar_trace *trace, uint8_t *out, size_t capacity) {
    size_t needed = ASHLAR_RAW_HEADER_BYTES + trace->count * ASHLAR_OP_BYTES;
    if (!out || capacity < needed) return needed;
    uint32_t threads = trace->threads < 1 ? 1 : trace->threads;
    if (threads > ASHLAR_RAW_THREADS) threads = ASHLAR_RAW_THREADS;
    memset(out, 0, ASHLAR_RAW_HEADER_BYTES);
    out[0] = trace->heap % 2;
    out[1] = size_code(trace);
    out[2] = (uint8_t)(threads - 1);
    out[ASHLAR_RAW_STEPS] = ash_trace_has_steps(trace);
    ash_store(out + 4, trace->seed, 4);
    for (size_t i = 0; i < trace->count; i++)
        encode_record(&trace->ops[i], threads, out + ASHLAR_RAW_HEADER_BYTES + i * ASHLAR_OP_BYTES);
    return needed;
}

bool ash_raw_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                   struct ashlar_trace_error *error) {
    size_t bytes = ashlar_trace_encode_raw(trace, NULL, 0);
    uint8_t *buffer = malloc(bytes);
    if (!buffer) return ash_trace_fail(error, 0, 0, "no memory for %zu bytes", bytes);
    ashlar_trace_encode_raw(trace, buffer, bytes);
    fwrite(buffer, 1, bytes, stream);
    free(buffer);
    for (size_t i = 0; i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        if (op->slot >= ASHLAR_RAW_SLOTS || op->thread >= ASHLAR_RAW_THREADS) ++*lost;
    }
    return true;
}
