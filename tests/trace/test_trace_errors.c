/* Every message of every reader: the input, the place and the words. Whoever reads only a message
 * has to find the mistake, so all of it is compared. */
#include "support.h"

#include <sys/stat.h>
#include <unistd.h>

#define HEAD "ashlar trace 1\n"

struct bad {
    const char *input;
    size_t line, offset;
    const char *message;
};

static void refused(const struct bad *bad, size_t count, enum ashlar_trace_format format) {
    for (size_t i = 0; i < count; i++) {
        struct ashlar_trace trace;
        struct ashlar_trace_error error = {0};
        const uint8_t *bytes = (const uint8_t *)bad[i].input;
        if (ashlar_trace_decode(bytes, strlen(bad[i].input), format, &trace, &error))
            fail_msg("accepted: %s", bad[i].input);
        assert_null(trace.ops); /* nothing to free */
        if (strcmp(error.message, bad[i].message) != 0 || error.line != bad[i].line ||
            error.offset != bad[i].offset)
            fail_msg("%s\nexpected %zu, %zu: %s\nfound    %zu, %zu: %s", bad[i].input, bad[i].line,
                     bad[i].offset, bad[i].message, error.line, error.offset, error.message);
        /* without a place for the message it is refused just the same */
        assert_false(ashlar_trace_decode(bytes, strlen(bad[i].input), format, &trace, NULL));
    }
}
#define REFUSED(table, format) refused(table, sizeof(table) / sizeof(table)[0], format)

static void text(void **state) {
    (void)state;
    static const struct bad bad[] = {
        {"", 1, 0, "not a text trace: line 1 is not `ashlar trace 1`"},
        {"malloc 0 1\n", 1, 0, "not a text trace: line 1 is not `ashlar trace 1`"},
        {"ashlar trace", 1, 12, "version is missing"},
        {"ashlar trace one\n", 1, 13, "version: `one` is not a number"},
        {"ashlar trace 2\n", 1, 13, "text trace of version 2; this reads version 1"},
        {"ashlar trace 1 2\n", 1, 15, "`2` is one word too many for `ashlar trace`"},
        {HEAD "mallok 0 1\n", 2, 15, "there is no operation `mallok`"},
        {HEAD "\n# x\n  t1 \x01\xff\n", 4, 25, "there is no operation `??`"},
        {HEAD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 2, 15,
         "there is no operation `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...`"},
        {HEAD "malloc\n", 2, 21, "`malloc` needs SLOT"},
        {HEAD "malloc 0\n", 2, 23, "`malloc` needs BYTES"},
        {HEAD "malloc 0 # 7\n", 2, 27, "`malloc` needs BYTES"},
        {HEAD "calloc 0 1\r\n", 2, 25, "`calloc` needs BYTES"},
        {HEAD "malloc 0 1 2\n", 2, 26, "`2` is one word too many for `malloc`"},
        {HEAD "trim 1\n", 2, 20, "`1` is one word too many for `trim`"},
        {HEAD "malloc x 1\n", 2, 22, "SLOT: `x` is not a number"},
        {HEAD "malloc -1 1\n", 2, 22, "SLOT: `-1` is not a number"},
        {HEAD "malloc 134217728 1\n", 2, 22, "SLOT: 134217728 is above 134217727"},
        {HEAD "malloc 0 12k\n", 2, 24, "BYTES: `12k` is not a number"},
        {HEAD "malloc 0 0x\n", 2, 24, "BYTES: `0x` is not a number"},
        {HEAD "malloc 0 0xg\n", 2, 24, "BYTES: `0xg` is not a number"},
        {HEAD "malloc 0 18446744073709551616\n", 2, 24,
         "BYTES: 18446744073709551616 is above 18446744073709551615"},
        {HEAD "malloc 0 max+1\n", 2, 24, "BYTES: `max+1` is not a number"},
        {HEAD "malloc 0 max-\n", 2, 24, "BYTES: `max-` is not a number"},
        {HEAD "malloc 0 maximum\n", 2, 24, "BYTES: `maximum` is not a number"},
        {HEAD "clock soon\n", 2, 21, "MS: `soon` is not a number"},
        {HEAD "free-inside 0 0\n", 2, 29, "OFFSET is at least 1"},
        {HEAD "free-foreign heap\n", 2, 28, "WHERE: `heap` is none that `free-foreign` knows"},
        {HEAD "free-foreign 7\n", 2, 28, "WHERE: `7` is none that `free-foreign` knows"},
        {HEAD "t256 trim\n", 2, 16, "thread: 256 is above 255"},
        {HEAD "t1x trim\n", 2, 16, "thread: `1x` is not a number"},
        {HEAD "t1\n", 2, 17, "an operation is missing after the thread"},
        {HEAD "t1 seed 5\n", 2, 18, "there is no operation `seed`"},
        {HEAD "slots 4\nfree 4\n", 3, 28, "slot 4 is not below `slots 4`"},
        {HEAD "threads 2\nt2 trim\n", 3, 25, "thread 2 is not below `threads 2`"},
        {HEAD "slots\n", 2, 20, "slots is missing"},
        {HEAD "slots 134217729\n", 2, 21, "slots: 134217729 is above 134217728"},
        {HEAD "slots 1 2\n", 2, 23, "`2` is one word too many for `slots`"},
        {HEAD "threads 0\n", 2, 23, "threads is at least 1"},
        {HEAD "threads 257\n", 2, 23, "threads: 257 is above 256"},
        {HEAD "seed\n", 2, 19, "seed is missing"},
        {HEAD "seed 1\nseed 2\n", 3, 22, "`seed` is given twice"},
        {HEAD "trim\nseed 2\n", 3, 20, "`seed` stands before the first operation"},
        {HEAD "heap\n", 2, 19, "the heap is `reserved [MIB]` or `memory KIB`"},
        {HEAD "heap stack\n", 2, 20, "the heap is `reserved [MIB]` or `memory KIB`"},
        {HEAD "heap memory\n", 2, 26, "the heap's size is missing"},
        {HEAD "heap memory 1023\n", 2, 27, "a heap in memory of under 1024 KiB"},
        {HEAD "heap memory 4294967296\n", 2, 27, "the heap's size: 4294967296 is above 4294967295"},
        {HEAD "heap reserved 63\n", 2, 29, "a reserved heap of under 64 MiB (0: the default)"},
        {HEAD "heap reserved 64 MiB\n", 2, 32, "`MiB` is one word too many for `heap`"},
    };
    REFUSED(bad, ASHLAR_FORMAT_TEXT);
}

