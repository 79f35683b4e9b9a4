/* ashlar stats: how much of a heap is live, free, committed and given back, per class too.
 *
 * Block counts come from the bits themselves, page counts from the root's counters; the checker
 * proves that they agree, so a difference here is a finding there. Two kinds of waste are told
 * apart: inside blocks (class sizes above what was asked for, known from the trace), and between
 * them (committed pages that hold no live block).
 */
#include "json.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>

struct class_sums {
    uint64_t slabs, pages, live, free, remote, requested;
};

struct stats {
    struct ash_source source;
    struct class_sums classes[ASH_CLASS_COUNT];
    uint64_t spans, span_pages, span_requested;
    uint64_t runs, run_pages, longest_run, dirty_pages, damaged;
    struct class_sums all; /* of the slabs */
    uint64_t slab_bytes;   /* live, by class size */
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct stats *stats = state->input;
    (void)argument;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = &stats->source;
    return 0;
}

static const struct argp argp = {
    NULL,
    parse,
    NULL,
    "Show live, free, committed and purged bytes of a heap, its size classes, and how much is lost "
    "to fragmentation.",
    ash_heap_child,
    NULL,
    NULL};

static uint64_t requested_in(const struct ash_session *session, const struct ash_piece *piece) {
    struct ash_view_block block;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < piece->blocks; i++) {
        ash_view_block_at(piece, i, &block);
        if (block.state != ASHLAR_BLOCK_LIVE) continue;
        const struct ash_placed *slot = ash_session_slot(session, block.address);
        if (slot != NULL && slot->live) sum += slot->requested;
    }
    return sum;
}

static void add_slab(struct class_sums *sums, const struct ash_piece *piece, uint64_t requested) {
    sums->slabs++;
    sums->pages += piece->pages;
    sums->live += piece->live;
    sums->free += piece->free;
    sums->remote += piece->remote;
    sums->requested += requested;
}

static void collect(struct stats *stats, const struct ash_session *session) {
    struct ash_piece piece;
    for (uint64_t page = 0; ash_view_piece(&session->view, page, &piece); page += piece.pages) {
        uint64_t requested = requested_in(session, &piece);
        if (piece.damaged) stats->damaged++;
        if (piece.kind == ASH_PIECE_SLAB) {
            add_slab(&stats->classes[piece.class_index], &piece, requested);
            add_slab(&stats->all, &piece, requested);
            stats->slab_bytes += piece.live * piece.block_bytes;
        } else if (piece.kind == ASH_PIECE_SPAN) {
            stats->spans++;
            stats->span_pages += piece.pages;
            stats->span_requested += requested;
        } else if (piece.kind == ASH_PIECE_FREE) {
            stats->runs++;
            stats->run_pages += piece.pages;
            stats->dirty_pages += piece.dirty_pages;
            if (piece.pages > stats->longest_run) stats->longest_run = piece.pages;
        }
    }
}

static void row(const char *name, uint64_t value, const char *what) {
    printf("%-16s %18s%s%s\n", name, ash_count_text(value).text, what[0] != '\0' ? "  " : "", what);
}

/* How much of `all` is not `part`; a damaged heap may hold more than all of it. */
static struct ash_phrase lost_share(uint64_t part, uint64_t all) {
    return all > part ? ash_percent(all - part, all) : ash_percent(0, 1);
}

static void print_classes(const struct stats *stats, const struct ash_session *session) {
    printf("\n%8s %7s %7s %10s %10s %10s %14s %9s\n", "class", "slabs", "pages", "live", "free",
           "remote", "requested", "used");
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        const struct class_sums *sums = &stats->classes[i];
        if (sums->slabs == 0) continue;
        uint64_t bytes = session->view.root.classes[i].block_bytes;
        printf("%8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
               " %14" PRIu64 " %9s\n",
               bytes, sums->slabs, sums->pages, sums->live, sums->free, sums->remote,
               sums->requested,
               ash_percent(sums->live * bytes, sums->pages << ASH_PAGE_SHIFT).text);
    }
}

