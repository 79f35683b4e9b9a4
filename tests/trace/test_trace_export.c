/* Exporters: what they write, what they count as lost, and that what they wrote reads back as the
 * same sequence of effects. And the C reproducer, which is compiled and run. */
#include "support.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void decode_text(const char *text, struct ashlar_trace *out) {
    test_decode(text, strlen(text), ASHLAR_FORMAT_TEXT, out);
}

static void exports(const char *text, enum ashlar_trace_format format, const char *expected,
                    size_t lost) {
    struct ashlar_trace trace;
    decode_text(text, &trace);
    struct test_bytes found = test_encode(&trace, format, false);
    assert_string_equal((char *)found.bytes, expected);
    assert_int_equal(found.lost, lost);
    free(found.bytes);
    ashlar_trace_free(&trace);
}

static const char sample[] = "ashlar trace 1\n"
                             "slots 5\n"
                             "free 0\n" /* skipped: empty */
                             "malloc 0 100\n"
                             "malloc 0 200\n" /* skipped: live */
                             "malloc 1 max-3\n"
                             "free 1\n" /* skipped: the allocation cannot have succeeded */
                             "t1 calloc 1 4 16\n"
                             "calloc 2 0x100000001 0x100000000\n"
                             "aligned 2 64 10\n"
                             "aligned 3 48 10\n"
                             "realloc 3 30\n"
                             "realloc 0 300\n"
                             "realloc 0 max\n"
                             "realloc 2 0\n"
                             "free 2\n" /* skipped: realloc to 0 freed it */
                             "free-sized 0\n"
                             "usable 1\n"
                             "trim\n"
                             "double-free 0\n"
                             "t1 thread-exit\n"
                             "malloc 4 5000000000\n"
                             "reset\n"
                             "malloc 0 7\n";

static void rep_is_written(void **state) {
    (void)state;
    exports(sample, ASHLAR_FORMAT_REP,
            "20000000\n5\n10\n1\n"
            "a 0 100\n"
            "a 1 64\n"
            "a 2 10\n"
            "a 3 30\n"
            "r 0 300\n"
            "f 2\n"
            "f 0\n"
            "f 1\n"
            "f 3\n"
            "a 0 7\n",
            /* as below; and the thread and zeroes of calloc, the alignment, thread-exit, 5 GB */
            12);
}

static void memory_replay_is_written(void **state) {
    (void)state;
    exports(sample, ASHLAR_FORMAT_MEMORY_REPLAY,
            "1: malloc 0x10000 100\n"
            "2: calloc 0x10010 4 16\n"
            "1: memalign 0x10020 64 10\n"
            "1: realloc 0x10030 0x0 30\n"
            "1: realloc 0x10000 0x10000 300\n"
            "1: free 0x10020\n"
            "1: free 0x10000\n"
            "2: thread_done 0x0\n"
            "1: malloc 0x10040 5000000000\n"
            "1: free 0x10010\n"
            "1: free 0x10030\n"
            "1: free 0x10040\n"
            "1: malloc 0x10000 7\n",
            /* max-3, the product, alignment 48, realloc to max, free-sized, usable, trim,
             * double-free */
            8);
}

/* What a trace does, without the slots in the wrong state: the calls that a format can hold. */
static void effects_survive(enum ashlar_trace_format format) {
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct ashlar_trace trace, back, again;
        test_generate(seed, 200, true, &trace);
        struct test_bytes first = test_encode(&trace, format, false);
        if (first.size) {
            test_decode(first.bytes, first.size, format, &back);
            /* from here on nothing is lost any more */
            struct test_bytes second = test_encode(&back, format, false);
            if (second.lost)
                fail_msg("seed %d: lost %zu in the second pass", (int)seed, second.lost);
            test_decode(second.bytes, second.size, format, &again);
            test_same(&back, &again, ashlar_format_name(format), seed);
            free(second.bytes);
            ashlar_trace_free(&back);
            ashlar_trace_free(&again);
        }
        free(first.bytes);
        ashlar_trace_free(&trace);
    }
}

static void rep_reads_back(void **state) {
    (void)state;
    effects_survive(ASHLAR_FORMAT_REP);
}

