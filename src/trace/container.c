/* The binary container: what recorded traces are kept in.
 *
 *   offset  bytes
 *        0      8  magic: 89 41 53 48 54 0D 0A 1A (".ASHT", CR, LF, SUB: a transfer as text breaks
 *                  it visibly)
 *        8      2  version: 1
 *       10      2  flags: 1 = the records are one zstd frame
 *       12      1  heap kind; 3 bytes of 0
 *       16      4  heap size (KiB in memory, MiB reserved)
 *       20      4  slots
 *       24      4  threads
 *       28      4  0
 *       32      8  seed
 *       40      8  operations
 *       48      8  bytes stored behind the header
 *       56      8  checksum of bytes 0..55 and of all that is stored behind the header
 *       64         the records, 24 bytes each (struct ashlar_op), or the frame
 *
 * All numbers are little-endian. Nothing follows.
 *
 * Trust. The checksum is proved before anything but the header is looked at; it finds accidents,
 * not malice, so every record is checked all the same. No number of the header is believed in
 * before it agrees with the bytes that are there: the memory that a file can ask for is bounded by
 * its own size. For a compressed one the bound is a ratio (64 MiB + 1,024 bytes for each byte
 * stored): a frame that claims more is refused before it is decompressed, and the writer stores
 * such a trace uncompressed. The frame carries a checksum of its content as well.
 */
#include "base/foreign.h"
#include "trace/bytes.h"
#include "trace/model.h"
#include "trace/parse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static const uint8_t magic[8] = {0x89, 'A', 'S', 'H', 'T', '\r', '\n', 0x1a};

enum {
    CONTAINER_VERSION = 1,
    FLAG_COMPRESSED = 1,
    HEADER_BYTES = 64,
    AT_VERSION = 8,
    AT_FLAGS = 10,
    AT_HEAP = 12,
    AT_HEAP_SIZE = 16,
    AT_SLOTS = 20,
    AT_THREADS = 24,
    AT_SPARE = 28,
    AT_SEED = 32,
    AT_COUNT = 40,
    AT_STORED = 48,
    AT_CHECKSUM = 56,
    CHUNK_OPS = 2048, /* encoded at a time */
    COMPRESSION_LEVEL = 6,
    RATIO_FREE_BYTES = 64 << 20,
    RATIO_MAX = 1024,
};

/* The checksum takes 8 bytes a step (a trace has gigabytes): xor, multiply, rotate. Each step is
 * one-to-one in the state and in the bytes, so that any change within 8 bytes is always found. Call
 * with whole words but for the last call, whose rest is filled with zeros. */
static uint64_t checksum_word(uint64_t sum, const uint8_t *word) {
    sum = (sum ^ ash_load(word, 8)) * UINT64_C(0x9E3779B97F4A7C15);
    return sum << 29 | sum >> 35;
}

static uint64_t checksum_more(uint64_t sum, const uint8_t *bytes, size_t size) {
    for (; size >= 8; bytes += 8, size -= 8) sum = checksum_word(sum, bytes);
    if (!size) return sum;
    uint8_t rest[8] = {0};
    memcpy(rest, bytes, size);
    return checksum_word(sum, rest);
}

static const uint64_t checksum_start = UINT64_C(0x41534854);

static uint64_t container_checksum(const uint8_t *bytes, size_t size) {
    uint64_t sum = checksum_more(checksum_start, bytes, AT_CHECKSUM);
    return checksum_more(sum, bytes + HEADER_BYTES, size - HEADER_BYTES);
}

/* Reading. */

