/* Decoding a heap without trusting it.
 *
 * ashlar_heap_walk relies on sound metadata; the commands need an answer when it is not. So this
 * is a second decoder of src/heap/layout.h. It reads through a reader (this process today), proves
 * the constant part of the root by its checksum, and from then on uses only numbers: where a
 * descriptor or a bitmap lies follows from the page number, and a pointer in a descriptor is
 * compared with that place instead of being followed.
 */
#include "view.h"

#include "heap/root.h"

#include <string.h>

static bool read_at(const struct ash_view *view, uint64_t address, void *to, size_t bytes) {
    const void *from = view->reader->view(view->reader->context, address, bytes, to);
    if (from == NULL) return false;
    if (from != to) memcpy(to, from, bytes);
    return true;
}

bool ash_view_open(struct ash_view *view, const struct ashlar_reader *reader, uint64_t root) {
    view->reader = reader;
    view->pages = 0;
    if (!read_at(view, root, &view->root, sizeof view->root)) return false;
    const struct ash_root *it = &view->root;
    if (it->magic != ASH_ROOT_MAGIC || it->layout_version != ASH_LAYOUT_VERSION) return false;
    if (it->root_bytes != sizeof *it || it->self != root) return false;
    if (it->checksum != ash_root_checksum(it)) return false;
    view->pages = it->committed_pages;
    if (view->pages > it->region_pages) view->pages = it->region_pages;
    return true;
}

static uint64_t descriptor_address(const struct ash_view *view, uint64_t page) {
    return view->root.pages + page * sizeof(struct ash_page);
}

/* Reads the bits of a slab. Windows that were never opened hold free blocks only. */
static void decode_bits(const struct ash_view *view, const struct ash_page *page,
                        struct ash_piece *out) {
    unsigned windows = ash_window_count(out->blocks);
    uint64_t inline_address =
        descriptor_address(view, out->page) + offsetof(struct ash_page, inline_words);
    uint64_t bitmap_address = view->root.bitmaps + out->page * ASH_BITMAP_STRIDE;
    uint64_t words = windows <= ASH_INLINE_WORDS ? inline_address : bitmap_address;
    bool free_known = (uint64_t)(uintptr_t)page->words == words &&
                      read_at(view, words, out->free_words, windows * sizeof(uint64_t));
    bool remote_known = read_at(view, bitmap_address + ASH_BITMAP_REMOTE_BYTES, out->remote_words,
                                windows * sizeof(uint64_t));
    out->damaged = !free_known || !remote_known;
    out->live = out->free = out->remote = 0;
    for (unsigned w = 0; w < windows; w++) {
        uint64_t full = ash_full_word(out->blocks, w);
        if (!free_known) out->free_words[w] = full;
        if (!remote_known) out->remote_words[w] = 0;
        out->free_words[w] &= full;
        out->remote_words[w] &= full & ~out->free_words[w];
        out->free += ash_count_bits(out->free_words[w]);
        out->remote += ash_count_bits(out->remote_words[w]);
    }
    out->live = out->blocks - out->free - out->remote;
}

static uint32_t owner_id(const struct ash_view *view, uint64_t owner) {
    uint64_t first = view->root.thread_heaps, stride = view->root.thread_heap_stride;
    if (owner < first || stride == 0 || (owner - first) % stride != 0) return 0;
    uint64_t id = (owner - first) / stride + 1;
    return id <= view->root.thread_heap_capacity ? (uint32_t)id : 0;
}

static bool decode_slab(const struct ash_view *view, const struct ash_page *page,
                        struct ash_piece *out) {
    if (page->class_index >= ASH_CLASS_COUNT || page->slab_pages == 0) return false;
    if (page->slab_pages > ASH_SLAB_PAGES_MAX || page->slab_pages > view->pages - out->page) {
        return false;
    }
    out->kind = ASH_PIECE_SLAB;
    out->pages = page->slab_pages;
    out->class_index = page->class_index;
    out->block_bytes = view->root.classes[page->class_index].block_bytes;
    out->blocks = page->block_count;
    if (out->blocks == 0 || out->blocks > ASH_WINDOWS_MAX * ASH_WINDOW_BLOCKS) return false;
    if (out->block_bytes * out->blocks > out->pages * ASH_PAGE_BYTES) return false;
    out->owner = owner_id(view, (uint64_t)(uintptr_t)page->owner);
    out->place = page->place;
    decode_bits(view, page, out);
    return true;
}

