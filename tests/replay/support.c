/* See support.h. A property test that fails prints the smallest trace it can find, as text: that is
 * what goes into corpus/regressions. */
#include "support.h"

#include <stdio.h>

void trace_begin(struct ashlar_trace *trace, uint32_t kib) {
    ashlar_trace_init(trace);
    trace->threads = 1;
    trace->heap = kib != 0 ? ASHLAR_HEAP_IN_MEMORY : ASHLAR_HEAP_RESERVED;
    trace->heap_kib = kib != 0 ? kib : 64;
}

void trace_add_by(struct ashlar_trace *trace, uint8_t thread, enum ashlar_op_kind kind,
                  uint32_t slot, uint64_t size, uint64_t arg) {
    struct ashlar_op op = {
        .kind = (uint8_t)kind, .thread = thread, .slot = slot, .size = size, .arg = arg};
    assert_true(ashlar_trace_append(trace, &op));
}

void trace_add(struct ashlar_trace *trace, enum ashlar_op_kind kind, uint32_t slot, uint64_t size,
               uint64_t arg) {
    trace_add_by(trace, 0, kind, slot, size, arg);
}

void trace_generate(struct ashlar_trace *trace, const struct recipe *recipe, uint64_t seed) {
    struct ashlar_generator generator = {
        .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
        .slots = recipe->slots,
        .threads = recipe->threads,
        .size_limit = recipe->size_limit,
        .illegal = recipe->illegal,
    };
    trace_begin(trace, recipe->kib);
    trace->threads = recipe->threads;
    trace->slots = recipe->slots;
    trace->seed = seed;
    for (size_t i = 0; i < recipe->ops; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        bool sized = op.kind == ASHLAR_OP_MALLOC || op.kind == ASHLAR_OP_REALLOC;
        if (recipe->few[0] != 0 && op.kind == ASHLAR_OP_RESET) continue;
        if (recipe->few[0] != 0 && op.kind == ASHLAR_OP_CALLOC) op.arg = 1;
        if (recipe->few[0] != 0 && (sized || op.kind == ASHLAR_OP_CALLOC))
            op.size = recipe->few[op.size % 2];
        assert_true(ashlar_trace_append(trace, &op));
    }
}

void print_finding(const struct ashlar_trace *trace, const struct ashlar_replay_result *result) {
    const struct ashlar_replay_finding *finding = &result->finding;
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    char op[200] = "the end";
    if (finding->op_index < trace->count)
        ashlar_op_text(&trace->ops[finding->op_index], op, sizeof op);
    fprintf(stderr, "%s at operation %zu (%s), layer %d: %s\n",
            info != NULL ? info->code : "no finding", finding->op_index, op, (int)finding->layer,
            finding->text);
}

struct same {
    const struct ashlar_replay_options *options;
    struct ashlar_trace original;
    struct ashlar_replay_result result;
};

static bool same_finding(void *context, const struct ashlar_trace *candidate) {
    struct same *same = context;
    struct ashlar_replay_result result;
    ashlar_replay(candidate, same->options, &result);
    return result.failure == ASHLAR_OK &&
           ashlar_same_finding(&same->original, &same->result, candidate, &result);
}

void expect_sound(const struct ashlar_trace *trace, const struct ashlar_replay_options *options) {
    struct same same = {.options = options};
    ashlar_replay(trace, options, &same.result);
    if (same.result.failure != ASHLAR_OK)
        fail_msg("the replay could not run: %s", ashlar_status_text(same.result.failure));
    if (!same.result.found) return;
    print_finding(trace, &same.result);
    struct ashlar_trace smallest;
    struct ashlar_replay_result result;
    ashlar_trace_init(&smallest);
    ashlar_trace_init(&same.original);
    assert_true(ashlar_trace_copy(&smallest, trace));
    assert_true(ashlar_trace_copy(&same.original, trace));
    ashlar_minimize(&smallest, same_finding, &same, 5000);
    ashlar_replay(&smallest, options, &result);
    print_finding(&smallest, &result);
    ashlar_trace_write(&smallest, stderr, ASHLAR_FORMAT_TEXT, false, NULL, NULL);
    ashlar_trace_free(&smallest);
    ashlar_trace_free(&same.original);
    fail_msg("a sound target has a finding");
}
