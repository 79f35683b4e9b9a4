/* Linux tells the state of each thread and its flags in /proc/self/task/ID/stat, and how often it
 * was switched to and from in .../status: see proc(5). Read by plain system calls into buffers on
 * the stack, since opendir allocates.
 *
 * A thread that ends is listed for a while after whoever joined it was told, even as one that runs;
 * the flag PF_EXITING is set by then, and nothing of the program runs on it any more. So it counts
 * for none, nor does one that goes while the list is read. But either may have begun another one
 * just before, which a list that was begun earlier need not show. So the list is read again until
 * it holds none but those that were ending before. */
#include "os/tasks.h"

#include "base/line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_BYTES = 4096,
    ENTRIES_BYTES = 4096,
    TURNS = 16,
    PF_EXITING = 4,     /* include/linux/sched.h: so since Linux 2.4 */
    STATE_TO_FLAGS = 6, /* fields */
};

/* One reading of the list. */
struct list {
    struct ash_tasks tasks;
    uint64_t ending; /* which ones are */
    bool gone;       /* one went meanwhile */
};

static int open_file(const char *id, const char *name) {
    struct ash_line path = {0};
    ash_line_text(&path, "/proc/self/task/");
    ash_line_text(&path, id);
    ash_line_text(&path, name);
    path.text[path.length] = '\0';
    return open(path.text, O_RDONLY | O_CLOEXEC);
}

/* The whole file as text; false when it cannot be read, with ENOENT or ESRCH when the thread has
 * gone. */
static bool read_file(const char *id, const char *name, char text[FILE_BYTES]) {
    int fd = open_file(id, name);
    if (fd < 0) return false;
    size_t length = 0;
    ssize_t now = 1;
    while (now > 0 && length < FILE_BYTES - 1) {
        now = read(fd, text + length, FILE_BYTES - 1 - length);
        if (now > 0) length += (size_t)now;
    }
    int kept = errno;
    close(fd);
    errno = kept;
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

static uint64_t mix(uint64_t value) {
    value *= UINT64_C(0x9e3779b97f4a7c15);
    return (value ^ value >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* State and flags, which follow the name in brackets. */
static bool state_fields(const char *text, char *state, uint64_t *flags) {
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ') return false;
    *state = at[2];
    at += 1;
    for (unsigned i = 0; i < STATE_TO_FLAGS && at != NULL; i++) at = strchr(at + 1, ' ');
    return at != NULL && ash_digits(at + 1, strspn(at + 1, "0123456789"), UINT64_MAX, flags);
}

static bool has_gone(struct list *list) {
    list->gone = errno == ENOENT || errno == ESRCH;
    return list->gone;
}

/* Adds one thread; false when nothing is known of it. */
static bool look_at(const char *id, struct list *list) {
    char text[FILE_BYTES], state;
    uint64_t number, flags, waited, preempted;
    if (!ash_digits(id, strlen(id), UINT32_MAX, &number)) return true; /* "." and ".." */
    if (number == (uint64_t)gettid()) return true;
    if (!read_file(id, "/stat", text)) return has_gone(list);
    if (!state_fields(text, &state, &flags)) return false;
    if ((flags & PF_EXITING) != 0) {
        list->ending += mix(number);
        return true;
    }
    if (!read_file(id, "/status", text)) return has_gone(list);
    if (!number_field(text, "voluntary_ctxt_switches:", &waited) ||
        !number_field(text, "nonvoluntary_ctxt_switches:", &preempted))
        return false;
    list->tasks.others++;
    if (state == 'R') list->tasks.asleep = false;
    list->tasks.mark += mix((number << 32 ^ number) + mix(waited + preempted));
    return true;
}

/* One buffer full of directory entries. */
static bool look_at_all(const char *entries, size_t bytes, struct list *list) {
    for (size_t at = 0; at < bytes;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
        if (!look_at(entry->d_name, list)) return false;
        at += entry->d_reclen;
    }
    return true;
}

static bool list_read(struct list *list) {
    _Alignas(struct dirent64) char entries[ENTRIES_BYTES];
    memset(entries, 0, sizeof entries); /* MemorySanitizer knows nothing of getdents64 */
    *list = (struct list){.tasks.asleep = true};
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool known = fd >= 0;
    while (known) {
        ssize_t bytes = getdents64(fd, entries, sizeof entries);
        if (bytes == 0) break;
        known = bytes > 0 && look_at_all(entries, (size_t)bytes, list);
    }
    if (fd >= 0) close(fd);
    return known;
}

bool ash_tasks_look(struct ash_tasks *out) {
    struct list list;
    uint64_t ending = 0;
    int kept = errno;
    bool known = false, again = true;
    for (unsigned turn = 0; again && turn < TURNS; turn++) {
        known = list_read(&list);
        again = known && (list.gone || list.ending != ending);
        ending = list.ending;
    }
    errno = kept;
    *out = list.tasks;
    return known && !again;
}
