/* The oracle's checks, one by one: the core, made to break exactly one promise, must be found with
 * exactly that code, at that operation; unbroken, the same trace has no finding.
 *
 * A broken target is the core's table with one function replaced. The functions share the state
 * below, which create sets back. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    ashlar_misuse_handler *on_misuse;
    void *context;
    size_t *left_mapped;
    char *last;       /* what malloc returned last */
    void *last_freed; /* what free got last */
    unsigned calls;
} broken;

static const struct ashlar_target *const core = &ashlar_target_core;

static enum ashlar_status create(const struct ashlar_target *target,
                                 const struct ashlar_target_config *config, void **instance) {
    memset(&broken, 0, sizeof broken);
    broken.on_misuse = config->on_misuse;
    broken.context = config->context;
    broken.left_mapped = config->left_mapped;
    return core->create(target, config, instance);
}

static void report(enum ashlar_finding_code code, const void *pointer) {
    struct ashlar_misuse misuse = {
        .code = code, .operation = "free", .address = (uintptr_t)pointer};
    broken.on_misuse(broken.context, &misuse);
}

/* Breakages. */

static void *malloc_overlapping(void *instance, uint32_t thread, size_t bytes) {
    if (broken.last != NULL) return broken.last + 16;
    return broken.last = core->malloc(instance, thread, bytes);
}
static size_t usable_as_asked(void *instance, uint32_t thread, void *block) {
    (void)instance, (void)thread, (void)block;
    return 64;
}
static void *malloc_misaligned(void *instance, uint32_t thread, size_t bytes) {
    return (char *)core->malloc(instance, thread, bytes + 8) + 8;
}
static void *aligned_to_half(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    return (char *)core->aligned_alloc(instance, thread, alignment, bytes) + alignment / 2;
}
static void *malloc_outside(void *instance, uint32_t thread, size_t bytes) {
    static _Alignas(16) char outside[4096];
    (void)instance, (void)thread, (void)bytes;
    return outside;
}
static size_t usable_short(void *instance, uint32_t thread, void *block) {
    return core->usable_size(instance, thread, block) / 2;
}
static size_t usable_endless(void *instance, uint32_t thread, void *block) {
    (void)instance, (void)thread, (void)block;
    return SIZE_MAX / 2;
}
static size_t usable_unsteady(void *instance, uint32_t thread, void *block) {
    return core->usable_size(instance, thread, block) - broken.calls++ % 2;
}
static void *malloc_noted(void *instance, uint32_t thread, size_t bytes) {
    char *block = core->malloc(instance, thread, bytes);
    if (broken.last == NULL) broken.last = block;
    return block;
}
static void trim_scribbles(void *instance, uint32_t thread) {
    (void)instance, (void)thread;
    broken.last[40] ^= 1;
}
static void *realloc_loses(void *instance, uint32_t thread, void *block, size_t bytes) {
    char *resized = core->realloc(instance, thread, block, bytes);
    if (block != NULL) resized[47] ^= 0x10;
    return resized;
}
static void *realloc_fails_late(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)instance, (void)thread, (void)bytes;
    ((char *)block)[20] ^= 1;
    errno = ENOMEM;
    return NULL;
}
static void *realloc_frees_on_failure(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)bytes;
    core->free(instance, thread, block);
    errno = ENOMEM;
    return NULL;
}
static void *realloc_silent(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)instance, (void)thread, (void)block, (void)bytes;
    return NULL;
}
static void *calloc_dirty(void *instance, uint32_t thread, size_t count, size_t bytes) {
    char *block = core->calloc(instance, thread, count, bytes);
    if (block != NULL) block[count * bytes - 1] = 7;
    return block;
}
static void *calloc_wraps(void *instance, uint32_t thread, size_t count, size_t bytes) {
    return core->malloc(instance, thread, count * bytes);
}
static void *malloc_never_fails(void *instance, uint32_t thread, size_t bytes) {
    return core->malloc(instance, thread, bytes > 65536 ? 16 : bytes);
}
static void *aligned_never_fails(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    (void)alignment;
    return core->aligned_alloc(instance, thread, 4096, bytes);
}
static void *malloc_without_errno(void *instance, uint32_t thread, size_t bytes) {
    int error = errno;
    void *block = core->malloc(instance, thread, bytes);
    errno = error;
    return block;
}
static void *aligned_enomem(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    void *block = core->aligned_alloc(instance, thread, alignment, bytes);
    if (block == NULL) errno = ENOMEM;
    return block;
}
static void free_sets_errno(void *instance, uint32_t thread, void *block) {
    core->free(instance, thread, block);
    errno = EINVAL;
}
static void *malloc_zero_null(void *instance, uint32_t thread, size_t bytes) {
    return bytes == 0 ? NULL : core->malloc(instance, thread, bytes);
}
static void *malloc_null(void *instance, uint32_t thread, size_t bytes) {
    if (bytes != 64) return core->malloc(instance, thread, bytes);
    errno = ENOMEM;
    return NULL;
}
static void destroy_leaves(void *instance) {
    size_t *left_mapped = broken.left_mapped;
    core->destroy(instance);
    *left_mapped += 4096;
}
static void trim_frees(void *instance, uint32_t thread) {
    core->free(instance, thread, broken.last);
}
static void *malloc_twice(void *instance, uint32_t thread, size_t bytes) {
    void *block = core->malloc(instance, thread, bytes);
    if (bytes == 64) core->malloc(instance, thread, bytes);
    return block;
}
static void free_forgets(void *instance, uint32_t thread, void *block) {
    (void)instance, (void)thread, (void)block;
}
static void free_silent(void *instance, uint32_t thread, void *block) {
    if (block != broken.last_freed) core->free(instance, thread, block);
    broken.last_freed = block;
}
static void free_wrong_code(void *instance, uint32_t thread, void *block) {
    if (block != broken.last_freed)
        core->free(instance, thread, block);
    else
        report(ASHLAR_MISUSE_FOREIGN, block);
    broken.last_freed = block;
}
static void free_wrong_address(void *instance, uint32_t thread, void *block) {
    if (block != broken.last_freed)
        core->free(instance, thread, block);
    else
        report(ASHLAR_MISUSE_DOUBLE_FREE, (char *)block + 16);
    broken.last_freed = block;
}
static void free_reports_twice(void *instance, uint32_t thread, void *block) {
    core->free(instance, thread, block);
    if (block == broken.last_freed) report(ASHLAR_MISUSE_DOUBLE_FREE, block);
    broken.last_freed = block;
}
static void free_reports_all(void *instance, uint32_t thread, void *block) {
    core->free(instance, thread, block);
    report(ASHLAR_MISUSE_INTERIOR, block);
}
static void free_sized_trusts(void *instance, uint32_t thread, void *block, size_t alignment,
                              size_t bytes) {
    (void)alignment, (void)bytes;
    core->free(instance, thread, block);
}
static bool flip_nothing(void *instance, uint64_t bit) {
    (void)instance, (void)bit;
    return true;
}
static void trim_flips(void *instance, uint32_t thread) {
    (void)thread;
    core->flip(instance, 0);
}
static void collect_flips_page(void *instance, uint32_t thread) {
    (void)thread;
    core->flip(instance, 1); /* the reciprocal of the slab in page 0 */
}