bool ash_container_is(const uint8_t *bytes, size_t size) {
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* Magic, version, length and checksum: is this a whole container? */
static bool check_envelope(const uint8_t *bytes, size_t size, struct ashlar_trace_error *error) {
    if (!ash_container_is(bytes, size))
        return ash_trace_fail(error, 0, 0, "not a binary trace: it has another magic");
    if (size < HEADER_BYTES)
        return ash_trace_fail(error, 0, size, "truncated: %zu of the header's %d bytes", size,
                              HEADER_BYTES);
    uint64_t version = ash_load(bytes + AT_VERSION, 2);
    if (version != CONTAINER_VERSION)
        return ash_trace_fail(error, 0, AT_VERSION,
                              "binary trace of version %" PRIu64 "; this reads version %d", version,
                              CONTAINER_VERSION);
    uint64_t stored = ash_load(bytes + AT_STORED, 8);
    if (size - HEADER_BYTES < stored)
        return ash_trace_fail(error, 0, size,
                              "truncated: %zu of %" PRIu64 " bytes behind the header",
                              size - HEADER_BYTES, stored);
    if (size - HEADER_BYTES > stored)
        return ash_trace_fail(error, 0, HEADER_BYTES + (size_t)stored,
                              "%zu bytes too many behind the trace",
                              size - HEADER_BYTES - (size_t)stored);
    if (container_checksum(bytes, size) != ash_load(bytes + AT_CHECKSUM, 8))
        return ash_trace_fail(error, 0, AT_CHECKSUM, "wrong checksum: the trace was changed");
    return true;
}

/* The header's fields into `out`; *count receives the number of operations. */
static bool read_header(const uint8_t *bytes, size_t stored, struct ashlar_trace *out,
                        size_t *count, struct ashlar_trace_error *error) {
    uint64_t flags = ash_load(bytes + AT_FLAGS, 2), operations = ash_load(bytes + AT_COUNT, 8);
    if (flags & ~(uint64_t)FLAG_COMPRESSED)
        return ash_trace_fail(error, 0, AT_FLAGS, "unknown flags 0x%" PRIx64, flags);
    if (ash_load(bytes + AT_HEAP + 1, 3) || ash_load(bytes + AT_SPARE, 4))
        return ash_trace_fail(error, 0, AT_HEAP, "spare bytes of the header are not 0");
    out->heap = bytes[AT_HEAP];
    out->heap_kib = (uint32_t)ash_load(bytes + AT_HEAP_SIZE, 4);
    out->slots = (uint32_t)ash_load(bytes + AT_SLOTS, 4);
    out->threads = (uint32_t)ash_load(bytes + AT_THREADS, 4);
    out->seed = ash_load(bytes + AT_SEED, 8);
    const char *problem = ash_trace_header_problem(out);
    if (problem) return ash_trace_fail(error, 0, AT_HEAP, "header: %s", problem);
    if (operations > ASH_TRACE_OPS_MAX)
        return ash_trace_fail(error, 0, AT_COUNT, "more than %d operations", ASH_TRACE_OPS_MAX);
    *count = (size_t)operations;
    if (!(flags & FLAG_COMPRESSED) && stored != *count * ASHLAR_OP_BYTES)
        return ash_trace_fail(error, 0, AT_COUNT, "%zu operations in %zu bytes; expected %zu",
                              *count, stored, *count * (size_t)ASHLAR_OP_BYTES);
    return true;
}

/* One frame, exactly as long as the input, whose content is `bytes` long and within the ratio. */
static bool check_frame(const uint8_t *frame, size_t stored, size_t bytes,
                        struct ashlar_trace_error *error) {
    unsigned long long content = ZSTD_getFrameContentSize(frame, stored);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
        return ash_trace_fail(error, 0, HEADER_BYTES, "no zstd frame of known length");
    if (content != bytes)
        return ash_trace_fail(error, 0, HEADER_BYTES,
                              "the zstd frame holds %llu bytes; the header says %zu", content,
                              bytes);
    if (bytes > RATIO_FREE_BYTES + (uint64_t)RATIO_MAX * stored)
        return ash_trace_fail(error, 0, HEADER_BYTES,
                              "the zstd frame would grow from %zu to %zu bytes; refused", stored,
                              bytes);
    size_t length = ZSTD_findFrameCompressedSize(frame, stored);
    if (ZSTD_isError(length) || length != stored)
        return ash_trace_fail(error, 0, HEADER_BYTES, "not one whole zstd frame");
    return true;
}

static struct ashlar_op decode_record(const uint8_t *record) {
    return (struct ashlar_op){
        .kind = record[0],
        .thread = record[1],
        .flags = (uint16_t)ash_load(record + 2, 2),
        .slot = (uint32_t)ash_load(record + 4, 4),
        .size = ash_load(record + 8, 8),
        .arg = ash_load(record + 16, 8),
    };
}

/* Records into operations, each checked. `records` may be the bytes of `out->ops` itself. */
static bool decode_records(const uint8_t *records, size_t count, struct ashlar_trace *out,
                           bool compressed, struct ashlar_trace_error *error) {
    for (size_t i = 0; i < count; i++) {
        struct ashlar_op op = decode_record(records + i * ASHLAR_OP_BYTES);
        const char *problem = ash_op_problem(&op, out);
        if (problem)
            return ash_trace_fail(error, 0, HEADER_BYTES + (compressed ? 0 : i * ASHLAR_OP_BYTES),
                                  "operation %zu: %s", i, problem);
        out->ops[i] = op;
    }
    out->count = count;
    return true;
}

bool ash_container_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                          struct ashlar_trace_error *error) {
    size_t count = 0;
    if (!check_envelope(bytes, size, error)) return false;
    const uint8_t *payload = bytes + HEADER_BYTES;
    size_t stored = size - HEADER_BYTES;
    if (!read_header(bytes, stored, out, &count, error)) return false;
    bool compressed = ash_load(bytes + AT_FLAGS, 2) & FLAG_COMPRESSED;
    size_t content = count * ASHLAR_OP_BYTES;
    if (compressed && !check_frame(payload, stored, content, error)) return false;
    if (!ash_trace_reserve(out, count))
        return ash_trace_fail(error, 0, AT_COUNT, "no memory for %zu operations", count);
    if (!compressed) return decode_records(payload, count, out, false, error);
    /* decompressed in place: an operation is as long as its record */
    uint8_t nothing[1];
    uint8_t *room = count ? (uint8_t *)out->ops : nothing;
    size_t length = ZSTD_decompress(room, content, payload, stored);
    if (ZSTD_isError(length))
        return ash_trace_fail(error, 0, HEADER_BYTES, "the zstd frame is damaged: %s",
                              ZSTD_getErrorName(length));
    if (length != content)
        return ash_trace_fail(error, 0, HEADER_BYTES, "the zstd frame ends early");
    ash_foreign_wrote(room, content);
    return decode_records(room, count, out, true, error);
}

