/* The plain replayer: what fuzz_heap is without a fuzzing engine. Runs the files it is given, and
 * all files of directories, and says what each did: for the corpus in the tests, for a crash on a
 * machine without an engine, and under a debugger or Valgrind.
 *
 * Exit: 0 no finding, 1 findings, 2 a file could not be read. A crash of the core is a crash of
 * this program: what is printed last names the file.
 */
#include "fuzz_heap.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20 };

struct totals {
    size_t files, ops, skipped, misuses, findings, unreadable;
};

static void cannot(struct totals *totals, const char *path, const char *why) {
    fprintf(stderr, "fuzz_heap: %s: %s\n", path, why);
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
    struct ashlar_replay_result result;
    bool sound = ash_fuzz_input(bytes, size, path, &result);
    totals->files++;
    totals->ops += result.ops_run;
    totals->skipped += result.ops_skipped;
    totals->misuses += (size_t)result.misuses_expected;
    totals->findings += !sound;
    if (result.failure != ASHLAR_OK) {
        printf("not run: %s\n", ashlar_status_text(result.failure));
        totals->unreadable++;
        return;
    }
    printf("%zu operations, %zu skipped, %zu misuses reported, %s\n", result.ops_run,
           result.ops_skipped, (size_t)result.misuses_expected, sound ? "sound" : "FINDING");
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
        fprintf(stderr, "usage: fuzz_heap FILE|DIRECTORY...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) run_path(&totals, argv[i], 0);
    printf("%zu inputs, %zu operations, %zu skipped, %zu misuses reported, %zu findings\n",
           totals.files, totals.ops, totals.skipped, totals.misuses, totals.findings);
    if (totals.findings != 0) return 1;
    return totals.unreadable != 0 || totals.files == 0 ? 2 : 0;
}