/* Operations of a case, on one trace over 1 MiB. */
struct step {
    enum ashlar_op_kind kind;
    uint32_t slot;
    uint64_t size, arg;
};
#define STEPS_MAX 8

struct broken_case {
    const char *name;
    struct step steps[STEPS_MAX];
    size_t count;
    struct ashlar_target change; /* members that are not NULL replace the core's */
    uint32_t add_flags;
    enum ashlar_finding_code code;
    enum ashlar_layer layer;
    size_t op_index;
    enum ashlar_oracle_tier least; /* the lowest tier that promises to see it */
};

#define M(slot, size)                                                                              \
    { ASHLAR_OP_MALLOC, slot, size, 0 }
#define C(slot, count, size)                                                                       \
    { ASHLAR_OP_CALLOC, slot, size, count }
#define R(slot, size)                                                                              \
    { ASHLAR_OP_REALLOC, slot, size, 0 }
#define A(slot, alignment, size)                                                                   \
    { ASHLAR_OP_ALIGNED, slot, size, alignment }
#define F(slot)                                                                                    \
    { ASHLAR_OP_FREE, slot, 0, 0 }
#define OP(kind, slot)                                                                             \
    { ASHLAR_OP_##kind, slot, 0, 0 }
#define CASE(name_, ...)                                                                           \
    .name = name_, .steps = {__VA_ARGS__},                                                         \
    .count = sizeof((struct step[]){__VA_ARGS__}) / sizeof(struct step)
#define FOUND(symbol, index)                                                                       \
    .code = ASHLAR_##symbol, .layer = ASHLAR_LAYER_ORACLE, .op_index = (index)

/* clang-format off */
static const struct broken_case cases[] = {
    {CASE("overlap", M(0, 64), M(1, 64)),
     .change = {.malloc = malloc_overlapping, .usable_size = usable_as_asked},
     FOUND(ORACLE_OVERLAP, 1)},
    {CASE("misaligned", M(0, 64)),
     .change = {.malloc = malloc_misaligned, .usable_size = usable_as_asked},
     FOUND(ORACLE_ALIGN, 0)},
    {CASE("misaligned by half", A(0, 4096, 64)),
     .change = {.aligned_alloc = aligned_to_half, .usable_size = usable_as_asked},
     FOUND(ORACLE_ALIGN, 0)},
    {CASE("outside", M(0, 64)), .change = {.malloc = malloc_outside}, FOUND(ORACLE_BOUNDS, 0)},
    {CASE("endless", M(0, 64)), .change = {.usable_size = usable_endless}, FOUND(ORACLE_BOUNDS, 0)},
    {CASE("short", M(0, 64)), .change = {.usable_size = usable_short}, FOUND(ORACLE_USABLE, 0)},
    {CASE("unsteady", M(0, 60), OP(USABLE, 0)), .change = {.usable_size = usable_unsteady},
     FOUND(ORACLE_USABLE, 1)},
    {CASE("content lost, seen by the free", M(0, 64), OP(TRIM, 0), F(0)),
     .change = {.malloc = malloc_noted, .trim = trim_scribbles},
     FOUND(ORACLE_CONTENT, 1), .least = ASHLAR_ORACLE_SAMPLED},
    {CASE("content lost, large", M(0, 300000), OP(TRIM, 0)),
     .change = {.malloc = malloc_noted, .trim = trim_scribbles},
     FOUND(ORACLE_CONTENT, 1), .least = ASHLAR_ORACLE_SAMPLED},
    {CASE("realloc loses", M(0, 64), R(0, 5000)), .change = {.realloc = realloc_loses},
     FOUND(ORACLE_REALLOC, 1)},
    {CASE("realloc loses at the end of what was asked", M(0, 48), R(0, 50)),
     .change = {.realloc = realloc_loses}, FOUND(ORACLE_REALLOC, 1)},
    {CASE("realloc fails late", M(0, 64), R(0, 5000)), .change = {.realloc = realloc_fails_late},
     FOUND(ORACLE_REALLOC_FAILED, 1)},
    {CASE("realloc reports no errno", M(0, 64), R(0, 5000)), .change = {.realloc = realloc_silent},
     FOUND(ORACLE_ERRNO, 1)},
    {CASE("calloc dirty", C(0, 3, 33)), .change = {.calloc = calloc_dirty}, FOUND(ORACLE_DIRTY, 0)},
    {CASE("calloc dirty, large", C(0, 3, 100001)), .change = {.calloc = calloc_dirty},
     FOUND(ORACLE_DIRTY, 0)},
    {CASE("calloc wraps", C(0, UINT64_C(1) << 62, 4)), .change = {.calloc = calloc_wraps},
     FOUND(ORACLE_ABSURD, 0)},
    {CASE("absurd size", M(0, SIZE_MAX)), .change = {.malloc = malloc_never_fails},
     FOUND(ORACLE_ABSURD, 0)},
    {CASE("bad alignment", A(0, 24, 64)), .change = {.aligned_alloc = aligned_never_fails},
     FOUND(ORACLE_ABSURD, 0)},
    {CASE("absurd alignment", A(0, UINT64_C(1) << 31, 64)),
     .change = {.aligned_alloc = aligned_never_fails}, FOUND(ORACLE_ABSURD, 0)},
    {CASE("no errno", M(0, SIZE_MAX)), .change = {.malloc = malloc_without_errno},
     FOUND(ORACLE_ERRNO, 0)},
    {CASE("wrong errno", A(0, 24, 64)), .change = {.aligned_alloc = aligned_enomem},
     FOUND(ORACLE_ERRNO, 0)},
    {CASE("free sets errno", M(0, 64), F(0)), .change = {.free = free_sets_errno},
     FOUND(ORACLE_ERRNO, 1)},
    {CASE("size 0 gives NULL", M(0, 0)), .change = {.malloc = malloc_zero_null},
     FOUND(ORACLE_ZERO_SIZE, 0)},
    {CASE("NULL without reason", M(0, 16), M(1, 64)), .change = {.malloc = malloc_null},
     FOUND(ORACLE_NULL, 1)},
    {CASE("left mapped", M(0, 64), F(0)), .change = {.destroy = destroy_leaves},
     FOUND(ORACLE_LEFT_MAPPED, 1)},
    {CASE("vanished", M(0, 64), M(1, 16), OP(TRIM, 0)),
     .change = {.malloc = malloc_noted, .trim = trim_frees}, FOUND(ORACLE_VANISHED, 2)},
    {CASE("phantom", M(0, 16), M(1, 64)), .change = {.malloc = malloc_twice},
     FOUND(ORACLE_PHANTOM, 1)},
    {CASE("free forgets", M(0, 64), F(0)), .change = {.free = free_forgets},
     FOUND(ORACLE_PHANTOM, 1)},
    {CASE("misuse missed", M(0, 64), F(0), OP(DOUBLE_FREE, 0)), .change = {.free = free_silent},
     FOUND(ORACLE_MISUSE_MISSED, 2)},
    {CASE("interior missed", M(0, 64), {ASHLAR_OP_FREE_INSIDE, 0, 0, 16}),
     .change = {.free = free_forgets}, FOUND(ORACLE_MISUSE_MISSED, 1)},
    {CASE("foreign missed", {ASHLAR_OP_FREE_FOREIGN, 0, 0, 1}),
     .change = {.free = free_forgets}, FOUND(ORACLE_MISUSE_MISSED, 0)},
    {CASE("wrong size missed", M(0, 64), {ASHLAR_OP_FREE_WRONG_SIZE, 0, 640, 0}),
     .change = {.free_sized = free_sized_trusts}, FOUND(ORACLE_MISUSE_MISSED, 1)},
    {CASE("misuse with a wrong code", M(0, 64), F(0), OP(DOUBLE_FREE, 0)),
     .change = {.free = free_wrong_code}, .code = ASHLAR_ORACLE_MISUSE_WRONG,
     .layer = ASHLAR_LAYER_MISUSE, .op_index = 2},
    {CASE("misuse with a wrong address", M(0, 64), F(0), OP(DOUBLE_FREE, 0)),
     .change = {.free = free_wrong_address}, .code = ASHLAR_ORACLE_MISUSE_WRONG,
     .layer = ASHLAR_LAYER_MISUSE, .op_index = 2},
    {CASE("misuse reported twice", M(0, 64), F(0), OP(DOUBLE_FREE, 0)),
     .change = {.free = free_reports_twice}, FOUND(ORACLE_MISUSE_TWICE, 2)},
    {CASE("legal free reported", M(0, 64), F(0)), .change = {.free = free_reports_all},
     .code = ASHLAR_MISUSE_INTERIOR, .layer = ASHLAR_LAYER_MISUSE, .op_index = 1},
    {CASE("flip not seen", M(0, 64), {ASHLAR_OP_FLIP, 0, 0, 8}), .change = {.flip = flip_nothing},
     FOUND(ORACLE_FLIP, 1)},
    {CASE("corrupt heap", M(0, 64), OP(TRIM, 0), M(1, 64)), .change = {.trim = trim_flips},
     .code = ASHLAR_FINDING_NONE, .layer = ASHLAR_LAYER_CHECKER, .op_index = 2},
};
/* clang-format on */

#define REPLACE(member)                                                                            \
    if (change->member != NULL) target->member = change->member

static void make_target(struct ashlar_target *target, const struct ashlar_target *change,
                        uint32_t flags) {
    *target = *core;
    target->create = create;
    target->flags |= flags;
    REPLACE(destroy);
    REPLACE(malloc);
    REPLACE(calloc);
    REPLACE(realloc);
    REPLACE(aligned_alloc);
    REPLACE(free);
    REPLACE(free_sized);
    REPLACE(usable_size);
    REPLACE(trim);
    REPLACE(collect);
    REPLACE(flip);
}

static void make_trace(struct ashlar_trace *trace, const struct step *steps, size_t count) {
    trace_begin(trace, 1024);
    for (size_t i = 0; i < count; i++)
        trace_add(trace, steps[i].kind, steps[i].slot, steps[i].size, steps[i].arg);
}

static void each_check_finds_its_breakage(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct broken_case *row = &cases[i];
        struct ashlar_target target;
        struct ashlar_trace trace;
        make_trace(&trace, row->steps, row->count);
        make_target(&target, &row->change, row->add_flags);
        for (int tier = (int)row->least; tier <= ASHLAR_ORACLE_FULL; tier++) {
            struct ashlar_replay_options options = {.target = &target,
                                                    .oracle = (enum ashlar_oracle_tier)tier};
            struct ashlar_replay_result result;
            ashlar_replay(&trace, &options, &result);
            bool right = result.found && result.finding.layer == row->layer &&
                         result.finding.op_index == row->op_index &&
                         (row->code == ASHLAR_FINDING_NONE || result.finding.code == row->code);
            if (!right) {
                print_finding(&trace, &result);
                fail_msg("case '%s', tier %d", row->name, tier);
            }
            assert_true(result.finding.text[0] != '\0');
            options.target = core;
            ashlar_replay(&trace, &options, &result);
            if (result.found) print_finding(&trace, &result);
            assert_false(result.found);
        }
        ashlar_trace_free(&trace);
    }
}

