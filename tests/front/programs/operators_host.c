/* The operators in a C program: without any C++ runtime, and then in a plug-in that brings one
 * which nobody else sees. */
#include "expect.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

static void *find(const char *symbol) {
    void *found = dlsym(RTLD_DEFAULT, symbol);
    EXPECT(found != NULL);
    return found;
}

/* There is nobody to throw. */
static void without_a_runtime(void) {
    void *(*new)(size_t), *(*new_nothrow)(size_t, const void *);
    void *found = find("_Znwm");
    memcpy(&new, &found, sizeof found);
    found = find("_ZnwmRKSt9nothrow_t");
    memcpy(&new_nothrow, &found, sizeof found);
    EXPECT(new_nothrow(SIZE_MAX, NULL) == NULL);
    free(new (100));
    int ends[2], status = 0;
    char said[600];
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        new (SIZE_MAX);
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], said, sizeof said - 1);
    said[length > 0 ? length : 0] = '\0';
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT(strcmp(said, "ashlar: no memory for operator new of 18,446,744,073,709,551,615 bytes, "
                        "and no C++ runtime to throw std::bad_alloc\n") == 0);
}

int main(int argc, char **argv) {
    EXPECT(argc == 2);
    without_a_runtime();
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) dprintf(STDERR_FILENO, "%s\n", dlerror());
    EXPECT(plugin != NULL);
    int (*run)(void);
    void *found = dlsym(plugin, "operators_run");
    EXPECT(found != NULL);
    memcpy(&run, &found, sizeof found);
    return run();
}
