/* A harness as a server of single inputs: for triage, which runs thousands of variants of one.
 *
 * The harness starts once and forks for each input, so that a run costs a millisecond and not the
 * start of a program, and each begins with a target that no input has touched. ASHLAR_FUZZ_SERVE
 * names the file that a run's output goes to. A request is a line on standard input, "SECONDS
 * PATH"; the answer a line on descriptor 3: "EXIT SIGNAL", one of them 0. A run that is fine exits
 * with 0, one with a finding with 1; one that ended before its time, whatever its exit code, with
 * 3. SIGALRM is a run that took too long.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT_BYTES = 1 << 20, ANSWERS = 3, LINE_BYTES = 5000 };

/* Exit codes of a run that no target is likely to choose, and what is answered for them. */
enum { RUN_SOUND = 201, RUN_FOUND, RUN_CANNOT };
enum { CANNOT = 2, ENDED = 3 };

static _Noreturn void run(const char *path, unsigned seconds, const char *output) {
    static uint8_t bytes[INPUT_BYTES];
    struct ash_fuzz_outcome outcome;
    int out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int in = open(path, O_RDONLY);
    ssize_t size = in >= 0 ? read(in, bytes, sizeof bytes) : -1;
    if (out < 0 || size < 0) _exit(RUN_CANNOT);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(ANSWERS);
    alarm(seconds);
    bool sound = ash_fuzz_input(bytes, (size_t)size, path, &outcome);
    _exit(sound ? RUN_SOUND : RUN_FOUND);
}

static int answer_for(int exit_code) {
    if (exit_code == RUN_SOUND) return 0;
    if (exit_code == RUN_FOUND) return 1;
    return exit_code == RUN_CANNOT ? CANNOT : ENDED;
}

void ash_fuzz_serve(void) {
    const char *output = getenv("ASHLAR_FUZZ_SERVE");
    char line[LINE_BYTES], *path;
    if (output == NULL) return;
    while (fgets(line, sizeof line, stdin) != NULL) {
        int status = 0;
        unsigned seconds = (unsigned)strtoul(line, &path, 10);
        path[strcspn(path, "\n")] = 0;
        pid_t child = fork();
        if (child == 0) run(path + 1, seconds, output);
        if (child < 0 || waitpid(child, &status, 0) < 0) break;
        dprintf(ANSWERS, "%d %d\n", WIFEXITED(status) ? answer_for(WEXITSTATUS(status)) : 0,
                WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    exit(0);
}