static void rep(void **state) {
    (void)state;
    static const struct bad bad[] = {
        {"", 0, 0, "truncated: the heap size is missing"},
        {"1\n", 1, 1, "truncated: the number of ids is missing"},
        {"1\n2\n", 2, 3, "truncated: the number of operations is missing"},
        {"1\n2\n3\n", 3, 5, "truncated: the weight is missing"},
        {"a lot\n", 1, 0, "heap size: `a` is not a number"},
        {"1\n2 3\n", 2, 4, "`3` is one word too many"},
        {"1\n134217729\n1\n1\n", 2, 2, "number of ids: 134217729 is above 134217728"},
        {"1\n1\n134217729\n1\n", 3, 4, "number of operations: 134217729 is above 134217728"},
        {"1\n2\n2\n1\na 0 8\n", 5, 13, "truncated: 1 of the 2 operations announced"},
        {"1\n2\n1\n1\na 0 8\nf 0\n", 6, 14, "more than the 1 operations announced"},
        {"1\n2\n1\n1\nx 0 8\n", 5, 8, "`x` is none of a, r and f"},
        {"1\n2\n1\n1\nalloc 0 8\n", 5, 8, "`alloc` is none of a, r and f"},
        {"1\n2\n1\n1\na\n", 5, 9, "id is missing"},
        {"1\n2\n1\n1\na 0\n", 5, 11, "size is missing"},
        {"1\n2\n1\n1\na 0 8 9\n", 5, 14, "`9` is one word too many"},
        {"1\n2\n1\n1\nf 0 9\n", 5, 12, "`9` is one word too many"},
        {"1\n2\n1\n1\na 0 8k\n", 5, 12, "size: `8k` is not a number"},
        {"1\n2\n1\n1\na 2 8\n", 5, 10, "id 2 is out of range: there are 2 ids"},
        {"1\n2\n1\n1\na -1 8\n", 5, 10, "id: `-1` is not a number"},
        {"1\n2\n1\n1\nf -1 8\n", 5, 13, "`8` is one word too many"},
        {"1\n2\n2\n1\na 0 8\na 0 8\n", 6, 14, "id 0 is in use"},
        {"1\n2\n1\n1\nf 1\n", 5, 8, "id 1 is not in use"},
    };
    REFUSED(bad, ASHLAR_FORMAT_REP);
}