/* Writing. */

static void encode_records(const struct ashlar_op *ops, size_t count, uint8_t *records) {
    for (size_t i = 0; i < count; i++, records += ASHLAR_OP_BYTES) {
        struct ashlar_op op = ops[i];
        ash_op_normalise(&op);
        records[0] = op.kind;
        records[1] = op.thread;
        ash_store(records + 2, op.flags, 2);
        ash_store(records + 4, op.slot, 4);
        ash_store(records + 8, op.size, 8);
        ash_store(records + 16, op.arg, 8);
    }
}

/* The records of a trace, a chunk at a time. */
struct record_stream {
    const struct ashlar_trace *trace;
    size_t at;
    uint8_t records[CHUNK_OPS * ASHLAR_OP_BYTES];
};

/* Bytes now in stream->records; 0 at the end. */
static size_t next_records(struct record_stream *stream) {
    size_t count = stream->trace->count - stream->at;
    if (count > CHUNK_OPS) count = CHUNK_OPS;
    if (!count) return 0; /* an empty trace may have no array */
    encode_records(stream->trace->ops + stream->at, count, stream->records);
    stream->at += count;
    return count * ASHLAR_OP_BYTES;
}

static void encode_header(const struct ashlar_trace *trace, bool compressed, size_t stored,
                          uint8_t *header) {
    memset(header, 0, HEADER_BYTES);
    memcpy(header, magic, sizeof magic);
    ash_store(header + AT_VERSION, CONTAINER_VERSION, 2);
    ash_store(header + AT_FLAGS, compressed ? FLAG_COMPRESSED : 0, 2);
    ash_store(header + AT_HEAP, trace->heap, 1);
    ash_store(header + AT_HEAP_SIZE, trace->heap_kib, 4);
    ash_store(header + AT_SLOTS, trace->slots, 4);
    ash_store(header + AT_THREADS, trace->threads, 4);
    ash_store(header + AT_SEED, trace->seed, 8);
    ash_store(header + AT_COUNT, trace->count, 8);
    ash_store(header + AT_STORED, stored, 8);
}

