/* A standalone C program from a trace: the reproducer that goes into somebody else's bug tracker.
 *
 * It needs a C compiler and nothing else, and performs the trace through malloc and its family of
 * whatever allocator it is linked with. Each operation is one line, with its number in the trace;
 * helpers above them keep the states of slots by the model's rules and check the contents: every
 * block is filled when it is allocated, and compared when it is resized and freed (the first MiB of
 * it: an absurd size may well be served, and must not be written). A block that
 * changed behind the program's back ends it with exit code 1 and one line. At the end the first
 * thread frees what is left, as a replay does.
 *
 * Where a trace has several logical threads, or the end of one, they are threads of the system that
 * take turns in the trace's order, as a replay with --threads real has them do: an allocator other
 * than the core can tell threads apart by that alone, and a minimised trace has none without need.
 *
 * Constraints on the text: it compiles without a warning under -Wall -Wextra, and the compiler
 * does not see through it. Sizes and pointers go through volatile objects, or the compiler would
 * warn of absurd sizes, of double frees, and drop calls whose result is unused. Only helpers that
 * are used are written. Operations stand in functions of 500 at most, since compilers take time
 * that grows faster than a function does; with threads, such a part is what one does in a row.
 *
 * Helpers are the table `helpers`: what text each kind of operation needs, and what that relies on.
 */
#include "trace/model.h"

#include <inttypes.h>
#include <string.h>

enum { OPS_PER_FUNCTION = 500 };

enum helper {
    HELPER_PATTERN, /* what a block holds */
    HELPER_FILL,
    HELPER_COMPARE,
    HELPER_ALLOCATE, /* a new block enters its slot */
    HELPER_MALLOC,
    HELPER_CALLOC,
    HELPER_ALIGNED,
    HELPER_REALLOC,
    HELPER_FREE,
    HELPER_USABLE,
    HELPER_REFILL,
    HELPER_DOUBLE_FREE,
    HELPER_FREE_INSIDE,
    HELPER_FREE_FOREIGN,
    HELPER_WRITE_PAST,
    HELPER_WRITE_STALE,
    HELPER_TRIM,
    HELPER_RESET,
    HELPER_COUNT,
    HELPER_NONE = HELPER_COUNT
};