static void memory_replay(void **state) {
    (void)state;
    static const struct bad bad[] = {
        {"malloc 0x10 1\n", 1, 0, "`malloc` is not a thread id and a colon"},
        {"x: malloc 0x10 1\n", 1, 0, "`x:` is not a thread id and a colon"},
        {":\n", 1, 0, "`:` is not a thread id and a colon"},
        {"1:\n", 1, 2, "there is no operation ``"},
        {"1: mmap 0x10 1\n", 1, 3, "there is no operation `mmap`"},
        {"1: malloc\n", 1, 9, "pointer is missing"},
        {"1: malloc zero 1\n", 1, 10, "pointer: `zero` is not a number"},
        {"1: malloc 0x10\n", 1, 14, "number is missing"},
        {"1: calloc 0x10 1 -\n", 1, 17, "number: `-` is not a number"},
        {"1: realloc 0x10 ? 1\n", 1, 16, "old pointer: `?` is not a number"},
        {"1: malloc 0x10 1 2\n", 1, 18, "end time is missing"},
        {"1: malloc 0x10 1 x 3\n", 1, 17, "start time: `x` is not a number"},
        {"1: malloc 0x10 1 2 3 4\n", 1, 21, "`4` is one word too many"},
        {"1: malloc 0x10 1\n2: malloc 0x10 1\n", 2, 17, "0x10 is already allocated"},
        {"1: free 0x10\n", 1, 0, "0x10 is not allocated"},
        {"1: realloc 0x20 0x10 5\n", 1, 0, "0x10 is not allocated"},
        {"1: malloc 0x10 1\n1: malloc 0x20 1\n1: realloc 0x20 0x10 5\n", 3, 34,
         "0x20 is already allocated"},
    };
    REFUSED(bad, ASHLAR_FORMAT_MEMORY_REPLAY);
}

static void mtrace(void **state) {
    (void)state;
    static const struct bad bad[] = {
        {"= Start\nhello\n", 2, 8, "`hello` begins no line of mtrace"},
        {"= Start\n@ a + 0x10\n", 2, 8, "`@` begins no line of mtrace"},
        {"= Start\n@ a + ten 0x10\n", 2, 8, "`@` begins no line of mtrace"},
        {"= Start\nx + 0x10 0x10\n", 2, 8, "`x` begins no line of mtrace"},
        {"= Start\n@ a < 0x10\n@ a - 0x10\n", 3, 19, "`>` is missing after the `<` of a realloc"},
        {"= Start\n@ a > 0x10 0x20\n", 2, 8, "`>` without the `<` of a realloc before it"},
        {"= Start\n@ a < 0x10\n", 2, 18, "truncated: `>` is missing after the `<` of a realloc"},
    };
    REFUSED(bad, ASHLAR_FORMAT_MTRACE);
}

static void unknown(void **state) {
    (void)state;
    static const struct bad bad[] = {
        {"", 0, 0, "empty"},
        {"hello\n", 0, 0, "not a trace: none of the formats is recognised"},
        {"\x7f"
         "ELF",
         0, 0, "not a trace: none of the formats is recognised"},
    };
    REFUSED(bad, ASHLAR_FORMAT_UNKNOWN);
    struct ashlar_trace trace;
    struct ashlar_trace_error error;
    assert_false(ashlar_trace_decode((const uint8_t *)"x", 1, ASHLAR_FORMAT_COUNT, &trace, &error));
}

/* Binary: a good container with one change, and (but for the checksum's own test) a checksum that
 * agrees with it, since the writer of a bad file may be a program. */
static uint64_t container_checksum(const uint8_t *bytes, size_t size) {
    uint64_t sum = 0x41534854;
    for (size_t at = 0; at < size; at += 8) {
        if (at == 56) continue;
        uint64_t word = 0;
        for (size_t i = 0; i < 8 && at + i < size; i++) word |= (uint64_t)bytes[at + i] << (8 * i);
        sum = (sum ^ word) * 0x9E3779B97F4A7C15;
        sum = sum << 29 | sum >> 35;
    }
    return sum;
}

static void seal(uint8_t *bytes, size_t size) {
    uint64_t sum = container_checksum(bytes, size);
    for (unsigned i = 0; i < 8; i++) bytes[56 + i] = (uint8_t)(sum >> (8 * i));
}

