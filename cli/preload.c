/* The library to preload is found beside this program, so that neither a build tree nor an
 * installation anywhere needs to be set up. */
#include "preload.h"

#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Absolute. */
static bool find_library(const struct ash_preload *preload, char out[ASH_PATH_BYTES]) {
    const char *named = getenv(preload->variable);
    if (named != NULL && named[0] != 0) {
        if (realpath(named, out) != NULL) return true;
        ash_fail(0, "%s: %s: %s: %s", preload->command, preload->variable, named, strerror(errno));
        return false;
    }
    char self[ASH_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash != NULL) *slash = 0;
    for (size_t i = 0; i < sizeof preload->places / sizeof *preload->places; i++) {
        char place[2 * ASH_PATH_BYTES];
        snprintf(place, sizeof place, "%s/%s", self, preload->places[i]);
        if (realpath(place, out) != NULL) return true;
    }
    ash_fail(0, "%s: %s is not beside %s; name it by %s", preload->command, preload->file, self,
             preload->variable);
    return false;
}

bool ash_preload_list(const struct ash_preload *preload, const char *other,
                      char out[ASH_PRELOAD_BYTES]) {
    char library[ASH_PATH_BYTES];
    if (!find_library(preload, library)) return false;
    if (strpbrk(library, ": ") != NULL) { /* the loader's separators; there is no quoting */
        ash_fail(0, "%s: the path of %s may hold no blank or colon: %s", preload->command,
                 preload->file, library);
        return false;
    }
    const char *before = getenv("LD_PRELOAD");
    if (other == NULL) other = "";
    int length =
        snprintf(out, ASH_PRELOAD_BYTES, "%s%s%s%s%s", library, other[0] != 0 ? ":" : "", other,
                 before != NULL && before[0] != 0 ? ":" : "", before != NULL ? before : "");
    if (length >= 0 && length < ASH_PRELOAD_BYTES) return true;
    ash_fail(0, "%s: LD_PRELOAD is too long", preload->command);
    return false;
}

int ash_become(const struct ash_preload *preload, char **command) {
    execvp(command[0], command);
    int error = errno;
    ash_fail(0, "%s: %s: %s", preload->command, command[0], strerror(error));
    return error == ENOENT || error == ENOTDIR ? ASH_EXIT_NOT_FOUND : ASH_EXIT_NOT_RUN;
}
