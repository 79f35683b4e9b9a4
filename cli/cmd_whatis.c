/* ashlar whatis: what lies at an address of a heap. */
#include "json.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>

struct whatis {
    struct ash_source source;
    const char *name;
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct whatis *whatis = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &whatis->source;
        return 0;
    case ARGP_KEY_ARG:
        if (whatis->name != NULL) return ash_bad_option("whatis: one address at a time");
        whatis->name = argument;
        return 0;
    case ARGP_KEY_END:
        return whatis->name != NULL ? 0 : ash_bad_option("whatis: no address given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    NULL,
    parse,
    "ADDR",
    "Say which block, slab or span an address lies in, its state, how far into it, and what lies "
    "beside it. ADDR is slot:N or #N (the block of a slot of the trace), region+0xN, or a number "
    "as "
    "other commands print it; +N behind it goes N bytes further.",
    ash_heap_child,
    NULL,
    NULL};

static void show_block(const struct ash_session *session, uint64_t address,
                       const struct ash_view_block *block) {
    uint64_t offset = address - block->address;
    const struct ash_placed *slot = ash_session_slot(session, block->address);
    if (session->source->json) {
        json_t *line = ash_json_address(session, address, json_pack("{s:s}", "type", "whatis"));
        line = ash_json_with(line, "offset", json_integer((json_int_t)offset));
        line = ash_json_with(line, "block", ash_json_block(session, block));
        ash_json_line(ash_json_neighbours(session, block, line));
        return;
    }
    printf("%s: ", ash_address_text(session, address).text);
    if (offset == 0) {
        printf("start of a %s block\n", ash_state_text(block->state));
    } else {
        printf("%s into a %s block", ash_plural(offset, "byte").text, ash_state_text(block->state));
        bool beyond = slot != NULL && slot->live && offset >= slot->requested;
        puts(beyond ? ", behind what was requested" : "");
    }
    printf("  block     ");
    ash_print_block(session, block);
    ash_print_neighbours(session, block);
}

/* An address that lies in no block. */
static void show_other(const struct ash_session *session, const char *name, uint64_t address) {
    uint64_t offset, before;
    enum ash_space space = ash_address_space(session, address, &offset);
    struct ash_piece piece = {.kind = ASH_PIECE_DAMAGED};
    char what[300];
    const struct ash_view *view = &session->view;
    if (space == ASH_SPACE_METADATA) {
        snprintf(what, sizeof what, "metadata of the heap");
    } else if (space == ASH_SPACE_NONE) {
        snprintf(what, sizeof what, "outside the heap");
    } else if (!ash_view_piece_of(view, offset >> ASH_PAGE_SHIFT, &piece, &before)) {
        snprintf(what, sizeof what, "reserved, not committed");
    } else if (piece.kind == ASH_PIECE_FREE) {
        snprintf(what, sizeof what, "free run of %s at page %" PRIu64,
                 ash_plural(piece.pages, "page").text, piece.page);
    } else if (piece.kind == ASH_PIECE_SLAB) {
        snprintf(what, sizeof what, "behind the last block of slab %" PRIu64, piece.page);
    } else {
        snprintf(what, sizeof what, "a page without a sound descriptor");
    }
    if (!session->source->json) {
        bool named = space == ASH_SPACE_NONE && !session->source->addresses;
        printf("%s: %s\n", named ? name : ash_address_text(session, address).text, what);
        return;
    }
    json_t *line = ash_json_address(session, address, json_pack("{s:s}", "type", "whatis"));
    ash_json_line(ash_json_with(line, "what", json_string(what)));
}

static int show(struct ash_session *session, void *context) {
    const struct whatis *whatis = context;
    struct ash_view_block block;
    uint64_t address;
    if (!session->viewed) {
        return ash_fail(ASH_EXIT_INCOMPLETE,
                        "%s: the heap's root is damaged: nothing can be decoded", session->path);
    }
    if (!ash_resolve(session, whatis->name, &address)) return ASH_EXIT_USAGE;
    if (ash_view_block_of(&session->view, address, &block)) {
        show_block(session, address, &block);
    } else {
        show_other(session, whatis->name, address);
    }
    if (session->source->json) ash_json_summary("done", ASH_EXIT_SOUND, NULL);
    return ASH_EXIT_SOUND;
}

static int run(int argc, char **argv) {
    struct whatis whatis = {0};
    ash_source_init(&whatis.source);
    if (!ash_parse(&argp, argc, argv, 0, &whatis)) return ASH_EXIT_USAGE;
    struct ash_shower shower = {"whatis", &whatis.source, show, &whatis, false};
    return ash_show_heap(&shower);
}

const struct ash_command ash_cmd_whatis = {"whatis", "says what lies at an address of a heap",
                                           &argp, run};