#define BIT(helper) (1U << (helper))
static const struct {
    unsigned needs; /* helpers, as bits */
    const char *text;
} helpers[HELPER_COUNT] = {
    [HELPER_PATTERN] = {0,
                        "static unsigned char pattern(unsigned slot, size_t i) {\n"
                        "    return (unsigned char)(slots[slot].round * 31 + slot * 7 + i + 1);\n"
                        "}\n"},
    [HELPER_FILL] = {BIT(HELPER_PATTERN),
                     "static void fill(unsigned slot, size_t from) {\n"
                     "    for (size_t i = from; i < slots[slot].bytes && i < CHECKED; i++)\n"
                     "        ((unsigned char *)slots[slot].block)[i] = pattern(slot, i);\n"
                     "}\n"},
    [HELPER_COMPARE] =
        {BIT(HELPER_PATTERN),
         "static void compare(unsigned op, unsigned slot, size_t bytes) {\n"
         "    const unsigned char *block = slots[slot].block;\n"
         "    for (size_t i = 0; i < bytes && i < CHECKED; i++) {\n"
         "        if (block[i] == pattern(slot, i)) continue;\n"
         "        printf(\"operation %u: slot %u: byte %zu is 0x%02x; expected 0x%02x\\n\", op, "
         "slot, i,\n"
         "               (unsigned)block[i], (unsigned)pattern(slot, i));\n"
         "        exit(1);\n"
         "    }\n"
         "}\n"},
    [HELPER_ALLOCATE] = {BIT(HELPER_FILL),
                         "static void enter(unsigned slot, void *block, size_t bytes) {\n"
                         "    if (!block) return;\n"
                         "    slots[slot].block = block;\n"
                         "    slots[slot].bytes = bytes;\n"
                         "    slots[slot].state = LIVE;\n"
                         "    slots[slot].round++;\n"
                         "    fill(slot, 0);\n"
                         "}\n"},
    [HELPER_MALLOC] = {BIT(HELPER_ALLOCATE),
                       "static void do_malloc(unsigned op, unsigned slot, size_t bytes) {\n"
                       "    volatile size_t size = bytes;\n"
                       "    (void)op;\n"
                       "    if (slots[slot].state != LIVE) enter(slot, malloc(size), size);\n"
                       "}\n"},
    [HELPER_CALLOC] =
        {BIT(HELPER_ALLOCATE),
         "static void do_calloc(unsigned op, unsigned slot, size_t count, size_t bytes) {\n"
         "    volatile size_t number = count, size = bytes;\n"
         "    if (slots[slot].state == LIVE) return;\n"
         "    unsigned char *block = calloc(number, size);\n"
         "    if (block && size && number > (size_t)-1 / size) {\n"
         "        printf(\"operation %u: slot %u: calloc served a product that wraps\\n\", op, "
         "slot);\n"
         "        exit(1);\n"
         "    }\n"
         "    for (size_t i = 0; block && i < number * size && i < CHECKED; i++) {\n"
         "        if (!block[i]) continue;\n"
         "        printf(\"operation %u: slot %u: calloc: byte %zu is not 0\\n\", op, slot, i);\n"
         "        exit(1);\n"
         "    }\n"
         "    enter(slot, block, number * size);\n"
         "}\n"},
    [HELPER_ALIGNED] =
        {BIT(HELPER_ALLOCATE),
         "static void do_aligned(unsigned op, unsigned slot, size_t alignment, size_t bytes) {\n"
         "    volatile size_t align = alignment, size = bytes;\n"
         "    if (slots[slot].state == LIVE) return;\n"
         "    void *block = NULL;\n"
         "    if (align && !(align & (align - 1)) && align < sizeof block) align = sizeof block;\n"
         "    if (posix_memalign(&block, align, size)) return;\n"
         "    if (block && align && !(align & (align - 1)) && (size_t)block % align) {\n"
         "        printf(\"operation %u: slot %u: not aligned to %zu\\n\", op, slot, align);\n"
         "        exit(1);\n"
         "    }\n"
         "    enter(slot, block, size);\n"
         "}\n"},
    [HELPER_REALLOC] = {BIT(HELPER_ALLOCATE) | BIT(HELPER_COMPARE),
                        "static void do_realloc(unsigned op, unsigned slot, size_t bytes) {\n"
                        "    volatile size_t size = bytes;\n"
                        "    if (slots[slot].state != LIVE) {\n"
                        "        enter(slot, realloc(NULL, size), size);\n"
                        "        return;\n"
                        "    }\n"
                        "    size_t before = slots[slot].bytes;\n"
                        "    compare(op, slot, before);\n"
                        "    void *block = realloc(slots[slot].block, size);\n"
                        "    if (!block) {\n"
                        "        if (!size) slots[slot].state = STALE;\n"
                        "        return;\n"
                        "    }\n"
                        "    slots[slot].block = block;\n"
                        "    slots[slot].bytes = size;\n"
                        "    compare(op, slot, size < before ? size : before);\n"
                        "    if (size > before) fill(slot, before);\n"
                        "}\n"},
    [HELPER_FREE] = {BIT(HELPER_COMPARE), "static void do_free(unsigned op, unsigned slot) {\n"
                                          "    if (slots[slot].state != LIVE) return;\n"
                                          "    compare(op, slot, slots[slot].bytes);\n"
                                          "    slots[slot].state = STALE;\n"
                                          "    free(slots[slot].block);\n"
                                          "}\n"},
    [HELPER_USABLE] =
        {0, "static void do_usable(unsigned op, unsigned slot) {\n"
            "    if (slots[slot].state != LIVE) return;\n"
            "    if (malloc_usable_size(slots[slot].block) >= slots[slot].bytes) return;\n"
            "    printf(\"operation %u: slot %u: usable size below the size asked for\\n\", op, "
            "slot);\n"
            "    exit(1);\n"
            "}\n"},
    [HELPER_REFILL] = {BIT(HELPER_FILL) | BIT(HELPER_COMPARE),
                       "static void do_fill(unsigned op, unsigned slot) {\n"
                       "    if (slots[slot].state != LIVE) return;\n"
                       "    compare(op, slot, slots[slot].bytes);\n"
                       "    slots[slot].round++;\n"
                       "    fill(slot, 0);\n"
                       "}\n"},
    [HELPER_DOUBLE_FREE] =
        {0, "static void do_double_free(unsigned op, unsigned slot) {\n"
            "    (void)op;\n"
            "    if (slots[slot].state == STALE) free(slots[slot].block); /* the bug */\n"
            "}\n"},
    [HELPER_FREE_INSIDE] =
        {0, "static void do_free_inside(unsigned op, unsigned slot, size_t offset) {\n"
            "    (void)op;\n"
            "    if (slots[slot].state != LIVE) return;\n"
            "    void *volatile inside = (char *)slots[slot].block + offset;\n"
            "    free(inside); /* the bug */\n"
            "}\n"},
    [HELPER_FREE_FOREIGN] = {0, "static void do_free_foreign(unsigned op, unsigned where) {\n"
                                "    static char object[64];\n"
                                "    char local[64];\n"
                                "    void *volatile foreign = local;\n"
                                "    (void)op;\n"
                                "    if (where == 1) foreign = object;\n"
                                "    if (where == 2) foreign = (void *)0x5a5a5a5a5a50;\n"
                                "    if (where == 3) foreign = (void *)0x10;\n"
                                "    free(foreign); /* the bug */\n"
                                "}\n"},
    [HELPER_WRITE_PAST] =
        {0, "static void do_write_past(unsigned op, unsigned slot, size_t offset, size_t bytes) {\n"
            "    (void)op;\n"
            "    if (slots[slot].state != LIVE) return;\n"
            "    volatile unsigned char *at = slots[slot].block;\n"
            "    at += slots[slot].bytes + offset;\n"
            "    for (size_t i = 0; i < bytes; i++) at[i] = 0x41; /* the bug */\n"
            "}\n"},
    [HELPER_WRITE_STALE] =
        {0,
         "static void do_write_stale(unsigned op, unsigned slot, size_t offset, size_t bytes) {\n"
         "    (void)op;\n"
         "    if (slots[slot].state != STALE) return;\n"
         "    volatile unsigned char *at = slots[slot].block;\n"
         "    for (size_t i = 0; i < bytes; i++) at[offset + i] = 0x41; /* the bug */\n"
         "}\n"},
    [HELPER_TRIM] = {0, "static void do_trim(unsigned op) {\n"
                        "    (void)op;\n"
                        "    malloc_trim(0);\n"
                        "}\n"},
    [HELPER_RESET] = {BIT(HELPER_FREE),
                      "static void do_reset(unsigned op) {\n"
                      "    for (unsigned slot = 0; slot < sizeof slots / sizeof slots[0]; slot++)\n"
                      "        do_free(op, slot);\n"
                      "}\n"},
};