static struct test_bytes good_container(bool compress) {
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    const struct ashlar_op ops[] = {{ASHLAR_OP_MALLOC, 0, 0, 0, 100, 0},
                                    {ASHLAR_OP_FREE_INSIDE, 1, 0, 0, 0, 4},
                                    {ASHLAR_OP_TRIM, 0, 0, 0, 0, 0}};
    for (unsigned i = 0; i < 3; i++) assert_true(ashlar_trace_append(&trace, &ops[i]));
    struct test_bytes container = test_encode(&trace, ASHLAR_FORMAT_BINARY, compress);
    ashlar_trace_free(&trace);
    /* the layout in the document is the layout in the file: an independent sum agrees */
    uint8_t stored[8];
    memcpy(stored, container.bytes + 56, 8);
    seal(container.bytes, container.size);
    assert_memory_equal(stored, container.bytes + 56, 8);
    return container;
}

static void refuse_bytes(const uint8_t *bytes, size_t size, size_t offset, const char *message) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error = {0};
    if (ashlar_trace_decode(bytes, size, ASHLAR_FORMAT_BINARY, &trace, &error))
        fail_msg("accepted; expected: %s", message);
    assert_string_equal(error.message, message);
    assert_int_equal(error.offset, offset);
    assert_int_equal(error.line, 0);
}

static void binary_fields(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        size_t offset;
        const char *message;
    } changes[] = {
        {0, 0x88, 0, "not a binary trace: it has another magic"},
        {6, '\r', 0, "not a binary trace: it has another magic"},
        {8, 2, 8, "binary trace of version 2; this reads version 1"},
        {10, 2, 10, "unknown flags 0x2"},
        {13, 1, 12, "spare bytes of the header are not 0"},
        {31, 1, 12, "spare bytes of the header are not 0"},
        {12, 2, 12, "header: there is no such kind of heap"},
        {12, 1, 12, "header: a heap in memory of under 1024 KiB"},
        {16, 1, 12, "header: a reserved heap of under 64 MiB (0: the default)"},
        {23, 9, 12, "header: more than 134217728 slots"},
        {24, 0, 12, "header: the number of threads is not in 1..256"},
        {25, 1, 12, "header: the number of threads is not in 1..256"},
        {40, 4, 40, "4 operations in 72 bytes; expected 96"},
        {43, 9, 40, "more than 134217728 operations"},
        {47, 0xff, 40, "more than 134217728 operations"},
        {64, 23, 64, "operation 0: there is no operation of this kind"},
        {65, 2, 64, "operation 0: the thread is not below the header's threads"},
        {67, 1, 64, "operation 0: flags are not 0"},
        {68, 1, 64, "operation 0: the slot is not below the header's slots"},
        {80, 1, 64, "operation 0: an argument, where the operation has none"},
        {96, 1, 88, "operation 1: a size, where the operation has none"},
        {104, 0, 88, "operation 1: the argument is out of range"},
        {116, 1, 112, "operation 2: a slot, where the operation has none"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct test_bytes container = good_container(false);
        container.bytes[changes[i].at] = changes[i].value;
        seal(container.bytes, container.size);
        refuse_bytes(container.bytes, container.size, changes[i].offset, changes[i].message);
        free(container.bytes);
    }
}

static void binary_lengths(void **state) {
    (void)state;
    struct test_bytes container = good_container(false);
    uint8_t longer[64 + 72 + 1] = {0};
    memcpy(longer, container.bytes, container.size);
    refuse_bytes(longer, sizeof longer, 136, "1 bytes too many behind the trace");
    refuse_bytes(longer, 135, 135, "truncated: 71 of 72 bytes behind the header");
    refuse_bytes(longer, 64, 64, "truncated: 0 of 72 bytes behind the header");
    refuse_bytes(longer, 63, 63, "truncated: 63 of the header's 64 bytes");
    refuse_bytes(longer, 8, 8, "truncated: 8 of the header's 64 bytes");
    refuse_bytes(longer, 7, 0, "not a binary trace: it has another magic");
    refuse_bytes(NULL, 0, 0, "not a binary trace: it has another magic");
    free(container.bytes);
}

