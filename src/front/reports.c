/* Reports.
 *
 * 1. Purpose. What the process heap says to people goes to one place, which the option `output`
 *    names: standard error, another file descriptor, or a file, which each report opens anew and
 *    adds to.
 * 2. Standard error at exit. Many programs close it when they end, to learn of errors in writing,
 *    before a library's exit code runs. Who wants a report at exit gets a duplicate of it, made at
 *    the start. A program may close that too and open a file that gets its number; so the file that
 *    it was is remembered, and a descriptor that has become another file is never written to.
 * 3. How it fails. A file that cannot be opened costs one line on standard error, and the report
 *    goes there. */
#include "front/reports.h"

#include "diag/statistics.h"
#include "front/front.h"
#include "front/options.h"
#include "heap/misuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT_FD_LEAST = 1000 }; /* out of the way of programs that count on low numbers */

/* Section 2. Written once, at the start. */
static struct {
    int of, fd; /* which descriptor was duplicated, and to which; 0 and 0 for none */
    dev_t device;
    ino_t inode;
} kept;

/* The file descriptor that the option names; -1 for a file. */
static int output_descriptor(const char *output) {
    uint64_t number;
    if (strcmp(output, "stderr") == 0) return STDERR_FILENO;
    return ash_digits(output, strlen(output), INT32_MAX, &number) ? (int)number : -1;
}

void ash_report_keep(void) {
    int before = errno, fd = output_descriptor(ash_option_output());
    struct stat file;
    if (kept.fd == 0 && fd >= 0 && fstat(fd, &file) == 0) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_LEAST);
        if (copy < 0) copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); /* a low limit */
        if (copy >= 0) {
            kept.of = fd;
            kept.fd = copy;
            kept.device = file.st_dev;
            kept.inode = file.st_ino;
        }
    }
    errno = before;
}

static int descriptor_or_kept(int fd) {
    struct stat file;
    bool same = kept.fd != 0 && kept.of == fd && fstat(kept.fd, &file) == 0 &&
                file.st_dev == kept.device && file.st_ino == kept.inode;
    return same ? kept.fd : fd;
}

/* The name with %p and %n replaced. */
static void file_name(struct ash_line *name, const char *pattern) {
    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] != '%' || pattern[1] == '\0') {
            ash_line_bytes(name, pattern, 1);
            continue;
        }
        pattern++;
        if (*pattern == 'p')
            ash_line_number(name, (uint64_t)getpid());
        else if (*pattern == 'n')
            ash_line_text(name, program_invocation_short_name);
        else
            ash_line_bytes(name, pattern, 1); /* %% */
    }
    name->text[name->length] = '\0';
}

int ash_report_open(void) {
    const char *output = ash_option_output();
    int before = errno, fd = output_descriptor(output);
    if (fd < 0) {
        struct ash_line name = {0};
        file_name(&name, output);
        fd = open(name.text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd < 0) {
            struct ash_line line = {0};
            ash_line_text(&line, "ashlar: output: cannot write to ");
            ash_line_bytes(&line, name.text, name.length);
            fd = descriptor_or_kept(STDERR_FILENO);
            ash_line_send(&line, fd);
        }
    } else {
        fd = descriptor_or_kept(fd);
    }
    errno = before;
    return fd;
}

void ash_report_close(int fd) {
    int before = errno;
    if (output_descriptor(ash_option_output()) < 0 && fd != kept.fd && fd != STDERR_FILENO)
        close(fd);
    errno = before;
}

void ash_report_title(struct ash_line *line, const char *what) {
    ash_line_text(line, "ashlar: ");
    ash_line_text(line, what);
    ash_line_text(line, ": ");
    ash_line_text(line, program_invocation_short_name);
    ash_line_text(line, " (process ");
    ash_line_number(line, (uint64_t)getpid());
    ash_line_text(line, ")");
}

void ash_report_misuse(void *context, const struct ashlar_misuse *misuse) {
    (void)context;
    struct ash_line line = {0};
    int fd = ash_report_open();
    ash_misuse_text(&line, misuse);
    ash_line_send(&line, fd);
    ash_report_close(fd);
    if (ash_option(ASH_OPTION_ON_MISUSE) == ASH_ON_MISUSE_ABORT) abort();
}

void ash_report_statistics(const char *what) {
    struct ashlar_heap *heap = ash_front_heap();
    if (heap == NULL) return;
    struct ash_line line = {0};
    int fd = ash_report_open();
    ash_report_title(&line, what);
    ash_line_send(&line, fd);
    ash_diag_statistics(heap, ash_option(ASH_OPTION_VERBOSE) != 0, fd);
    ash_report_close(fd);
}