/* The call that performs a kind: its helper, and its name. */
static const struct {
    enum helper helper;
    const char *name;
} calls[ASHLAR_OP_COUNT] = {
    [ASHLAR_OP_MALLOC] = {HELPER_MALLOC, "malloc"},
    [ASHLAR_OP_CALLOC] = {HELPER_CALLOC, "calloc"},
    [ASHLAR_OP_REALLOC] = {HELPER_REALLOC, "realloc"},
    [ASHLAR_OP_ALIGNED] = {HELPER_ALIGNED, "aligned"},
    [ASHLAR_OP_FREE] = {HELPER_FREE, "free"},
    [ASHLAR_OP_FREE_SIZED] = {HELPER_FREE, "free"},
    [ASHLAR_OP_USABLE] = {HELPER_USABLE, "usable"},
    [ASHLAR_OP_FILL] = {HELPER_REFILL, "fill"},
    [ASHLAR_OP_TRIM] = {HELPER_TRIM, "trim"},
    [ASHLAR_OP_COLLECT] = {HELPER_NONE, NULL},
    [ASHLAR_OP_THREAD_EXIT] = {HELPER_NONE, NULL},
    [ASHLAR_OP_CHECK] = {HELPER_NONE, NULL},
    [ASHLAR_OP_CLOCK] = {HELPER_NONE, NULL},
    [ASHLAR_OP_FAULT] = {HELPER_NONE, NULL},
    [ASHLAR_OP_RESET] = {HELPER_RESET, "reset"},
    [ASHLAR_OP_DOUBLE_FREE] = {HELPER_DOUBLE_FREE, "double_free"},
    [ASHLAR_OP_FREE_INSIDE] = {HELPER_FREE_INSIDE, "free_inside"},
    [ASHLAR_OP_FREE_FOREIGN] = {HELPER_FREE_FOREIGN, "free_foreign"},
    [ASHLAR_OP_FREE_WRONG_SIZE] = {HELPER_NONE, NULL},
    [ASHLAR_OP_WRITE_PAST] = {HELPER_WRITE_PAST, "write_past"},
    [ASHLAR_OP_WRITE_STALE] = {HELPER_WRITE_STALE, "write_stale"},
    [ASHLAR_OP_FLIP] = {HELPER_NONE, NULL},
    [ASHLAR_OP_STEP] = {HELPER_NONE, NULL},
};