/* Any single changed bit is found, wherever it is. */
static void binary_checksum(void **state) {
    (void)state;
    for (unsigned compress = 0; compress < 2; compress++) {
        struct test_bytes container = good_container(compress);
        container.bytes[56] ^= 1;
        refuse_bytes(container.bytes, container.size, 56, "wrong checksum: the trace was changed");
        container.bytes[56] ^= 1;
        for (size_t bit = 0; bit < container.size * 8; bit++) {
            struct ashlar_trace trace;
            container.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (ashlar_trace_decode(container.bytes, container.size, ASHLAR_FORMAT_BINARY, &trace,
                                    NULL))
                fail_msg("bit %zu was changed and nobody saw it", bit);
            container.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(container.bytes);
    }
}

static void store(uint8_t *bytes, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

static void binary_frames(void **state) {
    (void)state;
    struct test_bytes container = good_container(true);
    uint8_t *frame = container.bytes + 64;
    uint8_t magic = frame[0];
    frame[0] = 0;
    seal(container.bytes, container.size);
    refuse_bytes(container.bytes, container.size, 64, "no zstd frame of known length");
    frame[0] = magic;
    store(container.bytes + 40, 4);
    seal(container.bytes, container.size);
    refuse_bytes(container.bytes, container.size, 64,
                 "the zstd frame holds 72 bytes; the header says 96");
    store(container.bytes + 40, 3);
    /* a second, empty frame behind the first */
    uint8_t two[1024];
    memcpy(two, container.bytes, container.size);
    static const uint8_t skippable[8] = {0x50, 0x2a, 0x4d, 0x18}; /* of no bytes */
    memcpy(two + container.size, skippable, sizeof skippable);
    store(two + 48, container.size - 64 + 8);
    seal(two, container.size + 8);
    refuse_bytes(two, container.size + 8, 64, "not one whole zstd frame");
    /* the content's own checksum, at the frame's end */
    container.bytes[container.size - 1] ^= 1;
    seal(container.bytes, container.size);
    refuse_bytes(container.bytes, container.size, 64,
                 "the zstd frame is damaged: Restored data doesn't match checksum");
    free(container.bytes);
}

/* A frame of a few bytes that says that it holds 3 GB: refused from its header, without a byte of
 * memory for it. */
static void binary_bombs(void **state) {
    (void)state;
    uint8_t bomb[64 + 13 + 4] = {0};
    struct test_bytes container = good_container(false);
    memcpy(bomb, container.bytes, 64);
    free(container.bytes);
    enum { OPERATIONS = 1 << 27 };
    uint64_t content = (uint64_t)OPERATIONS * ASHLAR_OP_BYTES;
    bomb[10] = 1;
    store(bomb + 40, OPERATIONS);
    store(bomb + 48, sizeof bomb - 64);
    /* frame: magic, descriptor (8-byte length, single segment), length, one RLE block */
    static const uint8_t head[5] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0}, block[4] = {3};
    memcpy(bomb + 64, head, sizeof head);
    store(bomb + 69, content);
    memcpy(bomb + 77, block, sizeof block);
    seal(bomb, sizeof bomb);
    char message[200];
    snprintf(message, sizeof message, "the zstd frame would grow from 17 to %llu bytes; refused",
             (unsigned long long)content);
    refuse_bytes(bomb, sizeof bomb, 64, message);
}

/* A header alone may ask for slots and operations; what it gets is bounded by what is there. */
static void binary_claims(void **state) {
    (void)state;
    struct test_bytes container = good_container(true);
    store(container.bytes + 40, 1 << 27);
    seal(container.bytes, container.size);
    char message[200];
    snprintf(message, sizeof message, "the zstd frame holds 72 bytes; the header says %llu",
             (unsigned long long)(1 << 27) * ASHLAR_OP_BYTES);
    refuse_bytes(container.bytes, container.size, 64, message);
    free(container.bytes);
}

/* Files. */

static void refuse_file(const char *path, const char *message) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error = {0};
    assert_false(ashlar_trace_load(path, ASHLAR_FORMAT_UNKNOWN, &trace, &error));
    assert_string_equal(error.message, message);
    assert_null(trace.ops);
}

