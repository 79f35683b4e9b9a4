/* fuzz_corrupt: the checker against damaged metadata.
 *
 * 1. What. An input is a raw trace; what it leaves in the heap is the ground. Then, many times: one
 *    field of one structure is changed (a bit, a byte, a step, another value), the heap is checked,
 *    and the field is put back. The check must call the heap corrupt, or the change must be one
 *    that the table of fields (corrupt.c) proves to be no damage. (Dirty bits are also tried with
 *    the check of contents, which is what proves them.) It must not crash, hang, change anything,
 *    nor allocate, which it has no means to.
 *
 * 2. Two ways. In place, as a process checks itself; and through a reader that copies and shows the
 *    change where none is, as a snapshot would: with the same verdict. Some bytes of such a reader
 *    cannot be read at all: then a sound heap may be called incomplete, never corrupt, and what was
 *    not read never sound.
 *
 * 3. Which changes follows from the bytes of the input, so that a finding comes again.
 *
 * 4. fuzz_corrupt --cases N [--seed S], without an engine: heaps from generated traces until there
 *    were N changes; prints for each field how many were seen, as a Markdown table. Exit 1 when one
 *    was neither seen nor proved irrelevant.
 */
#include "corrupt.h"
#include "harness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPS_MAX = 1024,
    CASES = 64, /* changes per input */
    REGION_MIB = 64,
    GAPS_MAX = 64,
    VIEWS_FACTOR = 4, /* a damaged heap may take so many times the reads of a sound one */
    VIEWS_MORE = 4096,
};

/* All rows: the table's, and one for each stretch of bytes that it leaves out. */
static struct ash_field rows[256];
static size_t row_count;
static struct tally { uint64_t cases, seen, irrelevant, missed; } tallies[256];

static void add_gaps(enum ash_place place) {
    uint8_t covered[sizeof(struct ash_heap)] = {0};
    size_t bytes = ash_place_bytes(place);
    for (size_t i = 0; i < ash_field_count; i++)
        if (ash_fields[i].place == place)
            memset(covered + ash_fields[i].offset, 1, ash_fields[i].bytes);
    for (size_t from = 0; from < bytes; from++) {
        size_t to = from;
        while (to < bytes && !covered[to]) to++;
        if (to == from) continue;
        rows[row_count++] = (struct ash_field){place, "(padding)", from, to - from, NULL, NULL};
        from = to;
    }
}
static void make_rows(void) {
    if (row_count != 0) return;
    memcpy(rows, ash_fields, ash_field_count * sizeof *rows);
    row_count = ash_field_count;
    for (int place = 0; place < ASH_PLACES; place++) add_gaps((enum ash_place)place);
}

struct ground {
    struct ashlar_heap *public_heap;
    struct ash_heap *heap;
    uint64_t random;
    uint64_t live, views; /* of the undamaged heap */
    uint64_t changes;     /* made so far */
};