/* FREE_FOREIGN knows places below this one in any process; the others are the core's own. */
enum { FOREIGN_PLACES_KNOWN = 4 };

/* For an allocator whose names have a prefix; prototypes of what it lacks do no harm. */
static const struct {
    const char *type, *name, *parameters;
} family[] = {
    {"void *", "malloc", "size_t bytes"},
    {"void *", "calloc", "size_t count, size_t bytes"},
    {"void *", "realloc", "void *block, size_t bytes"},
    {"int ", "posix_memalign", "void **block, size_t alignment, size_t bytes"},
    {"void ", "free", "void *block"},
    {"size_t ", "malloc_usable_size", "void *block"},
    {"int ", "malloc_trim", "size_t keep"},
};

static const char threads_text[] =
    "/* A thread does one part at a time, while main waits. */\n"
    "static struct thread {\n"
    "    pthread_t id;\n"
    "    sem_t go, done;\n"
    "    void (*part)(void); /* NULL: it shall end */\n"
    "    int alive;\n"
    "} threads[%u];\n\n"
    "static void *live(void *context) {\n"
    "    struct thread *self = context;\n"
    "    for (;;) {\n"
    "        sem_wait(&self->go);\n"
    "        if (!self->part) return NULL;\n"
    "        self->part();\n"
    "        sem_post(&self->done);\n"
    "    }\n"
    "}\n\n"
    "static void on(unsigned number, void (*part)(void)) {\n"
    "    struct thread *thread = &threads[number];\n"
    "    if (!thread->alive) {\n"
    "        sem_init(&thread->go, 0, 0);\n"
    "        sem_init(&thread->done, 0, 0);\n"
    "        thread->alive = !pthread_create(&thread->id, NULL, live, thread);\n"
    "        if (!thread->alive) exit(2);\n"
    "    }\n"
    "    thread->part = part;\n"
    "    sem_post(&thread->go);\n"
    "    sem_wait(&thread->done);\n"
    "}\n\n"
    "static void end(unsigned number) {\n"
    "    struct thread *thread = &threads[number];\n"
    "    if (!thread->alive) return;\n"
    "    thread->part = NULL;\n"
    "    sem_post(&thread->go);\n"
    "    pthread_join(thread->id, NULL);\n"
    "    thread->alive = 0;\n"
    "}\n\n";

/* Helpers that look at no slot. */
#define SLOTLESS_HELPERS (BIT(HELPER_TRIM) | BIT(HELPER_FREE_FOREIGN))

#define ALLOCATING_HELPERS                                                                         \
    (BIT(HELPER_MALLOC) | BIT(HELPER_CALLOC) | BIT(HELPER_ALIGNED) | BIT(HELPER_REALLOC))

static bool has_threads(const struct ashlar_trace *trace) {
    for (size_t i = 0; i < trace->count; i++)
        if (trace->ops[i].kind == ASHLAR_OP_THREAD_EXIT) return true;
    return trace->threads > 1;
}

static enum helper helper_of(const struct ashlar_op *op) {
    if (op->kind == ASHLAR_OP_FREE_FOREIGN && op->arg >= FOREIGN_PLACES_KNOWN) return HELPER_NONE;
    return calls[op->kind].helper;
}

/* A comment whose text cannot end it. */
static void write_comment_text(const char *text, FILE *stream) {
    for (; *text; text++) {
        fputc(*text, stream);
        if (*text == '\n') fputs(" * ", stream);
        if (*text == '*' && text[1] == '/') fputc(' ', stream);
    }
}

