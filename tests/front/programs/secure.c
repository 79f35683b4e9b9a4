/* In a set-user-ID program the environment is somebody else's: its options are not read.
 *
 * Makes a copy of itself set-user-ID, and runs it as another user. Skipped (77) where that takes
 * rights that the test has not, or a file system that ignores them. */
#include "expect.h"

#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SKIPPED = 77, OTHER_USER = 12345 };

static void copy_program(const char *path) {
    static char bytes[1 << 16];
    FILE *from = fopen("/proc/self/exe", "r"), *to = fopen(path, "w");
    EXPECT(from != NULL && to != NULL);
    size_t got;
    while ((got = fread(bytes, 1, sizeof bytes, from)) > 0)
        EXPECT(fwrite(bytes, 1, got, to) == got);
    EXPECT(fclose(from) == 0 && fclose(to) == 0);
}

/* Runs it as another user with an option that prints something. Returns its status, and whether it
 * has said anything. */
static int run(char *path, bool *said) {
    char last[] = "asked", options[] = "ASHLAR_OPTIONS=help=1", text[256];
    char *arguments[] = {path, last, NULL}, *environment[] = {options, NULL};
    int ends[2], status;
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        EXPECT(dup2(ends[1], STDERR_FILENO) >= 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
        if (setgid(OTHER_USER) != 0 || setuid(OTHER_USER) != 0) _exit(SKIPPED);
        execve(path, arguments, environment);
        _exit(SKIPPED);
    }
    EXPECT(close(ends[1]) == 0);
    *said = read(ends[0], text, sizeof text) > 0;
    while (read(ends[0], text, sizeof text) > 0) continue;
    EXPECT(close(ends[0]) == 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int count, char **arguments) {
    free(malloc(100));
    if (count > 1) return getauxval(AT_SECURE) == 1 ? 1 : 0;
    (void)arguments;
    char folder[] = "/tmp/ashlar-secure-XXXXXX", path[64];
    if (geteuid() != 0 || mkdtemp(folder) == NULL) return SKIPPED;
    snprintf(path, sizeof path, "%s/program", folder);
    copy_program(path);
    bool said_freely, said_secure;
    EXPECT(chmod(folder, 0755) == 0 && chmod(path, 0755) == 0);
    int freely = run(path, &said_freely);
    EXPECT(chmod(path, 04755) == 0);
    int secure = run(path, &said_secure);
    EXPECT(remove(path) == 0 && remove(folder) == 0);
    if (freely == SKIPPED || secure == SKIPPED || secure == 0) return SKIPPED;
    EXPECT(freely == 0 && said_freely);
    EXPECT(secure == 1 && !said_secure);
    return 0;
}
