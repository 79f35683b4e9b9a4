/* ashlar dump: the metadata of a heap as a table.
 *
 * Rows are in address order. A stretch of free blocks of one slab is one row ("free x 12"), for a
 * fresh slab of small blocks has thousands of them; --state free and JSON list each. What cannot be
 * decoded is a row too, and makes the exit code 3: a damaged page must not look like an empty one.
 */
#include "json.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { KEY_BLOCK = 0x300, KEY_SLAB, KEY_CLASS, KEY_STATE, KEY_THREAD, KEY_DETAIL };
enum detail { DETAIL_BLOCKS, DETAIL_SLABS, DETAIL_SUMMARY };

struct dump {
    struct ash_source source;
    enum detail detail;
    const char *block; /* filters: what is not set is UINT64_MAX or NULL */
    uint64_t block_address, slab, class_bytes, state, thread;
    uint64_t slabs, spans, runs, damaged; /* pieces seen */
    uint64_t pages[4], live, free, remote, live_bytes;
    uint64_t shown;
};

static const struct argp_option options[] = {
    {"block", KEY_BLOCK, "ADDR", 0, "The block at ADDR: slot:N, #N, region+0xN, or a number", 0},
    {"slab", KEY_SLAB, "N", 0, "Blocks of the slab or span that starts at page N", 0},
    {"class", KEY_CLASS, "BYTES", 0, "Blocks of the class of BYTES", 0},
    {"state", KEY_STATE, "STATE", 0, "Blocks that are live, free, or remote (freed remotely)", 0},
    {"thread", KEY_THREAD, "N", 0, "Blocks of slabs that thread heap N owns", 0},
    {"detail", KEY_DETAIL, "WHAT", 0, "blocks (default), slabs, or summary", 0},
    {0},
};

static int parse_word(const char *option, const char *argument, const char *const *words,
                      uint64_t *out) {
    for (uint64_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], argument) != 0) continue;
        *out = i;
        return 0;
    }
    return ash_bad_option("%s: not `%s`; see `ashlar help dump`", option, argument);
}

static int parse_count(const char *option, const char *argument, uint64_t *out) {
    if (ash_option_number(argument, UINT64_MAX - 1, out)) return 0;
    return ash_bad_option("%s: `%s` is not a number", option, argument);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    static const char *const states[] = {"free", "live", "remote", NULL};
    static const char *const details[] = {"blocks", "slabs", "summary", NULL};
    struct dump *dump = state->input;
    uint64_t detail = 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &dump->source;
        return 0;
    case KEY_BLOCK:
        dump->block = argument;
        return 0;
    case KEY_SLAB:
        return parse_count("--slab", argument, &dump->slab);
    case KEY_CLASS:
        return parse_count("--class", argument, &dump->class_bytes);
    case KEY_THREAD:
        return parse_count("--thread", argument, &dump->thread);
    case KEY_STATE:
        return parse_word("--state", argument, states, &dump->state);
    case KEY_DETAIL:
        if (parse_word("--detail", argument, details, &detail) != 0) return EINVAL;
        dump->detail = (enum detail)detail;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    NULL,
    "Show the metadata of a heap: every block with its class, size, state, owner, slab and "
    "neighbours; or its slabs, spans and free runs; or their sums.",
    ash_heap_child,
    NULL,
    NULL};

static const char *const piece_names[] = {"slab", "span", "free", "damaged"};

static void count_piece(struct dump *dump, const struct ash_piece *piece) {
    dump->pages[piece->kind] += piece->pages;
    dump->slabs += piece->kind == ASH_PIECE_SLAB;
    dump->spans += piece->kind == ASH_PIECE_SPAN;
    dump->runs += piece->kind == ASH_PIECE_FREE;
    dump->damaged += piece->damaged;
    dump->live += piece->live;
    dump->free += piece->free;
    dump->remote += piece->remote;
    dump->live_bytes += piece->live * piece->block_bytes;
}

/* Filters that concern whole pieces. */
static bool piece_wanted(const struct dump *dump, const struct ash_piece *piece) {
    uint64_t offset = dump->block_address - piece->address;
    if (dump->block != NULL && offset >= piece->pages << ASH_PAGE_SHIFT) return false;
    if (dump->slab != UINT64_MAX && dump->slab != piece->page) return false;
    if (dump->thread != UINT64_MAX && dump->thread != piece->owner) return false;
    if (dump->class_bytes == UINT64_MAX) return true;
    return piece->kind == ASH_PIECE_SLAB && piece->block_bytes == dump->class_bytes;
}