/* One descriptor as a piece; false when it makes no sense as the start of one. */
static bool decode(const struct ash_view *view, uint64_t number, struct ash_piece *out) {
    struct ash_page page;
    if (!read_at(view, descriptor_address(view, number), &page, sizeof page)) return false;
    if (page.kind == ASH_PAGE_SLAB) return decode_slab(view, &page, out);
    bool kept = page.kind == ASH_PAGE_KEPT; /* free, as far as users see */
    if (page.kind != ASH_PAGE_SPAN && page.kind != ASH_PAGE_FREE && !kept) return false;
    if (page.pages == 0 || page.pages > view->pages - number) return false;
    out->pages = page.pages;
    if (page.kind == ASH_PAGE_FREE || kept) {
        out->kind = ASH_PIECE_FREE;
        bool all = kept || page.run.dirty_pages > page.pages;
        out->dirty_pages = all ? page.pages : page.run.dirty_pages;
        return true;
    }
    out->kind = ASH_PIECE_SPAN;
    out->block_bytes = (uint64_t)page.pages << ASH_PAGE_SHIFT;
    out->requested_bytes = page.span.requested_bytes;
    out->blocks = out->live = 1;
    return true;
}

static void start_piece(const struct ash_view *view, uint64_t page, struct ash_piece *out) {
    out->page = page;
    out->address = view->root.region_base + (page << ASH_PAGE_SHIFT);
    out->block_bytes = out->requested_bytes = out->dirty_pages = 0;
    out->class_index = out->blocks = out->owner = out->live = out->free = out->remote = 0;
    out->place = 0;
    out->damaged = false;
}

bool ash_view_piece(const struct ash_view *view, uint64_t page, struct ash_piece *out) {
    if (page >= view->pages) return false;
    start_piece(view, page, out);
    if (decode(view, page, out)) return true;
    /* One damaged piece up to the next page that starts something. */
    uint64_t next = page + 1;
    while (next < view->pages) {
        start_piece(view, next, out);
        if (decode(view, next, out)) break;
        next++;
    }
    start_piece(view, page, out);
    out->kind = ASH_PIECE_DAMAGED;
    out->pages = next - page;
    out->damaged = true;
    return true;
}

bool ash_view_piece_of(const struct ash_view *view, uint64_t page, struct ash_piece *out,
                       uint64_t *before) {
    uint64_t previous = 0;
    for (uint64_t at = 0; ash_view_piece(view, at, out); at += out->pages) {
        if (page - at < out->pages) {
            if (before != NULL) *before = previous;
            return true;
        }
        previous = at;
    }
    return false;
}

void ash_view_block_at(const struct ash_piece *piece, uint32_t index, struct ash_view_block *out) {
    out->address = piece->address + index * piece->block_bytes;
    out->bytes = piece->block_bytes;
    out->page = piece->page;
    out->index = index;
    out->owner = piece->owner;
    out->span = piece->kind == ASH_PIECE_SPAN;
    out->state = ASHLAR_BLOCK_LIVE;
    if (out->span) return;
    unsigned w = index / ASH_WINDOW_BLOCKS;
    uint64_t bit = UINT64_C(1) << (index % ASH_WINDOW_BLOCKS);
    if ((piece->remote_words[w] & bit) != 0) out->state = ASHLAR_BLOCK_REMOTE;
    if ((piece->free_words[w] & bit) != 0) out->state = ASHLAR_BLOCK_FREE;
}

bool ash_view_block_of(const struct ash_view *view, uint64_t address, struct ash_view_block *out) {
    if (address < view->root.region_base) return false;
    uint64_t page = (address - view->root.region_base) >> ASH_PAGE_SHIFT;
    struct ash_piece piece;
    if (!ash_view_piece_of(view, page, &piece, NULL) || piece.blocks == 0) return false;
    uint64_t index = (address - piece.address) / piece.block_bytes;
    if (index >= piece.blocks) return false; /* the slab's tail */
    ash_view_block_at(&piece, (uint32_t)index, out);
    return true;
}

bool ash_view_block_before(const struct ash_view *view, const struct ash_view_block *block,
                           struct ash_view_block *out) {
    struct ash_piece piece;
    uint64_t before;
    if (!ash_view_piece_of(view, block->page, &piece, &before)) return false;
    if (block->index > 0 && block->index < piece.blocks) {
        ash_view_block_at(&piece, block->index - 1, out);
        return true;
    }
    if (before == block->page) return false;
    if (!ash_view_piece(view, before, &piece) || piece.blocks == 0) return false;
    ash_view_block_at(&piece, piece.blocks - 1, out);
    return true;
}

bool ash_view_block_after(const struct ash_view *view, const struct ash_view_block *block,
                          struct ash_view_block *out) {
    struct ash_piece piece;
    if (!ash_view_piece(view, block->page, &piece)) return false;
    if (block->index + 1 < piece.blocks) {
        ash_view_block_at(&piece, block->index + 1, out);
        return true;
    }
    if (!ash_view_piece(view, block->page + piece.pages, &piece) || piece.blocks == 0) return false;
    ash_view_block_at(&piece, 0, out);
    return true;
}

const char *ash_state_text(uint8_t state) {
    static const char *const texts[] = {"free", "live", "remotely freed"};
    return state < sizeof texts / sizeof texts[0] ? texts[state] : "unknown";
}

const char *ash_place_text(uint8_t place) {
    static const char *const texts[] = {"full", "queued", "current"};
    return place < sizeof texts / sizeof texts[0] ? texts[place] : "unknown";
}