/* Every row of the oracle's family has a case here, or says why not. */
static void no_check_is_untested(void **state) {
    (void)state;
    size_t count;
    const struct ashlar_finding_info *rows = ashlar_findings(&count);
    for (size_t i = 0; i < count; i++) {
        bool elsewhere = rows[i].number == ASHLAR_ORACLE_CRASH; /* made by what runs a replay */
        /* of interleaving threads: test_replay_threads.c */
        elsewhere |= rows[i].number == ASHLAR_ORACLE_DEADLOCK;
        elsewhere |= rows[i].number == ASHLAR_ORACLE_STRANDED;
        bool tested = rows[i].family != ASHLAR_FAMILY_ORACLE || elsewhere;
        for (size_t j = 0; j < COUNT_OF(cases); j++) tested |= cases[j].code == rows[i].number;
        if (!tested) fail_msg("%s has no case", rows[i].code);
    }
}

/* A failed realloc that freed the block: the usable size is asked of a free block. */
static void realloc_that_frees_on_failure(void **state) {
    (void)state;
    struct ashlar_target target;
    const struct ashlar_target change = {.realloc = realloc_frees_on_failure};
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    make_target(&target, &change, 0);
    make_trace(&trace, (struct step[]){M(0, 64), R(0, 5000)}, 2);
    const struct ashlar_replay_options options = {.target = &target};
    ashlar_replay(&trace, &options, &result);
    assert_true(result.found);
    assert_int_equal(result.finding.op_index, 1);
    assert_int_equal(result.finding.layer, ASHLAR_LAYER_MISUSE);
    ashlar_trace_free(&trace);
}