/* splitmix64, as in generator.c. */
static uint64_t draw(struct ground *ground, uint64_t below) {
    uint64_t z = ground->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

/* What the descriptor of a page is to the table. */
static enum ash_place place_of(const struct ash_heap *heap, uint64_t number) {
    const struct ash_page *page = ash_page_at(heap, number);
    switch ((enum ash_page_kind)page->kind) {
    case ASH_PAGE_SLAB:
        return ASH_IN_SLAB;
    case ASH_PAGE_SLAB_BODY:
        return ASH_IN_SLAB_BODY;
    case ASH_PAGE_SPAN:
        return ASH_IN_SPAN;
    case ASH_PAGE_KEPT:
        return ASH_IN_KEPT;
    case ASH_PAGE_FREE:
        return page->head == page ? ASH_IN_RUN : ASH_IN_RUN_LAST;
    default:
        return ASH_IN_INTERIOR;
    }
}

/* A page of the kind, from a random one on; NULL: there is none. */
static struct ash_page *pick_page(struct ground *ground, enum ash_place place) {
    uint64_t committed = ground->heap->root.counts.committed;
    uint64_t start = committed != 0 ? draw(ground, committed) : 0;
    bool words = place == ASH_IN_WORDS || place == ASH_IN_REMOTE;
    for (uint64_t i = 0; i < committed; i++) {
        uint64_t number = (start + i) % committed;
        struct ash_page *page = ash_page_at(ground->heap, number);
        if (place_of(ground->heap, number) != (words ? ASH_IN_SLAB : place)) continue;
        if (place != ASH_IN_WORDS || page->words == ash_bitmap_words(ground->heap, number))
            return page;
    }
    return NULL;
}

/* An instance of the row's structure; false: this heap has none. */
static bool pick_structure(struct ground *ground, struct ash_corruption *change) {
    struct ash_heap *heap = ground->heap;
    enum ash_place place = change->field->place;
    uint32_t threads = heap->root.thread_heap_count;
    if (place == ASH_IN_HEAP) {
        change->start = (uint8_t *)heap;
    } else if (place == ASH_IN_THREAD || place == ASH_IN_KEPT_LISTS || place == ASH_IN_BIN) {
        if (threads == 0) return false;
        struct ash_thread_heap *th = ash_thread_heap_at(heap, 1 + (uint32_t)draw(ground, threads));
        if (place == ASH_IN_BIN)
            change->start = (uint8_t *)&th->bins[draw(ground, ASH_CLASS_COUNT)];
        else
            change->start = (uint8_t *)th + (place == ASH_IN_THREAD ? 0 : ASH_KEPT_LISTS_AT);
    } else if (place == ASH_IN_DIRTY) {
        change->start = (uint8_t *)ash_dirty_words(heap);
    } else {
        struct ash_page *page = pick_page(ground, place);
        if (page == NULL) return false;
        change->head = page;
        change->start = (uint8_t *)page;
        if (place == ASH_IN_WORDS) change->start = (uint8_t *)page->words;
        if (place == ASH_IN_REMOTE)
            change->start =
                (uint8_t *)(uintptr_t)ash_remote_words(heap, ash_page_number(heap, page));
    }
    return true;
}

/* Bytes of the row in this structure: those of bitmaps depend on what they describe. */
static size_t row_bytes(const struct ground *ground, const struct ash_corruption *change) {
    if (change->field->place == ASH_IN_DIRTY)
        return (ground->heap->root.counts.committed + 63) / 64 * 8;
    if (change->field->place == ASH_IN_WORDS || change->field->place == ASH_IN_REMOTE)
        return ash_window_count(change->head->block_count) * sizeof(uint64_t);
    return change->field->bytes;
}

/* Changes some of `bytes` bytes at `at`; what they were stays in change->before. */
static void damage(struct ground *ground, struct ash_corruption *change, size_t bytes) {
    uint8_t *field = change->start + change->field->offset;
    size_t at = draw(ground, bytes), way = draw(ground, 10);
    memcpy(change->before, field, bytes);
    change->at = change->field->offset;
    change->bytes = bytes;
    if (way < 5) {
        field[at] ^= (uint8_t)(1U << draw(ground, 8));
    } else if (way < 7) {
        field[at] ^= (uint8_t)(1 + draw(ground, 255));
    } else if (way < 8) {
        field[at] = (uint8_t)(field[at] + (draw(ground, 2) != 0 ? 1 : 255));
    } else if (bytes > sizeof(uint64_t)) {
        field[at] ^= 0x80;
        field[bytes - 1 - at] ^= 0x01;
    } else if (way < 9) {
        memset(field, draw(ground, 2) != 0 ? 0xff : 0, bytes);
    } else {
        for (size_t i = 0; i < bytes; i++) field[i] = (uint8_t)draw(ground, 256);
    }
}

/* A reader that copies, as that of a snapshot does. */
struct snapshot {
    const struct ash_corruption *change; /* shown, and not there; NULL: none */
    uint64_t hidden, hidden_bytes;       /* cannot be read */
    uint64_t views, refused;
};
static const void *snapshot_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    struct snapshot *snapshot = context;
    const struct ash_corruption *change = snapshot->change;
    snapshot->views++;
    if (address < snapshot->hidden + snapshot->hidden_bytes && snapshot->hidden < address + bytes) {
        snapshot->refused++;
        return NULL;
    }
    if (ashlar_reader_self.view(ashlar_reader_self.context, address, bytes, scratch) == NULL)
        return NULL;
    memmove(scratch, (const void *)(uintptr_t)address, bytes);
    for (size_t i = 0; change != NULL && i < change->bytes; i++) {
        uint64_t byte = (uint64_t)(uintptr_t)change->start + change->at + i;
        if (byte >= address && byte < address + bytes)
            ((uint8_t *)scratch)[byte - address] = change->before[i];
    }
    return scratch;
}
static enum ashlar_verdict check_snapshot(const struct ground *ground, struct snapshot *snapshot) {
    struct ashlar_reader reader = {.context = snapshot, .view = snapshot_view, .quiescent = true};
    struct ashlar_check_report report;
    return ashlar_check(&reader, ashlar_heap_root(ground->public_heap), ASHLAR_CHECK_FULL, NULL,
                        NULL, &report);
}