/* A library with a prefix is linked with; one without takes malloc's own place. */
static void write_build(const struct ashlar_program *program, bool threads, FILE *stream) {
    bool linked = program->library != NULL && program->prefix != NULL && program->prefix[0] != 0;
    fprintf(stream, " *\n * Build: cc -std=gnu17 -Wall -Wextra%s FILE.c",
            threads ? " -pthread" : "");
    if (linked) {
        const char *slash = strrchr(program->library, '/');
        char folder[4096] = ".";
        if (slash != NULL)
            snprintf(folder, sizeof folder, "%.*s", (int)(slash - program->library),
                     program->library);
        fputc(' ', stream);
        write_comment_text(program->library, stream);
        fputs(" -Wl,-rpath,", stream);
        write_comment_text(folder, stream);
    } else if (program->library != NULL) {
        fputs("\n * Run: LD_PRELOAD=", stream);
        write_comment_text(program->library, stream);
        fputs(" ./a.out", stream);
    }
    fputs("\n * Exit code: 0 when all contents were as expected, 1 when not.\n */\n", stream);
}

static void write_family(const char *prefix, FILE *stream) {
    for (size_t i = 0; i < sizeof family / sizeof *family; i++)
        fprintf(stream, "%s%s%s(%s);\n#define %s %s%s\n", family[i].type, prefix, family[i].name,
                family[i].parameters, family[i].name, prefix, family[i].name);
    fputc('\n', stream);
}

static void write_head(const struct ashlar_trace *trace, const struct ashlar_program *program,
                       unsigned used, FILE *stream) {
    bool threads = has_threads(trace);
    fputs("/* A sequence of heap operations, as a standalone program.\n", stream);
    if (program->comment != NULL && program->comment[0] != 0) {
        fputs(" *\n * ", stream);
        write_comment_text(program->comment, stream);
        fputc('\n', stream);
    }
    write_build(program, threads, stream);
    if (used & (BIT(HELPER_USABLE) | BIT(HELPER_TRIM))) fputs("#include <malloc.h>\n", stream);
    if (threads) fputs("#include <pthread.h>\n#include <semaphore.h>\n", stream);
    fputs("#include <stddef.h>\n#include <stdio.h>\n#include <stdlib.h>\n\n", stream);
    if (program->prefix != NULL && program->prefix[0] != 0) write_family(program->prefix, stream);
    if (!(used & ~SLOTLESS_HELPERS)) return;
    fprintf(
        stream,
        "/* How much of a block is filled and compared: absurd sizes are cheap to allocate, and\n"
        " * dear to write. */\n"
        "enum { CHECKED = 1 << 20 };\n\n"
        "/* A slot's block; `round` makes the contents of each block its own. */\n"
        "static struct {\n"
        "    void *volatile block;\n"
        "    size_t bytes;\n"
        "    unsigned round;\n"
        "    enum { EMPTY = 0, LIVE, STALE } state;\n"
        "} slots[%u];\n\n",
        trace->slots ? trace->slots : 1);
}

/* Helpers that the operations use, with those that these rely on. */
static unsigned used_helpers(const struct ashlar_trace *trace) {
    unsigned used = 0;
    for (size_t i = 0; i < trace->count; i++) {
        enum helper helper = helper_of(&trace->ops[i]);
        if (helper != HELPER_NONE) used |= BIT(helper);
    }
    if (used & ALLOCATING_HELPERS) used |= BIT(HELPER_RESET); /* at the end */
    /* what a helper needs stands above it in the table */
    for (unsigned i = HELPER_COUNT; i-- > 0;) {
        if (used & BIT(i)) used |= helpers[i].needs;
    }
    return used;
}

static void write_op(const struct ashlar_op *op, size_t index, FILE *stream) {
    char text[128];
    ashlar_op_text(op, text, sizeof text);
    enum helper helper = helper_of(op);
    if (helper == HELPER_NONE) {
        fprintf(stream, "    /* %zu: %s: nothing in malloc's interface does this */\n", index,
                text);
        return;
    }
    const struct ash_op_info *info = ash_op_info(op->kind);
    fprintf(stream, "    do_%s(%zu", calls[op->kind].name, index);
    for (unsigned i = 0; i < info->operand_count; i++) {
        switch (info->operands[i].field) {
        case ASH_FIELD_SLOT:
            fprintf(stream, ", %u", op->slot);
            break;
        case ASH_FIELD_SIZE:
            fprintf(stream, ", %" PRIu64 "U", op->size);
            break;
        default:
            fprintf(stream, ", %" PRIu64 "U", op->arg);
            break;
        }
    }
    fputs(");", stream);
    if (op->thread) fprintf(stream, " /* thread %u */", op->thread);
    fputc('\n', stream);
}

