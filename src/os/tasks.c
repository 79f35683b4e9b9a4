/* Linux tells the state of each thread, and how often it was switched to and from, in
 * /proc/self/task/ID/status: see proc(5). Read by plain system calls into buffers on the stack,
 * since opendir allocates. */
#include "os/tasks.h"

#include "base/line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_BYTES = 4096, ENTRIES_BYTES = 4096 };

static int open_status(const char *id) {
    struct ash_line path = {0};
    ash_line_text(&path, "/proc/self/task/");
    ash_line_text(&path, id);
    ash_line_text(&path, "/status");
    path.text[path.length] = '\0';
    return open(path.text, O_RDONLY | O_CLOEXEC);
}

/* The whole file as text; false when it cannot be read. */
static bool read_status(const char *id, char text[STATUS_BYTES]) {
    int fd = open_status(id);
    if (fd < 0) return false;
    size_t length = 0;
    ssize_t now = 1;
    while (now > 0 && length < STATUS_BYTES - 1) {
        now = read(fd, text + length, STATUS_BYTES - 1 - length);
        if (now > 0) length += (size_t)now;
    }
    close(fd);
    text[length] = '\0';
    return now == 0;
}

/* What follows "name:" and blanks at a line's start; NULL when there is no such line. */
static const char *field(const char *text, const char *name) {
    size_t length = strlen(name);
    while (text != NULL && memcmp(text, name, length) != 0) {
        text = strchr(text, '\n');
        if (text != NULL) text++;
        if (text != NULL && strlen(text) < length) return NULL;
    }
    return text == NULL ? NULL : text + length + strspn(text + length, " \t");
}

static bool number_field(const char *text, const char *name, uint64_t *out) {
    const char *at = field(text, name);
    return at != NULL && ash_digits(at, strspn(at, "0123456789"), UINT64_MAX, out);
}

/* Adds one thread; false when nothing is known of it. */
static bool look_at(const char *id, struct ash_tasks *out) {
    char text[STATUS_BYTES];
    uint64_t number, waited, preempted;
    if (!ash_digits(id, strlen(id), UINT32_MAX, &number)) return true; /* "." and ".." */
    if (number == (uint64_t)gettid()) return true;
    if (!read_status(id, text)) return false;
    const char *state = field(text, "State:");
    if (state == NULL || !number_field(text, "voluntary_ctxt_switches:", &waited) ||
        !number_field(text, "nonvoluntary_ctxt_switches:", &preempted))
        return false;
    out->others++;
    if (*state == 'R') out->asleep = false;
    uint64_t mix = (number << 32 ^ number) + (waited + preempted) * UINT64_C(0x9e3779b97f4a7c15);
    out->mark += (mix ^ mix >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return true;
}

/* One buffer full of directory entries. */
static bool look_at_all(const char *entries, size_t bytes, struct ash_tasks *out) {
    for (size_t at = 0; at < bytes;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
        if (!look_at(entry->d_name, out)) return false;
        at += entry->d_reclen;
    }
    return true;
}

bool ash_tasks_look(struct ash_tasks *out) {
    _Alignas(struct dirent64) char entries[ENTRIES_BYTES];
    int kept = errno;
    memset(entries, 0, sizeof entries); /* MemorySanitizer knows nothing of getdents64 */
    *out = (struct ash_tasks){.asleep = true};
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool known = fd >= 0;
    while (known) {
        ssize_t bytes = getdents64(fd, entries, sizeof entries);
        if (bytes == 0) break;
        known = bytes > 0 && look_at_all(entries, (size_t)bytes, out);
    }
    if (fd >= 0) close(fd);
    errno = kept;
    return known;
}