static void size_0_that_must_be_null(void **state) {
    (void)state;
    struct ashlar_target target;
    const struct ashlar_target change = {0}, honest = {.malloc = malloc_zero_null};
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    make_trace(&trace, (struct step[]){M(0, 0), M(0, 1)}, 2);
    const struct ashlar_replay_options options = {.target = &target};
    make_target(&target, &change, ASHLAR_TARGET_ZERO_IS_NULL);
    ashlar_replay(&trace, &options, &result);
    assert_true(result.found);
    assert_int_equal(result.finding.code, ASHLAR_ORACLE_ZERO_SIZE);
    make_target(&target, &honest, ASHLAR_TARGET_ZERO_IS_NULL);
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.live_blocks, 1);
    ashlar_trace_free(&trace);
}

/* The O(1) check after each operation names the operation that broke the heap. */
static void touched_check_names_the_operation(void **state) {
    (void)state;
    struct ashlar_target target;
    const struct ashlar_target change = {.collect = collect_flips_page};
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    make_target(&target, &change, 0);
    make_trace(&trace,
               (struct step[]){M(0, 64), M(1, 64), OP(COLLECT, 0), OP(USABLE, 1), M(2, 640)}, 5);
    const struct ashlar_replay_options options = {.target = &target, .touched_check = true};
    ashlar_replay(&trace, &options, &result);
    assert_true(result.found);
    assert_int_equal(result.finding.layer, ASHLAR_LAYER_CHECKER);
    assert_int_equal(result.finding.op_index, 3);
    assert_int_not_equal(result.finding.check.code, ASHLAR_FINDING_NONE);
    struct ashlar_replay_finding first;
    assert_true(ashlar_bisect(&trace, &options, &first));
    assert_int_equal(first.op_index, 2);
    assert_int_equal(first.layer, ASHLAR_LAYER_CHECKER);
    ashlar_trace_free(&trace);
}

