/* Patterns: what the oracle writes into blocks, and where.
 *
 * The word at offset 8k of a block is key + k * STEP. Two blocks carry the same word at the same
 * offset only if their keys are equal; a shifted copy needs keys that differ by a multiple of STEP,
 * which random keys do not. The words of a range do not depend on the range, so any part of what
 * was written can be verified. Plain additions: the loops run at the speed of memory.
 *
 * Ranges. A block that is small enough for its tier is written as a whole. Any other is written at
 * its head, around the end of what was requested (where a copy that is too short shows), at its
 * tail (where a neighbour's overflow shows) and, in the upper tiers, at samples in between, one in
 * so many OS pages, at an offset within the page that varies from block to block.
 */
#include "trace/oracle.h"

#include <string.h>

#define STEP UINT64_C(0x9e3779b97f4a7c15)

enum { SAMPLE_BYTES = 64, OS_PAGE_BYTES = 4096 };

/* Per tier. `budget_bytes`: no more than this is patterned wholly at once, so that a trace of many
 * large blocks does not take the machine's memory. */
static const struct {
    uint64_t whole_bytes;
    uint64_t budget_bytes;
    uint32_t edge_bytes;
    uint32_t samples;
} tiers[] = {
    [ASHLAR_ORACLE_LIGHT] = {128, UINT64_MAX, 16, 0},
    [ASHLAR_ORACLE_SAMPLED] = {1024, UINT64_MAX, 64, 16},
    [ASHLAR_ORACLE_FULL] = {UINT64_C(64) << 20, UINT64_C(256) << 20, 4096, 256},
};

bool ash_pattern_whole(enum ashlar_oracle_tier tier, uint64_t bytes, uint64_t whole_bytes) {
    if (bytes <= tiers[ASHLAR_ORACLE_SAMPLED].whole_bytes) return bytes <= tiers[tier].whole_bytes;
    return bytes <= tiers[tier].whole_bytes && whole_bytes + bytes <= tiers[tier].budget_bytes;
}

uint64_t ash_pattern_key(uint64_t seed, uint32_t slot, uint32_t generation) {
    uint64_t key = seed + STEP * (((uint64_t)slot << 32 | generation) + 1);
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

void ash_ranges_init(struct ash_ranges *ranges, const struct ash_slot *slot,
                     enum ashlar_oracle_tier tier) {
    *ranges = (struct ash_ranges){
        .usable = slot->usable,
        .requested = slot->requested,
        .key = slot->key,
        .edge = tiers[tier].edge_bytes,
        .whole = slot->whole,
    };
    if (slot->whole || tiers[tier].samples == 0) return;
    uint64_t step = slot->usable / tiers[tier].samples;
    ranges->step = ash_round_up(step > 0 ? step : 1, OS_PAGE_BYTES);
    ranges->samples = (uint32_t)(slot->usable / ranges->step);
    ranges->place = slot->key % (OS_PAGE_BYTES - SAMPLE_BYTES) & ~UINT64_C(7);
}

/* Ranges: 0 head, 1 before the requested end, 2 tail, 3.. samples. They may overlap. */
bool ash_ranges_next(struct ash_ranges *ranges, uint64_t *from, uint64_t *to) {
    uint32_t at = ranges->at++;
    if (ranges->whole) {
        *from = 0;
        *to = ranges->usable;
        return at == 0;
    }
    if (at >= 3 + ranges->samples) return false;
    uint64_t end = at == 0 ? ranges->edge : at == 1 ? ranges->requested : ranges->usable;
    if (at >= 3) {
        *from = (at - 3) * ranges->step + ranges->place;
        end = *from + SAMPLE_BYTES;
    } else {
        *from = end > ranges->edge ? (end - ranges->edge) & ~UINT64_C(7) : 0;
    }
    *to = end < ranges->usable ? end : ranges->usable;
    return true;
}

void ash_pattern_write(uintptr_t block, uint64_t from, uint64_t to, uint64_t key) {
    unsigned char *bytes = (unsigned char *)block;
    uint64_t offset = from;
    for (; offset + 8 <= to; offset += 8) {
        uint64_t word = key + offset / 8 * STEP;
        memcpy(bytes + offset, &word, 8);
    }
    if (offset < to) {
        uint64_t word = key + offset / 8 * STEP;
        memcpy(bytes + offset, &word, to - offset);
    }
}

/* The words [from, to) of the block are what they should be. */
static bool words_match(const unsigned char *bytes, uint64_t from, uint64_t to, uint64_t key) {
    uint64_t different = 0;
    for (uint64_t offset = from; offset < to; offset += 8) {
        uint64_t word;
        memcpy(&word, bytes + offset, 8);
        different |= word ^ (key + offset / 8 * STEP);
    }
    return different == 0;
}

uint64_t ash_pattern_verify(uintptr_t block, uint64_t from, uint64_t to, uint64_t key,
                            uint8_t *expected, uint8_t *found) {
    const unsigned char *bytes = (const unsigned char *)block;
    while (from < to) {
        uint64_t end = to - from > OS_PAGE_BYTES ? from + OS_PAGE_BYTES : to;
        uint64_t words_end = from + ((end - from) & ~UINT64_C(7));
        if (!words_match(bytes, from, words_end, key)) break;
        from = words_end;
        if (end - from > 0 && end - from < 8) break;
    }
    for (; from < to; from++) {
        uint8_t want = (uint8_t)((key + from / 8 * STEP) >> (from % 8 * 8));
        if (bytes[from] == want) continue;
        *expected = want;
        *found = bytes[from];
        return from;
    }
    return to;
}

uint64_t ash_pattern_nonzero(uintptr_t block, uint64_t from, uint64_t to) {
    const unsigned char *bytes = (const unsigned char *)block;
    while (from < to) {
        uint64_t end = to - from > OS_PAGE_BYTES ? from + OS_PAGE_BYTES : to;
        uint64_t any = 0, offset = from;
        for (; offset + 8 <= end; offset += 8) {
            uint64_t word;
            memcpy(&word, bytes + offset, 8);
            any |= word;
        }
        for (; offset < end; offset++) any |= bytes[offset];
        if (any != 0) break;
        from = end;
    }
    for (; from < to; from++) {
        if (bytes[from] != 0) return from;
    }
    return to;
}