static void make_file(const char *path, const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static void files_that_are_none(void **state) {
    const char *folder = *state;
    char path[1024];
    refuse_file(folder, "is a directory");
    snprintf(path, sizeof path, "%s/absent", folder);
    refuse_file(path, "cannot be opened: No such file or directory");
    snprintf(path, sizeof path, "%s/file", folder);
    make_file(path, "", 0);
    refuse_file(path, "is empty");
    make_file(path, "garbage", 7);
    refuse_file(path, "not a trace: none of the formats is recognised");
    struct test_bytes container = good_container(true);
    make_file(path, container.bytes, container.size - 1);
    char message[200];
    snprintf(message, sizeof message, "truncated: %zu of %zu bytes behind the header",
             container.size - 65, container.size - 64);
    refuse_file(path, message);
    free(container.bytes);
    if (geteuid() != 0) { /* root reads everything */
        assert_int_equal(chmod(path, 0), 0);
        refuse_file(path, "cannot be opened: Permission denied");
    }
    assert_int_equal(unlink(path), 0);
    /* a file that opens and cannot be read */
    refuse_file("/proc/self/mem", "cannot be read: Input/output error");
}

static void empty_files_are_raw_traces(void **state) {
    char path[1024];
    snprintf(path, sizeof path, "%s/empty", (const char *)*state);
    make_file(path, "", 0);
    struct ashlar_trace trace;
    assert_true(ashlar_trace_load(path, ASHLAR_FORMAT_RAW, &trace, NULL));
    assert_int_equal(trace.count, 0);
    ashlar_trace_free(&trace);
    assert_int_equal(unlink(path), 0);
}

static void files_come_back(void **state) {
    char path[1024];
    snprintf(path, sizeof path, "%s/trace", (const char *)*state);
    struct ashlar_trace trace, back;
    struct ashlar_trace_error error = {0};
    test_generate(77, 20000, true, &trace);
    static const enum ashlar_trace_format formats[] = {ASHLAR_FORMAT_TEXT, ASHLAR_FORMAT_BINARY,
                                                       ASHLAR_FORMAT_RAW};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ashlar_trace_save(&trace, path, formats[i], true, NULL, &error));
        assert_true(ashlar_trace_load(path, formats[i], &back, &error));
        test_same(&trace, &back, ashlar_format_name(formats[i]), 77);
        ashlar_trace_free(&back);
    }
    /* a pipe has no length */
    char command[1200];
    snprintf(command, sizeof command, "%s/pipe", (const char *)*state);
    assert_int_equal(mkfifo(command, 0600), 0);
    assert_true(ashlar_trace_save(&trace, path, ASHLAR_FORMAT_BINARY, false, NULL, &error));
    char shell[4000];
    snprintf(shell, sizeof shell, "cat '%s' > '%s' &", path, command);
    assert_int_equal(system(shell), 0);
    assert_true(ashlar_trace_load(command, ASHLAR_FORMAT_UNKNOWN, &back, &error));
    test_same(&trace, &back, "pipe", 77);
    ashlar_trace_free(&back);
    ashlar_trace_free(&trace);
    assert_int_equal(unlink(command), 0);
    assert_int_equal(unlink(path), 0);
}

static void refuse_save(const char *path, enum ashlar_trace_format format, const char *message) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error = {0};
    test_generate(3, 50, false, &trace);
    assert_false(ashlar_trace_save(&trace, path, format, false, NULL, &error));
    assert_string_equal(error.message, message);
    ashlar_trace_free(&trace);
}

static void saves_that_fail(void **state) {
    const char *folder = *state;
    char path[1024];
    refuse_save(folder, ASHLAR_FORMAT_TEXT, "cannot be created: Is a directory");
    snprintf(path, sizeof path, "%s/absent/file", folder);
    refuse_save(path, ASHLAR_FORMAT_BINARY, "cannot be created: No such file or directory");
    refuse_save("/dev/full", ASHLAR_FORMAT_TEXT, "cannot be written: No space left on device");
    refuse_save("/dev/full", ASHLAR_FORMAT_BINARY, "cannot be written: No space left on device");
    refuse_save("/dev/full", ASHLAR_FORMAT_REP, "cannot be written: No space left on device");
    /* refused before the file is emptied */
    snprintf(path, sizeof path, "%s/kept", folder);
    make_file(path, "precious", 8);
    refuse_save(path, ASHLAR_FORMAT_MTRACE, "format `mtrace` is never written");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 8);
    assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state) {
    static char folder[] = "/tmp/ashlar-trace-XXXXXX";
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(*state); /* tests leave nothing behind */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),
        cmocka_unit_test(rep),
        cmocka_unit_test(memory_replay),
        cmocka_unit_test(mtrace),
        cmocka_unit_test(unknown),
        cmocka_unit_test(binary_fields),
        cmocka_unit_test(binary_lengths),
        cmocka_unit_test(binary_checksum),
        cmocka_unit_test(binary_frames),
        cmocka_unit_test(binary_bombs),
        cmocka_unit_test(binary_claims),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(empty_files_are_raw_traces),
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(saves_that_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