static void print_human(const struct stats *stats, const struct ash_session *session) {
    const struct ash_counts *counts = &session->view.root.counts;
    uint64_t span_bytes = stats->span_pages << ASH_PAGE_SHIFT;
    uint64_t live_bytes = stats->slab_bytes + span_bytes;
    uint64_t requested = stats->all.requested + stats->span_requested;
    uint64_t committed = counts->committed << ASH_PAGE_SHIFT;
    printf("%s after %s\n", session->path, ash_plural(session->result.ops_run, "operation").text);
    row("live blocks", stats->all.live + stats->spans, "");
    row("free blocks", stats->all.free, "of slabs");
    row("remote blocks", stats->all.remote, "freed by another thread, not yet collected");
    row("requested", requested, "bytes, as the trace asked for");
    row("live", live_bytes, "bytes, as blocks have them");
    row("committed", committed, "bytes, readable and writable");
    row("  in slabs", counts->slab << ASH_PAGE_SHIFT, ash_plural(counts->slabs, "slab").text);
    row("  in spans", span_bytes, ash_plural(stats->spans, "span").text);
    row("  in free runs", stats->run_pages << ASH_PAGE_SHIFT, ash_plural(stats->runs, "run").text);
    row("  of it dirty", stats->dirty_pages << ASH_PAGE_SHIFT, "not given back to the system");
    row("purged", counts->purged_total << ASH_PAGE_SHIFT, "bytes given back since creation");
    row("thread heaps", session->view.root.acquired, "acquired");
    printf("fragmentation: %s of live bytes were not asked for; ",
           lost_share(requested, live_bytes).text);
    printf("%s of committed bytes are not live", lost_share(live_bytes, committed).text);
    if (stats->run_pages > 0) {
        printf("; the longest free run has %s of the free pages",
               ash_percent(stats->longest_run, stats->run_pages).text);
    }
    putchar('\n');
    if (stats->all.slabs > 0) print_classes(stats, session);
}

static void print_json(const struct stats *stats, const struct ash_session *session) {
    const struct ash_counts *counts = &session->view.root.counts;
    uint64_t span_bytes = stats->span_pages << ASH_PAGE_SHIFT;
    json_t *line =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "stats", "trace",
                  session->path, "operations", (json_int_t)session->result.ops_run, "live_blocks",
                  (json_int_t)(stats->all.live + stats->spans), "free_blocks",
                  (json_int_t)stats->all.free, "remote_blocks", (json_int_t)stats->all.remote,
                  "requested_bytes", (json_int_t)(stats->all.requested + stats->span_requested),
                  "live_bytes", (json_int_t)(stats->slab_bytes + span_bytes));
    const struct {
        const char *key;
        uint64_t pages;
    } bytes[] = {{"committed_bytes", counts->committed},   {"slab_bytes", counts->slab},
                 {"span_bytes", stats->span_pages},        {"free_bytes", stats->run_pages},
                 {"dirty_free_bytes", stats->dirty_pages}, {"purged_bytes", counts->purged_total}};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        line = ash_json_with(line, bytes[i].key,
                             json_integer((json_int_t)(bytes[i].pages << ASH_PAGE_SHIFT)));
    }
    line = ash_json_with(line, "slabs", json_integer((json_int_t)counts->slabs));
    line = ash_json_with(line, "spans", json_integer((json_int_t)stats->spans));
    line = ash_json_with(line, "free_runs", json_integer((json_int_t)stats->runs));
    line = ash_json_with(line, "longest_free_run_bytes",
                         json_integer((json_int_t)(stats->longest_run << ASH_PAGE_SHIFT)));
    ash_json_line(ash_json_with(line, "thread_heaps", json_integer(session->view.root.acquired)));
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        const struct class_sums *sums = &stats->classes[i];
        if (sums->slabs == 0) continue;
        ash_json_line(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "class",
                                "class", (json_int_t)session->view.root.classes[i].block_bytes,
                                "slabs", (json_int_t)sums->slabs, "pages", (json_int_t)sums->pages,
                                "live", (json_int_t)sums->live, "free", (json_int_t)sums->free,
                                "remote", (json_int_t)sums->remote, "requested_bytes",
                                (json_int_t)sums->requested));
    }
}

static int show(struct ash_session *session, void *context) {
    struct stats *stats = context;
    if (!session->viewed) {
        return ash_fail(ASH_EXIT_INCOMPLETE,
                        "%s: the heap's root is damaged: nothing can be decoded", session->path);
    }
    collect(stats, session);
    int code = stats->damaged > 0 ? ASH_EXIT_INCOMPLETE : ASH_EXIT_SOUND;
    if (session->source->json) {
        print_json(stats, session);
        ash_json_summary(code != 0 ? "incomplete" : "done", code, NULL);
    } else {
        print_human(stats, session);
        if (stats->damaged > 0) {
            printf("%s could not be decoded\n", ash_plural(stats->damaged, "piece").text);
        }
    }
    return code;
}

static int run(int argc, char **argv) {
    static struct stats stats;
    ash_source_init(&stats.source);
    if (!ash_parse(&argp, argc, argv, 0, &stats)) return ASH_EXIT_USAGE;
    struct ash_shower shower = {"stats", &stats.source, show, &stats, false};
    return ash_show_heap(&shower);
}

const struct ash_command ash_cmd_stats = {"stats", "sums up a heap: live, free, committed, lost",
                                          &argp, run};