static bool finding(const struct ash_corruption *change, const char *what) {
    const struct ash_field *field = change->field;
    fprintf(stderr, "FINDING code=%s layer=checker operation=0\n  %s: %s (bytes %zu to %zu)\n",
            what, ash_place_name(field->place), field->name, change->at,
            change->at + change->bytes);
    for (size_t i = 0; i < change->bytes && i < 16; i++)
        fprintf(stderr, "%s%02x -> %02x", i == 0 ? "  " : ", ", change->before[i],
                change->start[change->at + i]);
    fputc('\n', stderr);
    return false;
}

/* The change as a snapshot would have it: shown by a reader, while the heap itself is as before.
 * The two sets of bytes change places for it. */
static bool same_in_a_snapshot(struct ground *ground, struct ash_corruption *change,
                               enum ashlar_verdict verdict) {
    struct snapshot snapshot = {.change = change};
    uint8_t damaged[ASH_FIELD_BYTES_MAX];
    uint8_t *field = change->start + change->at;
    memcpy(damaged, field, change->bytes);
    memcpy(field, change->before, change->bytes);
    memcpy(change->before, damaged, change->bytes);
    enum ashlar_verdict shown = check_snapshot(ground, &snapshot);
    memcpy(damaged, field, change->bytes);
    memcpy(field, change->before, change->bytes);
    memcpy(change->before, damaged, change->bytes);
    if (shown != verdict) return finding(change, "SNAPSHOT-VERDICT-DIFFERS");
    if (snapshot.views > ground->views * VIEWS_FACTOR + VIEWS_MORE)
        return finding(change, "CHECK-UNBOUNDED");
    return true;
}

/* The check found nothing: is there nothing to be found? */
static bool proved_irrelevant(const struct ash_corruption *change) {
    const struct ash_field *field = change->field;
    return field->proof != NULL && (field->irrelevant == NULL || field->irrelevant(change));
}

