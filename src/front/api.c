/* The interface of the process heap: what <ashlar/ashlar.h> declares. */
#include "front/front.h"
#include "front/options.h"
#include "front/reports.h"
#include "front/verify.h"
#include "os/lock.h"

#include <ashlar/ashlar.h>
#include <string.h>

static struct ash_lock options_lock; /* one thread at a time sets options */

struct ashlar_heap *ashlar_process_heap(void) {
    return ash_front_heap();
}

/* A value that takes effect by something that has to be done. */
static bool take_effect(const struct ash_option_row *row, uint64_t before) {
    return ash_option_of(row) != ASH_OPTION_VERIFY_SIGNAL || ash_verify_on_signal(before);
}

enum ashlar_status ashlar_option_set(const char *name, const char *value) {
    const struct ash_option_row *row = ash_option_find(name, strlen(name));
    if (ash_front_heap() == NULL) return ASHLAR_NO_MEMORY; /* its environment comes first */
    if (row == NULL || !row->any_time) return ASHLAR_INVALID;
    enum ashlar_status status = ASHLAR_OK;
    ash_lock_take(&options_lock);
    uint64_t before = ash_option(ash_option_of(row));
    if (ash_option_assign(row, value, strlen(value)) != NULL) {
        status = ASHLAR_INVALID;
    } else if (!take_effect(row, before)) {
        struct ash_line text = {0};
        ash_option_value_text(&text, row, before);
        ash_option_assign(row, text.text, text.length);
        take_effect(row, before);
        status = ASHLAR_INVALID;
    }
    ash_lock_give(&options_lock);
    return status;
}

size_t ashlar_option_get(const char *name, char *value, size_t bytes) {
    const struct ash_option_row *row = ash_option_find(name, strlen(name));
    struct ash_line text = {0};
    if (row == NULL || ash_front_heap() == NULL) return 0; /* its environment comes first */
    if (row->type == ASH_OPTION_TEXT)
        ash_line_text(&text, ash_option_output());
    else
        ash_option_value_text(&text, row, ash_option(ash_option_of(row)));
    size_t length = text.length < bytes ? text.length : bytes - 1;
    if (bytes > 0) {
        memcpy(value, text.text, length);
        value[length] = '\0';
    }
    return text.length;
}

enum ashlar_verdict ashlar_verify(struct ashlar_check_report *report) {
    return ash_verify(ASH_VERIFY_ASKED, report);
}

void ashlar_print_stats(void) {
    ash_report_statistics("statistics");
}
