/* Findings as people and programs read them.
 *
 * 1. A finding names, in this order: what (code, place, the violated invariant), the operation and
 *    the earlier ones that it goes back to, the block, expected and found, the neighbours. Every
 *    line but the first is left out when there is nothing to say.
 * 2. Places are distances from the region's or the metadata's base, so that the same trace gives
 * the same bytes; --addresses asks for real ones.
 * 3. The heap is shown as the metadata says it is, which after a corruption may be wrong. That is
 *    the point of showing it.
 */
#include "report.h"

#include "isolate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ash_report_begin(const char *command, const struct ash_source *source, const char *target) {
    ash_json_begin(command, json_pack("{s:s, s:s}", "target", target, "addresses",
                                      source->addresses ? "real" : "relative"));
}

static bool is_free(const struct ashlar_op *op) {
    return op->kind == ASHLAR_OP_FREE || op->kind == ASHLAR_OP_FREE_SIZED;
}

/* Plays the states of one slot. An allocation that fails leaves it as it was, and sizes that cannot
 * be had are known; that one failed for lack of memory is not known here. */
struct ash_history ash_history_of(const struct ashlar_trace *trace, uint32_t slot, size_t index) {
    struct ash_history history = {SIZE_MAX, SIZE_MAX};
    bool live = false;
    for (size_t i = 0; i < index && i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        if (op->kind == ASHLAR_OP_RESET && live) {
            live = false;
            history.freed = i;
        }
        if (op->slot != slot || op->size > PTRDIFF_MAX) continue;
        bool allocates = op->kind == ASHLAR_OP_MALLOC || op->kind == ASHLAR_OP_CALLOC ||
                         op->kind == ASHLAR_OP_ALIGNED || op->kind == ASHLAR_OP_REALLOC;
        bool frees = is_free(op) || (op->kind == ASHLAR_OP_REALLOC && op->size == 0);
        if (live && frees) {
            live = false;
            history.freed = i;
        } else if (allocates && (!live || op->kind == ASHLAR_OP_REALLOC)) {
            live = true;
            history = (struct ash_history){i, SIZE_MAX};
        }
    }
    return history;
}

const char *ash_finding_verdict(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    if (info == NULL) return "corrupt";
    if (info->family == ASHLAR_FAMILY_MISUSE) return "misuse";
    return info->family == ASHLAR_FAMILY_ORACLE ? "broken-promise" : "corrupt";
}

static const char *code_text(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    return info != NULL ? info->code : "ASH-UNKNOWN";
}

static const char *summary_text(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    return info != NULL ? info->summary : "a finding that this build does not know";
}

/* "class 48, requested 29, live" */
static void print_state(const struct ash_session *session, const struct ash_view_block *block) {
    const struct ash_placed *slot = ash_session_slot(session, block->address);
    if (block->span) {
        printf("span of %s", ash_plural(block->bytes >> ASH_PAGE_SHIFT, "page").text);
    } else {
        printf("class %" PRIu64, block->bytes);
    }
    if (slot != NULL) printf(", requested %" PRIu64, slot->requested);
    printf(", %s", ash_state_text(block->state));
}

static void print_slot(const struct ash_session *session, uint64_t address) {
    const struct ash_placed *slot = ash_session_slot(session, address);
    if (slot != NULL) printf(", slot %" PRIu32 "%s", slot->slot, slot->live ? "" : " (stale)");
}

void ash_print_block(const struct ash_session *session, const struct ash_view_block *block) {
    printf("%s  ", ash_address_text(session, block->address).text);
    print_state(session, block);
    if (block->span) {
        printf(", page %" PRIu64, block->page);
    } else {
        printf(", slab %" PRIu64 " (thread heap %" PRIu32 ")", block->page, block->owner);
    }
    print_slot(session, block->address);
    putchar('\n');
}

static void print_neighbour(const struct ash_session *session, const char *where,
                            const struct ash_view_block *block) {
    const struct ash_placed *slot = ash_session_slot(session, block->address);
    printf("%s%s  %s", where, ash_address_text(session, block->address).text,
           ash_state_text(block->state));
    if (slot != NULL && slot->live) {
        printf(", requested %" PRIu64 " (slot %" PRIu32 ")", slot->requested, slot->slot);
    }
}

