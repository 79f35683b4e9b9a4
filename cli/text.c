/* Words and numbers for people, the same on every machine: no locale, no address of the host. */
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ash_phrase ash_count_text(uint64_t count) {
    char digits[24];
    struct ash_phrase out;
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    out.text[at] = '\0';
    return out;
}

struct ash_phrase ash_plural(uint64_t count, const char *noun) {
    struct ash_phrase out;
    snprintf(out.text, sizeof out.text, "%.32s %.60s%s", ash_count_text(count).text, noun,
             count == 1 ? "" : "s");
    return out;
}

struct ash_phrase ash_percent(uint64_t part, uint64_t whole) {
    struct ash_phrase out;
    uint64_t tenths = 1000; /* nothing to do is all of it */
    if (whole > 0 && part < whole) {
        tenths = (uint64_t)((unsigned __int128)part * 1000 / whole);
    }
    if (tenths % 10 == 0) {
        snprintf(out.text, sizeof out.text, "%" PRIu64 " %%", tenths / 10);
    } else {
        snprintf(out.text, sizeof out.text, "%" PRIu64 ".%" PRIu64 " %%", tenths / 10, tenths % 10);
    }
    return out;
}

enum ash_space ash_address_space(const struct ash_session *session, uint64_t address,
                                 uint64_t *offset) {
    const struct ash_root *root = &session->view.root;
    *offset = 0;
    if (!session->viewed) return ASH_SPACE_NONE;
    if (address - root->region_base < root->region_pages << ASH_PAGE_SHIFT) {
        *offset = address - root->region_base;
        return ASH_SPACE_REGION;
    }
    if (address - root->metadata < root->metadata_bytes) {
        *offset = address - root->metadata;
        return ASH_SPACE_METADATA;
    }
    return ASH_SPACE_NONE;
}

static struct ash_phrase place(const struct ash_session *session, uint64_t address, bool is_value) {
    struct ash_phrase out;
    uint64_t offset;
    enum ash_space space = ash_address_space(session, address, &offset);
    if (session->source->addresses || (is_value && space == ASH_SPACE_NONE)) {
        snprintf(out.text, sizeof out.text, "0x%" PRIx64, address);
    } else if (space == ASH_SPACE_NONE) {
        snprintf(out.text, sizeof out.text, "%s",
                 session->viewed ? "an address outside the heap" : "an address of the target");
    } else {
        snprintf(out.text, sizeof out.text, "%s+0x%" PRIx64,
                 space == ASH_SPACE_REGION ? "region" : "metadata", offset);
    }
    return out;
}

struct ash_phrase ash_address_text(const struct ash_session *session, uint64_t address) {
    return place(session, address, false);
}

struct ash_phrase ash_value_text(const struct ash_session *session, uint64_t value) {
    return place(session, value, true);
}

struct ash_phrase ash_op_line(const struct ashlar_trace *trace, size_t index) {
    struct ash_phrase out = {""};
    if (index < trace->count) ashlar_op_text(&trace->ops[index], out.text, sizeof out.text);
    return out;
}

static bool resolve_slot(const struct ash_session *session, const char *text, uint64_t *address) {
    uint64_t number;
    if (!ash_option_number(text, UINT32_MAX, &number)) {
        ash_fail(0, "`%s` is not the number of a slot", text);
        return false;
    }
    if (number < session->trace->slots) {
        bool live;
        uint64_t requested;
        *address =
            ashlar_replay_slot_address(&session->result, (uint32_t)number, &live, &requested);
        if (*address != 0) return true;
    }
    /* A block that the replay refused to put into the slot: the finding says where it is. */
    const struct ashlar_replay_result *result = &session->result;
    size_t index = result->finding.op_index;
    if (result->found && result->finding.layer == ASHLAR_LAYER_ORACLE &&
        index < session->trace->count && session->trace->ops[index].slot == number) {
        *address = result->finding.address;
        if (*address != 0) return true;
    }
    ash_fail(0, "slot %" PRIu64 " has no block at this point of the trace", number);
    return false;
}

/* "region+N" and plain numbers. */
static bool resolve_number(const struct ash_session *session, const char *text, uint64_t *address) {
    bool relative = !session->source->addresses;
    const char *digits = text;
    if (strncmp(text, "region+", 7) == 0) {
        relative = true;
        digits = text + 7;
    } else if (strcmp(text, "region") == 0) {
        relative = true;
        digits = "0";
    }
    if (!ash_option_number(digits, UINT64_MAX, address)) {
        ash_fail(0, "`%s` is no address: slot:N, #N, region+0xN, or a number", text);
        return false;
    }
    if (relative && session->viewed) *address += session->view.root.region_base;
    return true;
}

bool ash_resolve(const struct ash_session *session, const char *name, uint64_t *address) {
    char text[64];
    if (strlen(name) >= sizeof text) {
        ash_fail(0, "`%.40s...` is no address: slot:N, #N, region+0xN, or a number", name);
        return false;
    }
    memcpy(text, name, strlen(name) + 1);
    uint64_t offset = 0;
    char *plus = strrchr(text, '+');
    bool more = plus != NULL && strcmp(text, "region") != 0 &&
                !(strncmp(text, "region+", 7) == 0 && plus == text + 6);
    if (more) {
        *plus = '\0';
        if (!ash_option_number(plus + 1, UINT64_MAX, &offset)) {
            ash_fail(0, "`%s` is no distance in bytes", plus + 1);
            return false;
        }
    }
    bool known;
    *address = 0;
    if (strncmp(text, "slot:", 5) == 0) {
        known = resolve_slot(session, text + 5, address);
    } else if (text[0] == '#') {
        known = resolve_slot(session, text + 1, address);
    } else {
        known = resolve_number(session, text, address);
    }
    *address += offset;
    return known;
}