static bool block_wanted(const struct dump *dump, const struct ash_view_block *block) {
    if (dump->block != NULL && dump->block_address - block->address >= block->bytes) return false;
    return dump->state == UINT64_MAX || dump->state == block->state;
}

static const char *state_beside(const struct ash_session *session,
                                const struct ash_view_block *block, bool after) {
    struct ash_view_block other;
    bool there = after ? ash_view_block_after(&session->view, block, &other)
                       : ash_view_block_before(&session->view, block, &other);
    return there ? ash_state_text(other.state) : "-";
}

static void print_block(const struct ash_session *session, const struct ash_view_block *block,
                        uint32_t stretch) {
    char state[40], requested[24] = "-", slot_text[24] = "-";
    const struct ash_placed *slot = ash_session_slot(session, block->address);
    snprintf(state, sizeof state, "%s", ash_state_text(block->state));
    if (stretch > 1) snprintf(state, sizeof state, "free x %" PRIu32, stretch);
    if (slot != NULL && stretch <= 1) {
        snprintf(requested, sizeof requested, "%" PRIu64, slot->requested);
        snprintf(slot_text, sizeof slot_text, "%" PRIu32 "%s", slot->slot,
                 slot->live ? "" : " stale");
    }
    struct ash_view_block last = *block;
    last.index += stretch - 1;
    printf("%-20s %8" PRIu64 " %10s  %-15s %5" PRIu32 " %6" PRIu64 "  %-10s %-15s %s\n",
           ash_address_text(session, block->address).text, block->bytes, requested, state,
           block->owner, block->page, slot_text, state_beside(session, block, false),
           state_beside(session, &last, true));
}

/* How many free blocks in a row start at `index`, when they are to be one row. */
static uint32_t stretch_at(const struct dump *dump, const struct ash_session *session,
                           const struct ash_piece *piece, uint32_t index) {
    struct ash_view_block block;
    if (session->source->json || dump->state != UINT64_MAX || dump->block != NULL) return 1;
    uint32_t length = 0;
    while (index + length < piece->blocks) {
        ash_view_block_at(piece, index + length, &block);
        const struct ash_placed *slot = ash_session_slot(session, block.address);
        if (block.state != ASHLAR_BLOCK_FREE || slot != NULL) break;
        length++;
    }
    return length > 0 ? length : 1;
}

static void show_blocks(struct dump *dump, const struct ash_session *session,
                        const struct ash_piece *piece) {
    struct ash_view_block block;
    uint32_t step;
    for (uint32_t i = 0; i < piece->blocks; i += step) {
        step = stretch_at(dump, session, piece, i);
        ash_view_block_at(piece, i, &block);
        if (!block_wanted(dump, &block)) continue;
        dump->shown += step;
        if (!session->source->json) {
            print_block(session, &block, step);
            continue;
        }
        json_t *line = json_pack("{s:s}", "type", "block");
        json_t *fields = ash_json_block(session, &block);
        if (line != NULL && fields != NULL) json_object_update(line, fields);
        json_decref(fields);
        line = ash_json_with(line, "before", json_string(state_beside(session, &block, false)));
        ash_json_line(
            ash_json_with(line, "after", json_string(state_beside(session, &block, true))));
    }
}

static void show_piece(const struct ash_session *session, const struct ash_piece *piece) {
    bool slab = piece->kind == ASH_PIECE_SLAB;
    if (!session->source->json) {
        printf("%8" PRIu64 "  %-8s %8" PRIu64 " %6" PRIu64 " %7" PRIu32 " %7" PRIu32 " %7" PRIu32
               " %7" PRIu32 " %6" PRIu32 "  %s%s\n",
               piece->page, piece_names[piece->kind], piece->block_bytes, piece->pages,
               piece->blocks, piece->live, piece->free, piece->remote, piece->owner,
               slab ? ash_place_text(piece->place) : "-",
               slab && piece->damaged ? ", bits damaged" : "");
        return;
    }
    json_t *line = json_pack("{s:s, s:I, s:I}", "type", piece_names[piece->kind], "page",
                             (json_int_t)piece->page, "pages", (json_int_t)piece->pages);
    line = ash_json_address(session, piece->address, line);
    if (piece->kind == ASH_PIECE_FREE) {
        line = ash_json_with(line, "dirty_pages", json_integer((json_int_t)piece->dirty_pages));
    } else if (piece->kind == ASH_PIECE_SPAN) {
        line = ash_json_with(line, "bytes", json_integer((json_int_t)piece->block_bytes));
    } else if (slab) {
        json_t *more = json_pack("{s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:b}", "class",
                                 (json_int_t)piece->block_bytes, "blocks", (int)piece->blocks,
                                 "live", (int)piece->live, "free", (int)piece->free, "remote",
                                 (int)piece->remote, "owner", (int)piece->owner, "place",
                                 ash_place_text(piece->place), "damaged", (int)piece->damaged);
        if (line != NULL && more != NULL) json_object_update(line, more);
        json_decref(more);
    }
    ash_json_line(line);
}