/* With report_illegal, a promised report is the finding; without, it is counted. */
static void illegal_operations_as_findings(void **state) {
    (void)state;
    static const struct {
        struct step step;
        enum ashlar_finding_code code;
    } rows[] = {
        {OP(DOUBLE_FREE, 0), ASHLAR_MISUSE_DOUBLE_FREE},
        {{ASHLAR_OP_FREE_INSIDE, 1, 0, 16}, ASHLAR_MISUSE_INTERIOR},
        {{ASHLAR_OP_FREE_INSIDE, 1, 0, 1}, ASHLAR_MISUSE_INTERIOR},
        {{ASHLAR_OP_FREE_INSIDE, 2, 0, 65536}, ASHLAR_MISUSE_INTERIOR},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 0}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 1}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 2}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 3}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 4}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 5}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_FOREIGN, 0, 0, 6}, ASHLAR_MISUSE_FOREIGN},
        {{ASHLAR_OP_FREE_WRONG_SIZE, 1, 65, 0}, ASHLAR_MISUSE_SIZE},
        {{ASHLAR_OP_FREE_WRONG_SIZE, 2, 100, 0}, ASHLAR_MISUSE_SIZE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ashlar_trace trace;
        struct ashlar_replay_result result;
        struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL,
                                                .report_illegal = true};
        make_trace(&trace, (struct step[]){M(0, 64), M(1, 64), M(2, 200000), F(0), rows[i].step},
                   5);
        ashlar_replay(&trace, &options, &result);
        assert_true(result.found);
        assert_int_equal(result.finding.code, rows[i].code);
        assert_int_equal(result.finding.layer, ASHLAR_LAYER_MISUSE);
        assert_int_equal(result.finding.op_index, 4);
        assert_int_equal(result.finding.misuse.code, rows[i].code);
        options.report_illegal = false;
        ashlar_replay(&trace, &options, &result);
        assert_false(result.found);
        assert_int_equal(result.misuses_expected, 1);
        ashlar_trace_free(&trace);
    }
}

