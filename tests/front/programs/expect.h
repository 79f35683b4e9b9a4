/* Expectations of the front end's test programs, which cannot use a test library that allocates
 * behind their back. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPECT(fact)                                                                               \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            dprintf(STDERR_FILENO, "%s:%d: not true: %s\n", __FILE__, __LINE__, #fact);            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* How many thread heaps are in use, as malloc_stats has it. */
size_t thread_heaps_in_use(void);

/* Runs `body` in a child and expects that it ends by itself with status 0. */
void expect_child(void (*body)(void));

#endif