/* A buffer that grows. */
struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
};

static bool buffer_room(struct buffer *buffer, size_t more) {
    if (buffer->capacity - buffer->size >= more) return true;
    size_t capacity = buffer->capacity * 2 + more;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static bool compress_stream(ZSTD_CCtx *context, struct record_stream *records,
                            struct buffer *frame) {
    const struct ashlar_trace *trace = records->trace;
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setPledgedSrcSize(context, trace->count * (unsigned long long)ASHLAR_OP_BYTES);
    size_t left = 0;
    do {
        ZSTD_inBuffer in = {records->records, next_records(records), 0};
        bool last = records->at == trace->count;
        do {
            if (!buffer_room(frame, ZSTD_CStreamOutSize())) return false;
            ZSTD_outBuffer out = {frame->bytes, frame->capacity, frame->size};
            left = ZSTD_compressStream2(context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left)) return false;
            ash_foreign_wrote(frame->bytes + frame->size, out.pos - frame->size);
            frame->size = out.pos;
        } while (last ? left != 0 : in.pos < in.size);
    } while (records->at < trace->count);
    return true;
}

static bool compress(struct record_stream *records, struct buffer *frame) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    bool done = context && compress_stream(context, records, frame);
    ZSTD_freeCCtx(context);
    return done;
}

static void write_header(const struct ashlar_trace *trace, bool compressed, size_t stored,
                         uint64_t (*sum)(uint64_t, void *), void *payload, FILE *stream) {
    uint8_t header[HEADER_BYTES];
    encode_header(trace, compressed, stored, header);
    uint64_t start = checksum_more(checksum_start, header, AT_CHECKSUM);
    ash_store(header + AT_CHECKSUM, sum(start, payload), 8);
    fwrite(header, 1, sizeof header, stream);
}

static uint64_t sum_buffer(uint64_t sum, void *payload) {
    const struct buffer *frame = payload;
    return checksum_more(sum, frame->bytes, frame->size);
}

static uint64_t sum_records(uint64_t sum, void *payload) {
    struct record_stream *records = payload;
    records->at = 0;
    for (size_t bytes; (bytes = next_records(records));)
        sum = checksum_more(sum, records->records, bytes);
    return sum;
}

static void write_plain(struct record_stream *records, FILE *stream) {
    const struct ashlar_trace *trace = records->trace;
    write_header(trace, false, trace->count * ASHLAR_OP_BYTES, sum_records, records, stream);
    records->at = 0;
    for (size_t bytes; (bytes = next_records(records));) fwrite(records->records, 1, bytes, stream);
}

bool ash_container_write(const struct ashlar_trace *trace, FILE *stream, bool compressed,
                         struct ashlar_trace_error *error) {
    struct record_stream *records = malloc(sizeof *records);
    struct buffer frame = {0};
    if (!records) return ash_trace_fail(error, 0, 0, "no memory to write the trace");
    records->trace = trace;
    records->at = 0;
    bool done = !compressed || compress(records, &frame);
    uint64_t content = trace->count * (uint64_t)ASHLAR_OP_BYTES;
    if (!done) {
        ash_trace_fail(error, 0, 0, "no memory to compress the trace");
    } else if (compressed && content <= RATIO_FREE_BYTES + (uint64_t)RATIO_MAX * frame.size) {
        write_header(trace, true, frame.size, sum_buffer, &frame, stream);
        fwrite(frame.bytes, 1, frame.size, stream);
    } else {
        write_plain(records, stream);
    }
    free(frame.bytes);
    free(records);
    return done;
}