static void flip_as_finding(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    const struct ashlar_replay_options options = {.report_illegal = true};
    make_trace(&trace, (struct step[]){M(0, 64), {ASHLAR_OP_FLIP, 0, 0, 64}, F(0)}, 3);
    ashlar_replay(&trace, &options, &result);
    assert_true(result.found);
    assert_int_equal(result.finding.layer, ASHLAR_LAYER_CHECKER);
    assert_int_equal(result.finding.op_index, 1);
    assert_int_equal(result.check.verdict, ASHLAR_CORRUPT);
    ashlar_trace_free(&trace);
}

/* What means nothing in the slot's state, or for the target, is skipped and counted. */
static void operations_without_meaning_are_skipped(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL};
    make_trace(&trace,
               (struct step[]){F(0), OP(USABLE, 0), OP(FILL, 0), OP(DOUBLE_FREE, 0), M(0, 8),
                               M(0, 16), OP(DOUBLE_FREE, 0), C(0, 1, 1)},
               8);
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.ops_run, 1);
    assert_int_equal(result.ops_skipped, 7);
    ashlar_trace_free(&trace);
    make_trace(&trace,
               (struct step[]){M(0, 8),
                               F(0),
                               OP(DOUBLE_FREE, 0),
                               OP(RESET, 0),
                               OP(COLLECT, 0),
                               {ASHLAR_OP_FLIP, 0, 0, 1},
                               {ASHLAR_OP_WRITE_STALE, 0, 1, 0},
                               OP(CHECK, 0)},
               8);
    options.target = &ashlar_target_libc;
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.ops_run, 2);
    assert_int_equal(result.ops_skipped, 6);
    assert_false(result.checked);
    ashlar_trace_free(&trace);
}

