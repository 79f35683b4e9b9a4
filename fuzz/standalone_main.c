/* The plain replayer: what a harness is without a fuzzing engine. Runs the files it is given, and
 * all files of directories, and says what each did: for the corpus in the tests, for a crash on a
 * machine without an engine, and under a debugger or Valgrind.
 *
 * Exit: 0 no finding, 1 findings, 2 a file could not be read. A crash of the core is a crash of
 * this program: what is printed last names the file.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20 };

struct totals {
    uint64_t files, ops, skipped, misuses, findings, unreadable;
};

static void cannot(struct totals *totals, const char *path, const char *why) {
    fprintf(stderr, "%s: %s: %s\n", ash_harness.name, path, why);
    totals->unreadable++;
}

static void run_file(struct totals *totals, const char *path) {
    static uint8_t bytes[FILE_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        cannot(totals, path, strerror(errno));
        return;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed) {
        cannot(totals, path, "cannot be read");
        return;
    }
    printf("%s: ", path);
    fflush(stdout);
    struct ash_fuzz_outcome outcome;
    bool sound = ash_fuzz_input(bytes, size, path, &outcome);
    totals->files++;
    totals->ops += outcome.ops;
    totals->skipped += outcome.skipped;
    totals->misuses += outcome.misuses;
    totals->findings += !sound;
    if (outcome.failure != ASHLAR_OK) {
        printf("not run: %s\n", ashlar_status_text(outcome.failure));
        totals->unreadable++;
        return;
    }
    printf("%" PRIu64 " operations, %" PRIu64 " skipped, %" PRIu64 " misuses reported, %s\n",
           outcome.ops, outcome.skipped, outcome.misuses, sound ? "sound" : "FINDING");
}

/* Every file of a directory is an input, but for what is there for people. */
static int is_input(const struct dirent *entry) {
    return entry->d_name[0] != '.' && strncmp(entry->d_name, "README", 6) != 0;
}
static void run_path(struct totals *totals, const char *path, unsigned depth) {
    struct stat status;
    if (stat(path, &status) != 0) {
        cannot(totals, path, strerror(errno));
        return;
    }
    if (!S_ISDIR(status.st_mode)) {
        run_file(totals, path);
        return;
    }
    struct dirent **entries = NULL;
    int count = depth < 8 ? scandir(path, &entries, is_input, alphasort) : -1;
    if (count < 0) cannot(totals, path, "cannot be listed");
    for (int i = 0; i < count; i++) {
        char inner[4096];
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (length < (int)sizeof inner) run_path(totals, inner, depth + 1);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    struct totals totals = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", ash_harness.name);
        return 2;
    }
    if (ash_harness.drive != NULL && strncmp(argv[1], "--", 2) == 0)
        return ash_harness.drive(argc, argv);
    for (int i = 1; i < argc; i++) run_path(&totals, argv[i], 0);
    printf("%" PRIu64 " inputs, %" PRIu64 " operations, %" PRIu64 " skipped, %" PRIu64
           " misuses reported, %" PRIu64 " findings\n",
           totals.files, totals.ops, totals.skipped, totals.misuses, totals.findings);
    if (totals.findings != 0) return 1;
    return totals.unreadable != 0 || totals.files == 0 ? 2 : 0;
}
