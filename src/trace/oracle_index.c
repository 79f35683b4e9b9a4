/* The index of live blocks by address: two levels of sorted arrays.
 *
 *   firsts   | 0x1000 | 0x9000 | 0xf000 |          lowest start of each leaf, in order
 *   order    |   #0   |   #2   |   #1   |          which leaf it is
 *   leaf #2  | 0x9000 0x9040 0x9080 ... |          starts and slots, in order
 *
 * A replay of a few dozen blocks stays in one leaf: a sorted array. Millions of blocks make some
 * ten thousand leaves, whose firsts still fit the cache, so an insertion costs two binary searches
 * and one short memmove. Blocks in the index do not overlap, so only the neighbours of a new one
 * can overlap it.
 *
 * Two neighbouring leaves hold together more than half a leaf (removal merges them otherwise), so
 * n blocks need at most 4n / ASH_LEAF_ENTRIES + 2 leaves, and the mapping can be sized up front.
 */
#include "trace/oracle.h"

#include <string.h>

uint64_t ash_index_leaves(uint64_t slots) {
    return slots * 4 / ASH_LEAF_ENTRIES + 3;
}

/* Number of entries that are not above `start`. */
static uint32_t rank(const uint64_t *starts, uint32_t count, uint64_t start) {
    uint32_t low = 0;
    while (count > 0) {
        uint32_t half = count / 2;
        bool right = starts[low + half] <= start;
        low = right ? low + half + 1 : low;
        count = right ? count - half - 1 : half;
    }
    return low;
}

/* Position in order of the leaf that `start` is in or belongs to. */
static uint32_t leaf_place(const struct ash_index *index, uint64_t start) {
    uint32_t place = rank(index->firsts, index->leaf_count, start);
    return place > 0 ? place - 1 : 0;
}

static uint32_t take_leaf(struct ash_index *index) {
    uint32_t number = index->free_leaf - 1;
    if (index->free_leaf != 0) {
        index->free_leaf = index->leaves[number].next_free;
    } else {
        number = index->leaves_made++;
    }
    index->leaves[number].count = 0;
    return number;
}

static void add_leaf(struct ash_index *index, uint32_t place, uint32_t number, uint64_t first) {
    uint32_t behind = index->leaf_count - place;
    memmove(&index->firsts[place + 1], &index->firsts[place], behind * sizeof index->firsts[0]);
    memmove(&index->order[place + 1], &index->order[place], behind * sizeof index->order[0]);
    index->firsts[place] = first;
    index->order[place] = number;
    index->leaf_count++;
}

static void remove_leaf(struct ash_index *index, uint32_t place) {
    uint32_t number = index->order[place], behind = index->leaf_count - place - 1;
    memmove(&index->firsts[place], &index->firsts[place + 1], behind * sizeof index->firsts[0]);
    memmove(&index->order[place], &index->order[place + 1], behind * sizeof index->order[0]);
    index->leaf_count--;
    index->leaves[number].next_free = index->free_leaf;
    index->free_leaf = number + 1;
}

/* Moves the upper half of a full leaf to a new one behind it. */
static void split_leaf(struct ash_index *index, uint32_t place) {
    struct ash_leaf *full = &index->leaves[index->order[place]];
    uint32_t number = take_leaf(index), half = ASH_LEAF_ENTRIES / 2;
    struct ash_leaf *upper = &index->leaves[number];
    memcpy(upper->starts, full->starts + half, half * sizeof full->starts[0]);
    memcpy(upper->slots, full->slots + half, half * sizeof full->slots[0]);
    upper->count = full->count = half;
    add_leaf(index, place + 1, number, upper->starts[0]);
}

/* Merges the leaf at `place` with the one behind it if half a leaf holds both. */
static void merge_leaf(struct ash_index *index, uint32_t place) {
    if (place + 1 >= index->leaf_count) return;
    struct ash_leaf *to = &index->leaves[index->order[place]];
    const struct ash_leaf *from = &index->leaves[index->order[place + 1]];
    if (to->count + from->count > ASH_LEAF_ENTRIES / 2) return;
    memcpy(to->starts + to->count, from->starts, from->count * sizeof from->starts[0]);
    memcpy(to->slots + to->count, from->slots, from->count * sizeof from->slots[0]);
    to->count += from->count;
    remove_leaf(index, place + 1);
}

