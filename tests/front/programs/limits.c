/* A program that may have little: address space, or none at all any more.
 *
 * It runs itself again under each limit. */
#include "expect.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { THREADS = 8, MIB = 1 << 20, KEPT_MOST = 1 << 17 };

static void *use_a_little(void *argument) {
    for (size_t bytes = 1; bytes < 20000; bytes = bytes * 3 / 2 + 1) {
        char *block = malloc(bytes);
        EXPECT(block != NULL);
        memset(block, 1, bytes);
        free(block);
    }
    return argument;
}

/* Allocates until nothing is left; then everything fails as C says, and what there is stays. */
static void use_up(size_t bytes) {
    static char *kept[KEPT_MOST];
    size_t count = 0;
    errno = 0;
    while (count < KEPT_MOST && (kept[count] = malloc(bytes)) != NULL)
        memset(kept[count++], (int)bytes, 16);
    EXPECT(count > 0 && count < KEPT_MOST && errno == ENOMEM);
    errno = 0;
    EXPECT(calloc(1, bytes) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(realloc(kept[0], 2 * bytes) == NULL && errno == ENOMEM);
    for (size_t i = 0; i < count; i++) {
        EXPECT(kept[i][0] == (char)bytes && kept[i][15] == (char)bytes);
        free(kept[i]);
    }
    void *block = malloc(bytes);
    EXPECT(block != NULL);
    free(block);
}

/* Under a limit of `mib`: at least a half of it can be had, and threads find room for stacks. */
static void under_limit(size_t mib) {
    char *half = malloc(mib / 2 * MIB);
    EXPECT(half != NULL);
    half[0] = half[mib / 2 * MIB - 1] = 1;
    free(half);
    pthread_t threads[THREADS];
    pthread_attr_t small;
    EXPECT(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 64 << 10) == 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], &small, use_a_little, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
    if (mib <= 200) {
        use_up(3000);
        use_up(MIB);
    }
}

static void run_again(const char *program, size_t mib) {
    char argument[32];
    snprintf(argument, sizeof argument, "%zu", mib);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = mib * MIB, .rlim_max = mib * MIB};
        EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
        execl(program, program, argument, (char *)NULL);
        _exit(3);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    if (status != 0) dprintf(STDERR_FILENO, "under a limit of %zu MiB: %d\n", mib, status);
    EXPECT(status == 0);
}

int main(int count, char **arguments) {
    if (count > 1) {
        under_limit(strtoul(arguments[1], NULL, 10));
        return 0;
    }
    const size_t limits[] = {40, 70, 100, 200, 500, 3000, 100000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        run_again("/proc/self/exe", limits[i]);
    return 0;
}
