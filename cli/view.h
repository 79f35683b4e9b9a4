/* A heap as the commands show it: pieces (slabs, spans, free runs) and blocks, through a reader.
 *
 *   struct ash_view view;
 *   struct ash_piece piece;
 *   if (ash_view_open(&view, &ash_guarded_reader, ashlar_heap_root(heap)))
 *       for (uint64_t page = 0; ash_view_piece(&view, page, &piece); page += piece.pages) ...
 *
 * Nothing here trusts a field: whatever the metadata says, every loop ends and every index is in
 * range. What cannot be decoded is a piece of kind ASH_PIECE_DAMAGED.
 */
#ifndef ASH_VIEW_H
#define ASH_VIEW_H

#include "heap/layout.h"

#include <ashlar/check.h>

struct ash_view {
    const struct ashlar_reader *reader;
    struct ash_root root; /* a copy; its constant part is proved by its checksum */
    uint64_t pages;       /* to look at: the committed ones */
};

enum ash_piece_kind {
    ASH_PIECE_SLAB,
    ASH_PIECE_SPAN,
    ASH_PIECE_FREE,
    ASH_PIECE_DAMAGED, /* pages whose descriptors make no sense */
};

struct ash_piece {
    enum ash_piece_kind kind;
    uint64_t page, pages;
    uint64_t address;
    uint64_t block_bytes;        /* slab: of the class; span: the whole of it */
    uint32_t class_index;        /* slab */
    uint32_t blocks;             /* slab; span: 1 */
    uint32_t owner;              /* slab: thread heap id; 0 when it cannot be told */
    uint8_t place;               /* slab: enum ash_slab_place */
    uint32_t live, free, remote; /* blocks */
    uint64_t requested_bytes;    /* span */
    uint64_t dirty_pages;        /* free run */
    bool damaged;                /* slab: some of its bits could not be read; they count as free */
    uint64_t free_words[ASH_WINDOWS_MAX], remote_words[ASH_WINDOWS_MAX]; /* slab */
};

/* One block, with the piece it lies in. */
struct ash_view_block {
    uint64_t address, bytes;
    uint64_t page;  /* first page of its slab or span */
    uint32_t index; /* in its slab */
    uint32_t owner;
    uint8_t state; /* enum ashlar_block_state */
    bool span;
};

/* Decodes the root. False when it cannot be read or is not a root: then nothing else is known. */
bool ash_view_open(struct ash_view *view, const struct ashlar_reader *reader, uint64_t root);

/* The piece that starts at `page`. False behind the last one. `out->pages` is never 0. */
bool ash_view_piece(const struct ash_view *view, uint64_t page, struct ash_piece *out);

/* The piece that holds `page`, and where the piece before it starts (`page` itself when it is the
 * first). False behind the last one. O(pages). */
bool ash_view_piece_of(const struct ash_view *view, uint64_t page, struct ash_piece *out,
                       uint64_t *before);

/* Block `index` of a slab or span. */
void ash_view_block_at(const struct ash_piece *piece, uint32_t index, struct ash_view_block *out);

/* The block that `address` lies in; false when it lies in none. */
bool ash_view_block_of(const struct ash_view *view, uint64_t address, struct ash_view_block *out);

/* The blocks that lie next to one, whatever lies between: false when there is none. */
bool ash_view_block_before(const struct ash_view *view, const struct ash_view_block *block,
                           struct ash_view_block *out);
bool ash_view_block_after(const struct ash_view *view, const struct ash_view_block *block,
                          struct ash_view_block *out);

/* "live", "free", "remotely freed" */
const char *ash_state_text(uint8_t state);
/* "full", "queued", "current" */
const char *ash_place_text(uint8_t place);

#endif