void ash_print_neighbours(const struct ash_session *session, const struct ash_view_block *block) {
    struct ash_view_block other;
    bool before = ash_view_block_before(&session->view, block, &other);
    if (before) print_neighbour(session, "  before    ", &other);
    bool after = ash_view_block_after(&session->view, block, &other);
    if (after) print_neighbour(session, before ? "      after  " : "  after     ", &other);
    if (before || after) putchar('\n');
}

json_t *ash_json_address(const struct ash_session *session, uint64_t address, json_t *object) {
    uint64_t offset;
    enum ash_space space = ash_address_space(session, address, &offset);
    if (address == 0) return object;
    if (session->source->addresses) {
        object = ash_json_with(object, "address", ash_json_hex(address));
    } else if (space != ASH_SPACE_NONE) {
        object = ash_json_with(object, "address", ash_json_hex(offset));
    }
    static const char *const names[] = {"other", "region", "metadata"};
    return ash_json_with(object, "space", json_string(names[space]));
}

json_t *ash_json_block(const struct ash_session *session, const struct ash_view_block *block) {
    json_t *object = json_object();
    object = ash_json_address(session, block->address, object);
    object = ash_json_with(object, "kind", json_string(block->span ? "span" : "block"));
    object = ash_json_with(object, block->span ? "bytes" : "class",
                           json_integer((json_int_t)block->bytes));
    object = ash_json_with(object, "state", json_string(ash_state_text(block->state)));
    object =
        ash_json_with(object, block->span ? "page" : "slab", json_integer((json_int_t)block->page));
    if (!block->span) {
        object = ash_json_with(object, "index", json_integer(block->index));
        object = ash_json_with(object, "owner", json_integer(block->owner));
    }
    const struct ash_placed *slot = ash_session_slot(session, block->address);
    if (slot == NULL) return object;
    object = ash_json_with(object, "slot", json_integer(slot->slot));
    object = ash_json_with(object, "slot_live", json_boolean(slot->live));
    return ash_json_with(object, "requested", json_integer((json_int_t)slot->requested));
}

json_t *ash_json_neighbours(const struct ash_session *session, const struct ash_view_block *block,
                            json_t *object) {
    struct ash_view_block other;
    if (ash_view_block_before(&session->view, block, &other)) {
        object = ash_json_with(object, "before", ash_json_block(session, &other));
    }
    if (ash_view_block_after(&session->view, block, &other)) {
        object = ash_json_with(object, "after", ash_json_block(session, &other));
    }
    return object;
}

static bool uses_slot(const struct ashlar_op *op) {
    switch (op->kind) {
    case ASHLAR_OP_TRIM:
    case ASHLAR_OP_COLLECT:
    case ASHLAR_OP_THREAD_EXIT:
    case ASHLAR_OP_CHECK:
    case ASHLAR_OP_CLOCK:
    case ASHLAR_OP_FAULT:
    case ASHLAR_OP_RESET:
    case ASHLAR_OP_FREE_FOREIGN:
    case ASHLAR_OP_FLIP:
    case ASHLAR_OP_STEP:
        return false;
    default:
        return op->kind < ASHLAR_OP_COUNT;
    }
}

/* The block that a replay's finding is about: what its address lies in, else what the operation's
 * slot has. */
static bool finding_block(const struct ash_session *session, struct ash_view_block *out) {
    const struct ashlar_replay_finding *finding = &session->result.finding;
    if (!session->viewed) return false;
    if (ash_view_block_of(&session->view, finding->address, out)) return true;
    if (finding->layer == ASHLAR_LAYER_CHECKER || finding->op_index >= session->trace->count) {
        return false;
    }
    const struct ashlar_op *op = &session->trace->ops[finding->op_index];
    bool live;
    uint64_t requested;
    if (!uses_slot(op) || op->slot >= session->trace->slots) return false;
    uint64_t address = ashlar_replay_slot_address(&session->result, op->slot, &live, &requested);
    return address != 0 && ash_view_block_of(&session->view, address, out);
}

