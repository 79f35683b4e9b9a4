/* fuzz_parse_seeds: makes corpus/fuzz_parse, one generated trace in each format and some texts by
 * hand.
 *
 *   fuzz_parse_seeds OUT_DIRECTORY
 *
 * The first byte of a seed is the row of fuzz_parse's table that reads it.
 */
#include <ashlar/trace.h>
#include <stdlib.h>
#include <string.h>

enum { OPS = 40, OPTIONS_ROW = ASHLAR_FORMAT_COUNT };

static bool save(const char *directory, const char *name, int row, const void *bytes, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.bytes", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return false;
    bool saved = fputc(row, file) != EOF && fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && saved;
}

static bool make_trace(const char *directory, enum ashlar_trace_format format, bool compress,
                       const char *name) {
    struct ashlar_generator generator = {
        .state = (uint64_t)format, .slots = 12, .threads = 2, .size_limit = 9000};
    struct ashlar_trace trace;
    char *bytes = NULL;
    size_t size = 0, lost = 0;
    ashlar_trace_init(&trace);
    generator.illegal = true;
    bool made = true;
    for (int i = 0; made && i < OPS; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        made = ashlar_trace_append(&trace, &op);
    }
    FILE *stream = open_memstream(&bytes, &size);
    made =
        made && stream != NULL && ashlar_trace_write(&trace, stream, format, compress, &lost, NULL);
    if (stream != NULL) fclose(stream);
    made = made && save(directory, name, (int)format, bytes, size);
    free(bytes);
    ashlar_trace_free(&trace);
    return made;
}

struct text {
    const char *name;
    int row;
    const char *text;
};
static const struct text texts[] = {
    {"text-by-hand", ASHLAR_FORMAT_TEXT,
     "ashlar trace 1\nheap memory 1024 # KiB\nslots 3\nthreads 2\nseed 7\nmalloc 0 100\n"
     "t1 calloc 1 4 16\nrealloc 0 max-3\nfree-foreign below\nflip 0xffffffffffffffff\n"},
    {"rep-by-hand", ASHLAR_FORMAT_REP, "20000\n2\n4\n1\na 0 512\na 1 128\nr 0 640\nf 1\n"},
    {"memory-replay-by-hand", ASHLAR_FORMAT_MEMORY_REPLAY,
     "1: malloc 0x1000 16 10 20\n1: memalign 0x2000 64 100\n2: realloc 0x3000 0x1000 32\n"
     "2: calloc 0x1000 4 8\n1: free 0x2000\n1: thread_done 0x0\n"},
    {"mtrace", ASHLAR_FORMAT_MTRACE,
     "= Start\n@ ./a:[0x1] + 0x1000 0x10\n@ ./a:[0x1] + 0x2000 0x20\n@ ./a:[0x1] < 0x1000\n"
     "@ ./a:[0x1] > 0x3000 0x40\n@ ./a:[0x1] - 0x2000\n@ ./a:[0x1] ! 0x3000 0x50\n= End\n"},
    {"options", OPTIONS_ROW, "verify=exit:verbose:decay_ms=10:region_bytes=1G:level=fast"},
    {"options-wrong", OPTIONS_ROW, "=1:verb=1:decay_ms=4294967295:region_bytes=K:output=::a"},
    {"any-nothing", ASHLAR_FORMAT_UNKNOWN, ""},
};

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_parse_seeds OUT_DIRECTORY\n");
        return 2;
    }
    bool made = make_trace(argv[1], ASHLAR_FORMAT_TEXT, false, "text") &&
                make_trace(argv[1], ASHLAR_FORMAT_BINARY, false, "binary") &&
                make_trace(argv[1], ASHLAR_FORMAT_BINARY, true, "binary-compressed") &&
                make_trace(argv[1], ASHLAR_FORMAT_RAW, false, "raw") &&
                make_trace(argv[1], ASHLAR_FORMAT_REP, false, "rep") &&
                make_trace(argv[1], ASHLAR_FORMAT_MEMORY_REPLAY, false, "memory-replay");
    for (size_t i = 0; made && i < sizeof texts / sizeof *texts; i++)
        made = save(argv[1], texts[i].name, texts[i].row, texts[i].text, strlen(texts[i].text));
    return made ? 0 : 1;
}