static void show_damage(const struct ash_session *session, const struct ash_piece *piece) {
    if (session->source->json) {
        show_piece(session, piece);
    } else if (piece->kind == ASH_PIECE_DAMAGED) {
        printf("page %" PRIu64 ": %s without a sound descriptor\n", piece->page,
               ash_plural(piece->pages, "page").text);
    } else {
        printf("page %" PRIu64 ": the bits of this slab cannot be read\n", piece->page);
    }
}

static void print_sums(const struct dump *dump, const struct ash_session *session) {
    const uint64_t *pages = dump->pages;
    if (session->source->json) {
        ash_json_line(
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "sums", "slabs",
                      (json_int_t)dump->slabs, "spans", (json_int_t)dump->spans, "free_runs",
                      (json_int_t)dump->runs, "damaged", (json_int_t)dump->damaged, "pages",
                      (json_int_t)(pages[0] + pages[1] + pages[2] + pages[3]), "live",
                      (json_int_t)dump->live, "free", (json_int_t)dump->free, "remote",
                      (json_int_t)dump->remote, "live_bytes", (json_int_t)dump->live_bytes));
        return;
    }
    if (dump->detail == DETAIL_BLOCKS) {
        printf("%s shown; ", ash_plural(dump->shown, "block").text);
    }
    printf("%s live, ", ash_count_text(dump->live).text);
    printf("%s free, ", ash_count_text(dump->free).text);
    printf("%s remotely freed; ", ash_count_text(dump->remote).text);
    printf("%s (", ash_plural(dump->slabs, "slab").text);
    printf("%s), ", ash_plural(pages[ASH_PIECE_SLAB], "page").text);
    printf("%s (", ash_plural(dump->spans, "span").text);
    printf("%s), ", ash_plural(pages[ASH_PIECE_SPAN], "page").text);
    printf("%s (", ash_plural(dump->runs, "free run").text);
    printf("%s)\n", ash_plural(pages[ASH_PIECE_FREE], "page").text);
}

static void print_header(const struct dump *dump) {
    if (dump->detail == DETAIL_BLOCKS) {
        printf("%-20s %8s %10s  %-15s %5s %6s  %-10s %-15s %s\n", "address", "class", "requested",
               "state", "owner", "slab", "slot", "before", "after");
    } else if (dump->detail == DETAIL_SLABS) {
        printf("%8s  %-8s %8s %6s %7s %7s %7s %7s %6s  %s\n", "page", "kind", "class", "pages",
               "blocks", "live", "free", "remote", "owner", "place");
    }
}

static int show(struct ash_session *session, void *context) {
    struct dump *dump = context;
    if (!session->viewed) {
        return ash_fail(ASH_EXIT_INCOMPLETE,
                        "%s: the heap's root is damaged: nothing can be decoded", session->path);
    }
    if (dump->block != NULL && !ash_resolve(session, dump->block, &dump->block_address)) {
        return ASH_EXIT_USAGE;
    }
    if (!session->source->json) print_header(dump);
    struct ash_piece piece;
    for (uint64_t page = 0; ash_view_piece(&session->view, page, &piece); page += piece.pages) {
        count_piece(dump, &piece);
        if (!piece_wanted(dump, &piece)) continue;
        if (dump->detail == DETAIL_SLABS) {
            show_piece(session, &piece);
        } else if (piece.damaged) {
            show_damage(session, &piece);
        } else if (dump->detail == DETAIL_BLOCKS) {
            show_blocks(dump, session, &piece);
        }
    }
    print_sums(dump, session);
    int code = dump->damaged > 0 ? ASH_EXIT_INCOMPLETE : ASH_EXIT_SOUND;
    if (session->source->json) ash_json_summary(code != 0 ? "incomplete" : "done", code, NULL);
    return code;
}

static int run(int argc, char **argv) {
    struct dump dump = {
        .slab = UINT64_MAX, .class_bytes = UINT64_MAX, .state = UINT64_MAX, .thread = UINT64_MAX};
    ash_source_init(&dump.source);
    if (!ash_parse(&argp, argc, argv, 0, &dump)) return ASH_EXIT_USAGE;
    struct ash_shower shower = {"dump", &dump.source, show, &dump, false};
    return ash_show_heap(&shower);
}

const struct ash_command ash_cmd_dump = {"dump", "shows the metadata of a heap as a table", &argp,
                                         run};