/* One change: made, checked, put back. */
static bool run_case(struct ground *ground, size_t row) {
    static struct ash_corruption change;
    struct ashlar_check_report report, touched;
    change = (struct ash_corruption){.field = &rows[row],
                                     .public_heap = ground->public_heap,
                                     .heap = ground->heap,
                                     .live_before = ground->live,
                                     .report = &report};
    if (!pick_structure(ground, &change)) return true;
    size_t bytes = row_bytes(ground, &change);
    if (bytes == 0) return true;
    damage(ground, &change, bytes);
    uint8_t *field = change.start + change.at;
    if (memcmp(field, change.before, bytes) == 0) return true;
    struct tally *tally = &tallies[row];
    enum ashlar_verdict verdict =
        ashlar_check_heap(ground->public_heap, ASHLAR_CHECK_FULL, NULL, NULL, &report);
    if (verdict == ASHLAR_SOUND && change.field->place == ASH_IN_DIRTY)
        verdict = ashlar_check_heap(ground->public_heap, ASHLAR_CHECK_AUDIT, NULL, NULL, &report);
    uint64_t page = draw(ground, ground->heap->root.region_pages ? 1 + ground->live : 1);
    uintptr_t address = (uintptr_t)ground->heap->root.region_base + page * ASH_PAGE_BYTES;
    ashlar_check_touched(ground->public_heap, address, NULL, NULL, &touched);
    tally->cases++;
    ground->changes++;
    tally->seen += verdict == ASHLAR_CORRUPT;
    bool fine = true;
    if (verdict != ASHLAR_CORRUPT) {
        bool irrelevant = verdict == ASHLAR_SOUND && proved_irrelevant(&change);
        tally->irrelevant += irrelevant;
        tally->missed += !irrelevant;
        if (!irrelevant) fine = finding(&change, "CORRUPTION-NOT-SEEN");
        if (touched.verdict == ASHLAR_CORRUPT) fine = finding(&change, "TOUCHED-CRIES-WOLF");
    }
    if (fine && change.field->place != ASH_IN_DIRTY && draw(ground, 4) == 0)
        fine = same_in_a_snapshot(ground, &change, verdict);
    memcpy(field, change.before, bytes);
    return fine;
}

/* A sound heap of which some bytes cannot be read. */
static bool run_unreadable(struct ground *ground) {
    const struct ash_root *root = &ground->heap->root;
    struct ash_corruption none = {.field = &rows[0]};
    struct snapshot snapshot = {.hidden = root->metadata + draw(ground, root->metadata_bytes)};
    snapshot.hidden_bytes = (uint64_t)1 << draw(ground, 18);
    enum ashlar_verdict verdict = check_snapshot(ground, &snapshot);
    if (verdict == ASHLAR_CORRUPT) return finding(&none, "UNREADABLE-AS-CORRUPT");
    if (verdict == ASHLAR_SOUND && snapshot.refused != 0)
        return finding(&none, "UNREADABLE-AS-SOUND");
    return true;
}

static uint64_t hash(const uint8_t *data, size_t size) {
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static bool run_cases(struct ashlar_replay_result *result, uint64_t random,
                      struct ash_fuzz_outcome *outcome) {
    struct ground ground = {.public_heap = result->target->heap(result->instance),
                            .random = random};
    struct snapshot whole = {0};
    ground.heap = ash_heap_of(ground.public_heap);
    ground.live = result->check.live_blocks;
    if (check_snapshot(&ground, &whole) != ASHLAR_SOUND) return true;
    ground.views = whole.views;
    bool fine = run_unreadable(&ground);
    for (size_t i = 0; fine && i < CASES; i++) fine = run_case(&ground, draw(&ground, row_count));
    outcome->ops += ground.changes;
    if (!fine) return false;
    struct ash_corruption none = {.field = &rows[0]};
    if (check_snapshot(&ground, &whole) != ASHLAR_SOUND)
        return finding(&none, "CHECK-CHANGED-HEAP");
    return true;
}

/* Only what changes the heap legally. */
static void keep_legal(struct ashlar_trace *trace) {
    size_t kept = 0;
    for (size_t i = 0; i < trace->count; i++) {
        bool wanted =
            trace->ops[i].kind < ASHLAR_OP_DOUBLE_FREE && trace->ops[i].kind != ASHLAR_OP_CHECK;
        if (wanted) trace->ops[kept++] = trace->ops[i];
    }
    trace->count = kept;
    bool reserved = trace->heap == ASHLAR_HEAP_RESERVED;
    if (reserved && (trace->heap_kib == 0 || trace->heap_kib > REGION_MIB))
        trace->heap_kib = REGION_MIB;
}

static bool run_trace(struct ashlar_trace *trace, uint64_t random, const char *file,
                      struct ash_fuzz_outcome *outcome) {
    struct ashlar_replay_options options = {
        .target = &ashlar_target_core, .oracle = ASHLAR_ORACLE_LIGHT, .keep = true};
    struct ashlar_replay_result result = {0};
    bool fine = true;
    make_rows();
    keep_legal(trace);
    ashlar_replay(trace, &options, &result);
    outcome->failure = result.failure;
    if (result.found) {
        ash_fuzz_report(trace, &result, "ashlar replay --raw", file);
        fine = false;
    } else if (result.instance != NULL) {
        fine = run_cases(&result, random, outcome);
    }
    ashlar_replay_end(&result);
    return fine;
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    bool fine = true;
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace))
        fine = run_trace(&trace, hash(data, size), file, outcome);
    ashlar_trace_free(&trace);
    return fine;
}

