/* Runs a program on an allocator and writes down what it cost: one line of JSON.
 *
 *   ashlar-bench-launch COST.json LIBRARY PROGRAM ARGUMENT...      ("" as LIBRARY: none)
 *
 * A program of its own, because the peak of resident memory that the system reports for a process
 * includes what its parent held between fork and exec: this one holds next to nothing. Processor
 * time and peak are those of the program and of the children that it waited for; the peak is that
 * of the largest process. The program's status becomes this one's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_OWN = 125 };

static volatile sig_atomic_t child;

/* Whoever ends this process ends the program. */
static void pass_on(int number) {
    if (child > 0) (void)kill((pid_t)child, number);
}

static unsigned long long now_ns(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000U + (unsigned long long)now.tv_nsec;
}

static unsigned long long ns_of(struct timeval time) {
    return (unsigned long long)time.tv_sec * 1000000000U + (unsigned long long)time.tv_usec * 1000U;
}

int main(int count, char **arguments) {
    struct rusage usage;
    int status = 0;
    if (count < 4) {
        fprintf(stderr, "usage: %s COST.json LIBRARY PROGRAM ARGUMENT...\n", arguments[0]);
        return EXIT_USAGE;
    }
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    (void)sigaction(SIGTERM, &action, NULL);
    unsigned long long start_ns = now_ns();
    pid_t process = fork();
    if (process == 0) {
        if (arguments[2][0] != '\0') (void)setenv("LD_PRELOAD", arguments[2], 1);
        (void)execvp(arguments[3], arguments + 3);
        perror(arguments[3]);
        _exit(EXIT_OWN);
    }
    child = process;
    if (process < 0 || wait4(process, &status, 0, &usage) != process) {
        perror("launch");
        return EXIT_OWN;
    }
    unsigned long long wall_ns = now_ns() - start_ns;
    FILE *file = fopen(arguments[1], "w");
    if (file == NULL) {
        perror(arguments[1]);
        return EXIT_OWN;
    }
    fprintf(file, "{\"cpu_ns\":%llu,\"wall_ns\":%llu,\"memory_kib\":%ld}\n",
            ns_of(usage.ru_utime) + ns_of(usage.ru_stime), wall_ns, usage.ru_maxrss);
    if (fclose(file) != 0) return EXIT_OWN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
