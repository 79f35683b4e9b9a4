/* Running programs with a library of ours preloaded. Everything here reports its own errors. */
#ifndef ASH_PRELOAD_H
#define ASH_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

enum {
    ASH_PATH_BYTES = 4096,
    ASH_PRELOAD_BYTES = 4 * ASH_PATH_BYTES,
    ASH_EXIT_NOT_RUN = 126, /* of a program that cannot be run, as sh and env do */
    ASH_EXIT_NOT_FOUND = 127,
};

/* A library and where it is. */
struct ash_preload {
    const char *command;   /* who asks, for messages */
    const char *file;      /* "libashlar_record.so" */
    const char *variable;  /* of the environment: names another one */
    const char *places[2]; /* as seen from the program's folder: in the build tree, as installed */
};

/* What LD_PRELOAD is to be: the library first, then `other` (may be NULL), then what was there. */
bool ash_preload_list(const struct ash_preload *preload, const char *other,
                      char out[ASH_PRELOAD_BYTES]);

/* Becomes the program; returns only when that fails, with an exit code. */
int ash_become(const struct ash_preload *preload, char **command);

#endif