/* The two halves of "expected ..., found ...". */
static void split(const struct ashlar_replay_finding *finding, struct ash_phrase *expected,
                  struct ash_phrase *found) {
    const char *text = finding->text;
    const char *middle = strstr(text, ", found ");
    expected->text[0] = found->text[0] = '\0';
    if (strncmp(text, "expected ", 9) != 0 || middle == NULL) {
        snprintf(found->text, sizeof found->text, "%s", text);
        return;
    }
    snprintf(expected->text, sizeof expected->text, "%.*s", (int)(middle - text - 9), text + 9);
    snprintf(found->text, sizeof found->text, "%s", middle + 8);
}

/* A misuse report of a legal kind: what free was handed, in words. */
static void misuse_words(const struct ashlar_replay_finding *finding, struct ash_phrase *expected,
                         struct ash_phrase *found) {
    const struct ashlar_misuse *misuse = &finding->misuse;
    snprintf(expected->text, sizeof expected->text, "the start of a live block");
    switch (finding->code) {
    case ASHLAR_MISUSE_DOUBLE_FREE:
        snprintf(found->text, sizeof found->text, "a block that is free");
        break;
    case ASHLAR_MISUSE_INTERIOR:
        if (misuse->block != 0 && misuse->address > misuse->block) {
            snprintf(found->text, sizeof found->text, "%.40s into a block",
                     ash_plural(misuse->address - misuse->block, "byte").text);
        } else {
            snprintf(found->text, sizeof found->text, "no start of a block");
        }
        break;
    case ASHLAR_MISUSE_FOREIGN:
        snprintf(found->text, sizeof found->text, "an address outside every block");
        break;
    case ASHLAR_MISUSE_SIZE:
        snprintf(expected->text, sizeof expected->text, "a size of class %zu", misuse->block_bytes);
        snprintf(found->text, sizeof found->text, "%s",
                 ash_plural(misuse->claimed_bytes, "byte").text);
        break;
    default:
        break;
    }
}

static void words(const struct ashlar_replay_finding *finding, struct ash_phrase *expected,
                  struct ash_phrase *found) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    split(finding, expected, found);
    if (finding->layer == ASHLAR_LAYER_MISUSE && info != NULL &&
        info->family == ASHLAR_FAMILY_MISUSE) {
        misuse_words(finding, expected, found);
    }
}

static void print_expected(const char *expected, const char *found) {
    if (expected[0] != '\0' && found[0] != '\0') {
        printf("  expected  %s       found  %s\n", expected, found);
    } else if (found[0] != '\0') {
        printf("  found     %s\n", found);
    }
}

static void print_history(const struct ashlar_trace *trace, size_t index) {
    if (index >= trace->count || !uses_slot(&trace->ops[index])) return;
    struct ash_history history = ash_history_of(trace, trace->ops[index].slot, index);
    if (history.allocated != SIZE_MAX) {
        printf("  allocated by operation %zu: %s\n", history.allocated,
               ash_op_line(trace, history.allocated).text);
    }
    if (history.freed != SIZE_MAX) {
        printf("  first freed by operation %zu: %s\n", history.freed,
               ash_op_line(trace, history.freed).text);
    }
}

static json_t *json_op(const struct ashlar_trace *trace, size_t index) {
    json_t *op =
        json_pack("{s:I, s:s}", "index", (json_int_t)index, "text", ash_op_line(trace, index).text);
    if (index >= trace->count) return op;
    op = ash_json_with(op, "thread", json_integer(trace->ops[index].thread));
    if (!uses_slot(&trace->ops[index])) return op;
    return ash_json_with(op, "slot", json_integer(trace->ops[index].slot));
}

static json_t *json_operations(const struct ashlar_trace *trace, size_t index, json_t *object) {
    object = ash_json_with(object, "operation", json_op(trace, index));
    if (index >= trace->count || !uses_slot(&trace->ops[index])) return object;
    struct ash_history history = ash_history_of(trace, trace->ops[index].slot, index);
    if (history.allocated != SIZE_MAX) {
        object = ash_json_with(object, "allocated_by", json_op(trace, history.allocated));
    }
    if (history.freed != SIZE_MAX) {
        object = ash_json_with(object, "first_freed_by", json_op(trace, history.freed));
    }
    return object;
}