/* Bytes a block occupies: one of size 0 still has an address of its own. */
static uint64_t extent(const struct ash_slot *slot) {
    return slot->usable > 0 ? slot->usable : 1;
}

static bool reaches(const struct ashlar_oracle *oracle, uint32_t number, uint64_t address) {
    const struct ash_slot *slot = &oracle->slots[number];
    return address - slot->address < extent(slot);
}

uint32_t ash_index_find(const struct ashlar_oracle *oracle, uint64_t address) {
    const struct ash_index *index = &oracle->index;
    if (index->leaf_count == 0) return ASH_NO_SLOT;
    const struct ash_leaf *leaf = &index->leaves[index->order[leaf_place(index, address)]];
    uint32_t at = rank(leaf->starts, leaf->count, address);
    if (at == 0) return ASH_NO_SLOT;
    return reaches(oracle, leaf->slots[at - 1], address) ? leaf->slots[at - 1] : ASH_NO_SLOT;
}

uint32_t ash_index_insert(struct ashlar_oracle *oracle, uint32_t number, uint64_t start,
                          uint64_t bytes) {
    struct ash_index *index = &oracle->index;
    if (index->leaf_count == 0) add_leaf(index, 0, take_leaf(index), start);
    uint32_t place = leaf_place(index, start);
    struct ash_leaf *leaf = &index->leaves[index->order[place]];
    uint32_t at = rank(leaf->starts, leaf->count, start);
    if (at > 0 && reaches(oracle, leaf->slots[at - 1], start)) return leaf->slots[at - 1];
    bool last = at == leaf->count;
    const struct ash_leaf *behind = leaf;
    if (last && place + 1 < index->leaf_count) behind = &index->leaves[index->order[place + 1]];
    uint32_t next = last ? 0 : at;
    if ((!last || behind != leaf) && behind->starts[next] - start < (bytes > 0 ? bytes : 1))
        return behind->slots[next];
    if (leaf->count == ASH_LEAF_ENTRIES) {
        split_leaf(index, place);
        if (at > leaf->count) {
            at -= leaf->count;
            leaf = &index->leaves[index->order[++place]];
        }
    }
    uint32_t rest = leaf->count - at;
    memmove(leaf->starts + at + 1, leaf->starts + at, rest * sizeof leaf->starts[0]);
    memmove(leaf->slots + at + 1, leaf->slots + at, rest * sizeof leaf->slots[0]);
    leaf->starts[at] = start;
    leaf->slots[at] = number;
    leaf->count++;
    index->firsts[place] = leaf->starts[0];
    return ASH_NO_SLOT;
}

void ash_index_remove(struct ashlar_oracle *oracle, uint64_t start) {
    struct ash_index *index = &oracle->index;
    uint32_t place = leaf_place(index, start);
    struct ash_leaf *leaf = &index->leaves[index->order[place]];
    uint32_t at = rank(leaf->starts, leaf->count, start) - 1;
    ASH_ASSERT(leaf->starts[at] == start);
    uint32_t rest = leaf->count - at - 1;
    memmove(leaf->starts + at, leaf->starts + at + 1, rest * sizeof leaf->starts[0]);
    memmove(leaf->slots + at, leaf->slots + at + 1, rest * sizeof leaf->slots[0]);
    leaf->count--;
    if (leaf->count == 0) {
        remove_leaf(index, place);
        /* The leaves that are neighbours now were each beside an empty-going one: merge them too.
         */
        if (place > 0) merge_leaf(index, place - 1);
        return;
    }
    index->firsts[place] = leaf->starts[0];
    if (leaf->count > ASH_LEAF_ENTRIES / 2) return;
    merge_leaf(index, place);
    if (place > 0) merge_leaf(index, place - 1);
}