/* Where the part that begins at `from` ends. With threads, the end of one is a part of its own. */
static size_t part_end(const struct ashlar_trace *trace, bool threads, size_t from) {
    const struct ashlar_op *first = &trace->ops[from];
    for (size_t i = from + 1; i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        bool ends = first->kind == ASHLAR_OP_THREAD_EXIT || op->kind == ASHLAR_OP_THREAD_EXIT;
        if (i - from == OPS_PER_FUNCTION) return i;
        if (threads && (op->thread != first->thread || ends)) return i;
    }
    return trace->count;
}

static void write_parts(const struct ashlar_trace *trace, bool threads, bool resets, FILE *stream) {
    size_t part = 0;
    for (size_t from = 0, to; from < trace->count; from = to, part++) {
        to = part_end(trace, threads, from);
        if (threads && trace->ops[from].kind == ASHLAR_OP_THREAD_EXIT) continue;
        fprintf(stream, "static void part_%zu(void) {\n", part);
        for (size_t i = from; i < to; i++) write_op(&trace->ops[i], i, stream);
        fputs("}\n\n", stream);
    }
    if (resets)
        fprintf(stream, "static void rest(void) {\n    do_reset(%zu);\n}\n\n", trace->count);
}

static void write_main(const struct ashlar_trace *trace, bool resets, FILE *stream) {
    size_t part = 0;
    fputs("int main(void) {\n", stream);
    for (size_t from = 0; from < trace->count; from = part_end(trace, false, from))
        fprintf(stream, "    part_%zu();\n", part++);
    if (resets) fputs("    rest();\n", stream);
    fputs("    puts(\"done: nothing unexpected\");\n    return 0;\n}\n", stream);
}

/* The order of parts is a table, which compilers read in no time however long it is. */
static void write_main_of_threads(const struct ashlar_trace *trace, bool resets, FILE *stream) {
    size_t part = 0;
    fprintf(stream, threads_text, trace->threads);
    fputs("static const struct {\n    unsigned thread;\n    void (*part)(void);\n} order[] = {\n",
          stream);
    for (size_t from = 0; from < trace->count; from = part_end(trace, true, from), part++) {
        const struct ashlar_op *first = &trace->ops[from];
        if (first->kind == ASHLAR_OP_THREAD_EXIT)
            fprintf(stream, "    {%u, NULL}, /* %zu: it ends */\n", first->thread, from);
        else
            fprintf(stream, "    {%u, part_%zu},\n", first->thread, part);
    }
    if (resets) fputs("    {0, rest},\n", stream);
    fputs("};\n\n"
          "int main(void) {\n"
          "    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {\n"
          "        if (order[i].part)\n"
          "            on(order[i].thread, order[i].part);\n"
          "        else\n"
          "            end(order[i].thread);\n"
          "    }\n"
          "    for (unsigned i = 0; i < sizeof threads / sizeof threads[0]; i++) end(i);\n"
          "    puts(\"done: nothing unexpected\");\n"
          "    return 0;\n"
          "}\n",
          stream);
}

bool ashlar_trace_write_c(const struct ashlar_trace *trace, FILE *stream,
                          const struct ashlar_program *program) {
    static const struct ashlar_program plain;
    if (program == NULL) program = &plain;
    unsigned used = used_helpers(trace);
    bool resets = (used & BIT(HELPER_RESET)) != 0, threads = has_threads(trace);
    write_head(trace, program, used, stream);
    for (unsigned i = 0; i < HELPER_COUNT; i++) {
        if (used & BIT(i)) fprintf(stream, "%s\n", helpers[i].text);
    }
    write_parts(trace, threads, resets, stream);
    if (threads)
        write_main_of_threads(trace, resets, stream);
    else
        write_main(trace, resets, stream);
    return fflush(stream) == 0 && !ferror(stream);
}