static void memory_replay_reads_back(void **state) {
    (void)state;
    effects_survive(ASHLAR_FORMAT_MEMORY_REPLAY);
}

/* The C reproducer. */

static const char *const compilers[] = {"gcc", "clang"};
enum { COMPILERS = sizeof compilers / sizeof compilers[0] };

static int run(const char *format, ...) {
    char command[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static bool has_compiler(const char *compiler) {
    return run("command -v %s >/dev/null", compiler) == 0;
}

/* The trace as FOLDER/test.c. */
static void write_program(const char *folder, const struct ashlar_trace *trace) {
    char path[1024];
    snprintf(path, sizeof path, "%s/test.c", folder);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    const struct ashlar_program program = {.comment = "found by */ a test\nsecond line"};
    assert_true(ashlar_trace_write_c(trace, stream, &program));
    assert_int_equal(fclose(stream), 0);
}

/* Compiles FOLDER/test.c without a warning, to FOLDER/test. */
static void compile(const char *folder, const char *compiler, const char *options) {
    if (run("%s -std=gnu17 -O2 -Wall -Wextra -Werror %s -o '%s/test' '%s/test.c' 2>&1", compiler,
            options, folder, folder) == 0)
        return;
    run("cat '%s/test.c'", folder);
    fail_msg("%s refuses the program above", compiler);
}

static int run_program(const char *folder) {
    return run("'%s/test' > '%s/out' 2>&1", folder, folder);
}

/* Each kind alone: no helper that nothing uses, no warning of what the program does on purpose. */
static void c_compiles_for_each_kind(void **state) {
    const char *folder = *state;
    unsigned tried = 0;
    for (unsigned i = 0; i < COMPILERS; i++) {
        if (!has_compiler(compilers[i])) continue;
        tried++;
        for (unsigned kind = 0; kind <= ASHLAR_OP_COUNT; kind++) {
            struct ashlar_trace trace;
            ashlar_trace_init(&trace); /* the last one stays empty */
            struct ashlar_op op = {
                .kind = (uint8_t)kind, .thread = 1, .slot = 1, .size = UINT64_MAX};
            if (kind < ASHLAR_OP_COUNT) assert_true(ashlar_trace_append(&trace, &op));
            write_program(folder, &trace);
            compile(folder, compilers[i], "-c");
            ashlar_trace_free(&trace);
        }
    }
    assert_true(tried > 0);
}

static void generate_legal(uint64_t seed, size_t count, uint32_t threads,
                           struct ashlar_trace *out) {
    struct ashlar_generator generator = {
        .state = seed, .slots = 40, .threads = threads, .size_limit = 1 << 14};
    ashlar_trace_init(out);
    for (size_t i = 0; i < count; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        assert_true(ashlar_trace_append(out, &op));
    }
}

/* On libc legal operations end well, with every content checked. */
static void c_runs(void **state) {
    const char *folder = *state;
    for (unsigned i = 0; i < 2 * COMPILERS; i++) {
        const char *compiler = compilers[i / 2];
        bool threads = i % 2 != 0;
        if (!has_compiler(compiler)) continue;
        struct ashlar_trace trace;
        generate_legal(i, 1200, threads ? 3 : 1, &trace);
        for (size_t at = 0; !threads && at < trace.count; at++)
            if (trace.ops[at].kind == ASHLAR_OP_THREAD_EXIT) trace.ops[at].kind = ASHLAR_OP_TRIM;
        write_program(folder, &trace);
        assert_int_equal(
            run("grep -q '%s' '%s/test.c'", threads ? "{2, part_" : "part_2();", folder), 0);
        compile(folder, compiler, "-Wconversion -Wshadow -pthread");
        assert_int_equal(run_program(folder), 0);
        assert_int_equal(run("grep -q '^done' '%s/out'", folder), 0);
        ashlar_trace_free(&trace);
    }
}

/* Over broken allocators the program says what is wrong: a calloc that leaves its memory dirty, a
 * malloc that gives the same block twice, a realloc that loses the content. */
static void c_finds_bugs(void **state) {
    const char *folder = *state;
    static const struct {
        const char *trace, *broken, *output;
    } cases[] = {
        {"calloc 0 3 5\n",
         "static void *broken(size_t n, size_t s) { return memset(malloc(n * s), 7, n * s); }\n"
         "#define calloc broken\n",
         "operation 0: slot 0: calloc: byte 0 is not 0"},
        {"malloc 0 40\nmalloc 1 40\nfree 0\n",
         "static char block[64];\n"
         "static void *broken(size_t n) { (void)n; return block; }\n"
         "#define malloc broken\n",
         "operation 2: slot 0: byte 0 is 0x27; expected 0x20"},
        {"malloc 0 8\nrealloc 0 64\n",
         "static void *broken(void *p, size_t n) { (void)p; return calloc(1, n); }\n"
         "#define realloc broken\n",
         "operation 1: slot 0: byte 0 is 0x00; expected 0x20"},
        {"aligned 2 64 8\n",
         "static int broken(void **p, size_t a, size_t n) {\n"
         "    return a ? *p = (char *)malloc(n + 8) + 8, 0 : 1;\n"
         "}\n"
         "#define posix_memalign broken\n",
         "operation 0: slot 2: not aligned to 64"},
        /* what is left is compared at the end */
        {"malloc 0 40\nmalloc 1 40\n",
         "static char block[64];\n"
         "static void *broken(size_t n) { (void)n; return block; }\n"
         "#define malloc broken\n",
         "operation 2: slot 0: byte 0 is 0x27; expected 0x20"},
        /* a cache for each thread, in which a second request is served badly */
        {"t1 malloc 0 40\nt2 malloc 1 40\nt1 thread-exit\nt1 malloc 2 40\nfree 0\nfree 1\n"
         "free 2\nt1 malloc 3 40\nfree 3\n",
         "#include <stdio.h>\n"
         "static _Thread_local int calls;\n"
         "static int threads_seen;\n"
         "static void *broken(size_t n) {\n"
         "    if (calls++ == 0) return threads_seen++, malloc(n);\n"
         "    printf(\"a second one, after %d threads\\n\", threads_seen);\n"
         "    exit(1);\n"
         "}\n"
         "#define malloc broken\n",
         "a second one, after 3 threads"},
    };
    char path[1024];
    snprintf(path, sizeof path, "%s/broken.h", folder);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400], options[1200];
        struct ashlar_trace trace;
        snprintf(text, sizeof text, "ashlar trace 1\n%s", cases[i].trace);
        decode_text(text, &trace);
        write_program(folder, &trace);
        FILE *stream = fopen(path, "w");
        assert_non_null(stream);
        fprintf(stream, "#include <stdlib.h>\n#include <string.h>\n%s", cases[i].broken);
        fclose(stream);
        snprintf(options, sizeof options, "-include '%s'", path);
        compile(folder, has_compiler("gcc") ? "gcc" : "clang", options);
        assert_int_equal(run_program(folder), 1);
        if (run("grep -qx '%s' '%s/out'", cases[i].output, folder) != 0) {
            run("cat '%s/out'", folder);
            fail_msg("expected: %s", cases[i].output);
        }
        ashlar_trace_free(&trace);
    }
    assert_int_equal(unlink(path), 0);
}

static void c_says_when_it_cannot_be_written(void **state) {
    (void)state;
    struct ashlar_trace trace;
    generate_legal(1, 10, 2, &trace);
    FILE *stream = fopen("/dev/full", "w");
    assert_non_null(stream);
    assert_false(ashlar_trace_write_c(&trace, stream, NULL));
    fclose(stream);
    ashlar_trace_free(&trace);
}

static int make_folder(void **state) {
    static char folder[] = "/tmp/ashlar-export-XXXXXX";
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state) {
    return run("rm -rf '%s'", (const char *)*state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rep_is_written),
        cmocka_unit_test(memory_replay_is_written),
        cmocka_unit_test(rep_reads_back),
        cmocka_unit_test(memory_replay_reads_back),
        cmocka_unit_test(c_compiles_for_each_kind),
        cmocka_unit_test(c_runs),
        cmocka_unit_test(c_finds_bugs),
        cmocka_unit_test(c_says_when_it_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
