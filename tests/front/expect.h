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

#endif