static json_t *json_finding(enum ashlar_finding_code code, const char *path) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    json_t *object = json_pack("{s:s, s:s, s:i}", "type", "finding", "code", code_text(code),
                               "number", (int)code);
    if (info != NULL) {
        object = ash_json_with(object, "family", json_string(ashlar_family_name(info->family)));
    }
    object = ash_json_with(object, "summary", json_string(summary_text(code)));
    return ash_json_with(object, "trace", json_string(path));
}

static void json_replay(const struct ash_session *session, const struct ash_view_block *block) {
    const struct ashlar_replay_finding *finding = &session->result.finding;
    struct ash_phrase expected, found;
    words(finding, &expected, &found);
    json_t *object = json_finding(finding->code, session->path);
    object = ash_json_address(session, finding->address, object);
    object = json_operations(session->trace, finding->op_index, object);
    if (expected.text[0] != '\0') {
        object = ash_json_with(object, "expected", json_string(expected.text));
    }
    if (found.text[0] != '\0') object = ash_json_with(object, "found", json_string(found.text));
    if (block != NULL) {
        object = ash_json_with(object, "block", ash_json_block(session, block));
        object = ash_json_neighbours(session, block, object);
    }
    ash_json_line(object);
}

static void print_heading(const struct ash_session *session, enum ashlar_finding_code code,
                          uint64_t address) {
    printf("%s", code_text(code));
    bool sayable = session->viewed || session->source->addresses;
    if (address != 0 && sayable) printf(" at %s", ash_address_text(session, address).text);
    printf(": %s\n", summary_text(code));
}

static bool concerns_page(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    if (info == NULL) return false;
    return info->family == ASHLAR_FAMILY_PAGES || info->family == ASHLAR_FAMILY_SLABS ||
           info->family == ASHLAR_FAMILY_SPANS || info->family == ASHLAR_FAMILY_RUNS;
}

/* Where in the metadata a finding of the checker lies. */
static void print_where(const struct ash_session *session, const struct ashlar_finding *finding) {
    struct ash_piece piece;
    uint64_t before;
    bool of_page = concerns_page(finding->code);
    if (of_page && session->viewed &&
        ash_view_piece_of(&session->view, finding->page, &piece, &before)) {
        printf("  page      %" PRIu64 "  ", finding->page);
        if (piece.kind == ASH_PIECE_SLAB) {
            printf("slab %" PRIu64 " of class %" PRIu64 ", %s, thread heap %" PRIu32, piece.page,
                   piece.block_bytes, ash_place_text(piece.place), piece.owner);
        } else if (piece.kind == ASH_PIECE_SPAN) {
            printf("span of %s", ash_plural(piece.pages, "page").text);
        } else if (piece.kind == ASH_PIECE_FREE) {
            printf("free run of %s", ash_plural(piece.pages, "page").text);
        } else {
            printf("no sound descriptor");
        }
        if (finding->index != 0) printf(", index %" PRIu32, finding->index);
        putchar('\n');
    } else if (finding->thread_heap != 0) {
        printf("  thread heap %" PRIu32 "\n", finding->thread_heap);
    }
    if (finding->expected == finding->found) return; /* the code says it all */
    print_expected(ash_value_text(session, finding->expected).text,
                   ash_value_text(session, finding->found).text);
}

void ash_report_check(const struct ash_session *session, const struct ashlar_finding *finding) {
    struct ash_view_block block;
    bool in_block = session->viewed && ash_view_block_of(&session->view, finding->address, &block);
    if (!session->source->json) {
        print_heading(session, finding->code, finding->address);
        print_where(session, finding);
        if (!in_block) return;
        printf("  block     ");
        ash_print_block(session, &block);
        ash_print_neighbours(session, &block);
        return;
    }
    json_t *object = json_finding(finding->code, session->path);
    object = ash_json_address(session, finding->address, object);
    object = ash_json_with(object, "page", json_integer((json_int_t)finding->page));
    object = ash_json_with(object, "index", json_integer(finding->index));
    object = ash_json_with(object, "thread_heap", json_integer(finding->thread_heap));
    object = ash_json_with(object, "expected",
                           json_string(ash_value_text(session, finding->expected).text));
    object =
        ash_json_with(object, "found", json_string(ash_value_text(session, finding->found).text));
    if (in_block) {
        object = ash_json_with(object, "block", ash_json_block(session, &block));
        object = ash_json_neighbours(session, &block, object);
    }
    ash_json_line(object);
}