/* Stray writes are done where nothing is promised but nothing else lives either. */
static void stray_writes(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_FULL, .touched_check = true, .verify_every = 1};
    make_trace(&trace,
               (struct step[]){M(0, 60),
                               M(1, 60),
                               {ASHLAR_OP_WRITE_PAST, 0, 4, 0},
                               {ASHLAR_OP_WRITE_PAST, 0, 5, 0},
                               F(1),
                               {ASHLAR_OP_WRITE_STALE, 1, 64, 0},
                               C(1, 1, 60),
                               F(0)},
               8);
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.ops_skipped, 1); /* the one that would reach the neighbour */
    ashlar_trace_free(&trace);
}

static void until_and_errno(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    struct ashlar_replay_options options = {.until = 2};
    make_trace(&trace, (struct step[]){M(0, 60), M(1, SIZE_MAX), M(2, 60), F(0)}, 4);
    errno = 77;
    ashlar_replay(&trace, &options, &result);
    assert_int_equal(errno, 77);
    assert_int_equal(result.ops_run, 2);
    assert_int_equal(result.live_blocks, 1);
    assert_int_equal(result.live_bytes, 60);
    options.until = 0;
    ashlar_replay(&trace, &options, &result);
    assert_int_equal(result.ops_run, 4);
    assert_int_equal(result.peak_bytes, 120);
    ashlar_trace_free(&trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_finds_its_breakage),
        cmocka_unit_test(no_check_is_untested),
        cmocka_unit_test(realloc_that_frees_on_failure),
        cmocka_unit_test(size_0_that_must_be_null),
        cmocka_unit_test(touched_check_names_the_operation),
        cmocka_unit_test(illegal_operations_as_findings),
        cmocka_unit_test(flip_as_finding),
        cmocka_unit_test(operations_without_meaning_are_skipped),
        cmocka_unit_test(stray_writes),
        cmocka_unit_test(until_and_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