static bool generate(uint64_t seed, struct ashlar_trace *trace) {
    struct ashlar_generator generator = {
        .state = seed, .slots = 200, .threads = 1 + (uint32_t)(seed % 4)};
    generator.size_limit = (uint64_t)256 << (seed % 5 * 3);
    ashlar_trace_init(trace);
    trace->threads = generator.threads;
    trace->heap = seed % 3 == 0 ? ASHLAR_HEAP_IN_MEMORY : ASHLAR_HEAP_RESERVED;
    trace->heap_kib = seed % 3 == 0 ? 2048 : REGION_MIB;
    for (uint64_t i = 0; i < 100 + seed % 7 * 100; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        if (!ashlar_trace_append(trace, &op)) return false;
    }
    return true;
}

static void print_table(void) {
    puts("| structure | field | changes | seen | irrelevant | missed | why some are irrelevant |");
    puts("|---|---|---:|---:|---:|---:|---|");
    struct tally all = {0};
    for (size_t i = 0; i < row_count; i++) {
        const struct tally *tally = &tallies[i];
        printf("| %s | %s | %" PRIu64 " | %.1f %% | %" PRIu64 " | %" PRIu64 " | %s |\n",
               ash_place_name(rows[i].place), rows[i].name, tally->cases,
               tally->cases ? 100.0 * (double)tally->seen / (double)tally->cases : 0.0,
               tally->irrelevant, tally->missed, rows[i].proof ? rows[i].proof : "");
        all.cases += tally->cases;
        all.seen += tally->seen;
        all.irrelevant += tally->irrelevant;
        all.missed += tally->missed;
    }
    printf("\n%" PRIu64 " changes: %" PRIu64 " seen, %" PRIu64 " proved irrelevant, %" PRIu64
           " missed\n",
           all.cases, all.seen, all.irrelevant, all.missed);
}

static int drive(int argc, char **argv) {
    uint64_t wanted = 0, seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--cases") == 0) wanted = value;
        if (strcmp(argv[i], "--seed") == 0) seed = value;
    }
    if (wanted == 0) {
        fprintf(stderr, "usage: fuzz_corrupt --cases N [--seed S]\n");
        return 2;
    }
    bool fine = true;
    struct ash_fuzz_outcome outcome = {0};
    while (outcome.ops < wanted) {
        struct ashlar_trace trace;
        if (!generate(seed, &trace)) return 2;
        fine &= run_trace(&trace, seed, "(generated)", &outcome);
        ashlar_trace_free(&trace);
        seed++;
    }
    print_table();
    return fine ? 0 : 1;
}

const struct ash_harness ash_harness = {.name = "fuzz_corrupt", .run = run, .drive = drive};