/* Whether an earlier operation may have done it: the finding is of a walk over the heap. */
static bool seen_late(const struct ashlar_trace *trace,
                      const struct ashlar_replay_finding *finding) {
    size_t index = finding->op_index;
    if (index < trace->count && trace->ops[index].kind == ASHLAR_OP_FLIP) return false;
    switch (finding->code) {
    case ASHLAR_ORACLE_CONTENT:
    case ASHLAR_ORACLE_VANISHED:
    case ASHLAR_ORACLE_PHANTOM:
    case ASHLAR_ORACLE_LEFT_MAPPED:
        return true;
    default:
        return finding->layer == ASHLAR_LAYER_CHECKER;
    }
}

void ash_report_replay(const struct ash_session *session) {
    const struct ashlar_replay_finding *finding = &session->result.finding;
    const struct ashlar_trace *trace = session->trace;
    struct ash_view_block block;
    bool known = finding_block(session, &block);
    if (session->source->json) {
        json_replay(session, known ? &block : NULL);
        return;
    }
    struct ash_phrase expected, found;
    words(finding, &expected, &found);
    print_heading(session, finding->code, finding->address);
    printf("  %s operation %zu: %s\n", seen_late(trace, finding) ? "seen after" : "in",
           finding->op_index, ash_op_line(trace, finding->op_index).text);
    print_history(trace, finding->op_index);
    if (known) {
        printf("  block     ");
        ash_print_block(session, &block);
    }
    if (finding->layer == ASHLAR_LAYER_CHECKER) {
        print_where(session, &finding->check);
    } else {
        print_expected(expected.text, found.text);
    }
    if (known) ash_print_neighbours(session, &block);
}

void ash_report_stop(const struct ash_session *session) {
    const struct ashlar_replay_finding *finding = &session->result.finding;
    fprintf(stderr, "ashlar: %s: the replay stopped in operation %zu (%s): %s, %s\n", session->path,
            finding->op_index, ash_op_line(session->trace, finding->op_index).text,
            code_text(finding->code), summary_text(finding->code));
}

void ash_report_crash(const struct ash_crash *crash, size_t index) {
    const struct ashlar_trace *trace = crash->trace;
    char how[64];
    snprintf(how, sizeof how, "ended by %s", ash_signal_name(crash->signal));
    if (crash->source->json) {
        json_t *object = json_finding(ASHLAR_ORACLE_CRASH, crash->path);
        object = json_operations(trace, index, object);
        object = ash_json_with(object, "expected", json_string("the operation returns"));
        ash_json_line(ash_json_with(object, "found", json_string(how)));
        return;
    }
    printf("%s: %s\n", code_text(ASHLAR_ORACLE_CRASH), summary_text(ASHLAR_ORACLE_CRASH));
    printf("  in operation %zu: %s\n", index, ash_op_line(trace, index).text);
    print_history(trace, index);
    print_expected("the operation returns", how);
    const struct ashlar_target *target = crash->options->target;
    if (target != NULL && target != &ashlar_target_core) return; /* dump replays on the core */
    printf("  the heap just before: ashlar dump --trace %s --until %zu\n", crash->path, index);
}

int ash_find_crash(const struct ash_crash *crash, size_t *operation) {
    struct ash_outcome outcome;
    size_t bad = ash_shortest_bad(crash->trace, crash->trace->count, crash->options, crash->seconds,
                                  false, &outcome);
    *operation = bad > 0 ? bad - 1 : 0;
    if (bad > 0) return 0;
    return ash_fail(ASH_EXIT_TOOL, "%s: a replay ended by %s, and a second one did not",
                    crash->path, ash_signal_name(crash->signal));
}

void ash_report_summary(const struct ash_source *source, const char *verdict, int code,
                        uint64_t findings, const char *detail) {
    if (source->json) {
        ash_json_summary(verdict, code, json_pack("{s:I}", "findings", (json_int_t)findings));
        return;
    }
    printf("SUMMARY: %s: %s", verdict,
           findings == 0 ? "no finding" : ash_plural(findings, "finding").text);
    if (detail != NULL) printf("; %s", detail);
    putchar('\n');
}
