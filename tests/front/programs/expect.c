/* What several of the front end's test programs need. */
#include "expect.h"

#include <malloc.h>
#include <string.h>
#include <sys/wait.h>

size_t thread_heaps_in_use(void) {
    static const char title[] = "thread heaps";
    char text[4096] = "";
    int ends[2], kept = dup(STDERR_FILENO);
    EXPECT(kept >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    malloc_stats();
    EXPECT(dup2(kept, STDERR_FILENO) == STDERR_FILENO && close(ends[1]) == 0 && close(kept) == 0);
    EXPECT(read(ends[0], text, sizeof text - 1) > 0 && close(ends[0]) == 0);
    const char *row = strstr(text, title);
    EXPECT(row != NULL);
    return strtoul(row + sizeof title - 1, NULL, 10);
}

void expect_child(void (*body)(void)) {
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
