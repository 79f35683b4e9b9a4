/* A program whose heap is reported on, sound or damaged, alone or among threads, as its argument
 * says; tests/front/verify.bats reads what it says. Linked to libashlar.so. */
#include "expect.h"
#include "heap/layout.h"

#include <ashlar/ashlar.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

/* The compiler may not do without what nobody looks at. */
static void *volatile seen;

static void some_blocks(void) {
    for (size_t i = 0; i < 2000; i++) {
        seen = malloc(i * 7 % 5000);
        if (i % 3 == 0) free(seen);
    }
}

/* Allocates and frees without end, in every way that takes a slow path now and then. */
static void churn(unsigned turns) {
    enum { SLOTS = 300 };
    static _Thread_local void *slots[SLOTS];
    static _Thread_local uint64_t random = 88172645463325252U;
    for (unsigned turn = 0; turn < turns; turn++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **slot = &slots[random % SLOTS];
        free(*slot);
        size_t bytes = random % 100 == 0 ? random % 300000 : random % 2000;
        *slot = random % 7 == 0 ? NULL : malloc(bytes);
    }
}

/* Damage that the checker has one finding for. */
static void damage(void) {
    ash_heap_of(ashlar_process_heap())->root.counts.slabs += 1;
}

static int run_sound(void) {
    some_blocks();
    return 0;
}

static int run_status(void) {
    some_blocks();
    return 7;
}

static int run_underscore_exit(void) {
    pid_t child = vfork();
    if (child == 0) _exit(1);
    _exit(6);
}

static int run_quick_exit(void) {
    quick_exit(6);
}

static int run_corrupt(void) {
    some_blocks();
    damage();
    return 7;
}

/* More findings than are shown. */
static int run_ruined(void) {
    struct ash_heap *heap = ash_heap_of(ashlar_process_heap());
    some_blocks();
    for (uint64_t page = 0; page < heap->root.counts.committed; page++)
        if (ash_page_kind_of(ash_page_at(heap, page)) == ASH_PAGE_SLAB)
            ash_page_at(heap, page)->summary = ~ash_page_at(heap, page)->summary;
    return 0;
}

static _Atomic unsigned asleep;
static _Atomic bool stop;

static void *sleeper(void *unused) {
    some_blocks();
    asleep++;
    while (!stop) pause();
    return unused;
}

static void *runner(void *unused) {
    asleep++;
    while (!stop) churn(1000);
    return unused;
}

/* Blocks of another thread, so that remote frees are under way as well. */
static void *_Atomic handed[64];
static void *giver(void *unused) {
    asleep++;
    for (unsigned i = 0; !stop; i++) free(atomic_exchange(&handed[i % 64], malloc(i % 900)));
    return unused;
}

static void start(void *(*body)(void *), unsigned count) {
    unsigned before = asleep;
    for (unsigned i = 0; i < count; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, body, NULL) == 0);
    }
    while (asleep < before + count) usleep(1000);
}

static int run_asleep(void) {
    some_blocks();
    start(sleeper, 4);
    usleep(50000); /* until they are */
    return 0;
}

static void *straggler(void *unused) {
    asleep++;
    while (!stop) churn(1000);
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    do {
        churn(100);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - end.tv_sec) * 1000000000 + now.tv_nsec - end.tv_nsec < 30000000);
    return unused;
}

/* Tells its threads to end, and does not wait until they have. */
static int run_ending(void) {
    start(straggler, 2);
    stop = true;
    return 0;
}

static int run_among_threads(void) {
    unsigned verdicts[3] = {0};
    start(sleeper, 2);
    start(runner, 2);
    start(giver, 2);
    for (unsigned i = 0; i < 100; i++) {
        struct ashlar_check_report report;
        churn(100);
        verdicts[ashlar_verify(&report)]++;
        EXPECT(report.pages_checked == report.pages_total);
    }
    stop = true;
    EXPECT(verdicts[ASHLAR_CORRUPT] == 0);
    EXPECT(verdicts[ASHLAR_INCOMPLETE] > 0);
    dprintf(STDERR_FILENO, "%u times incomplete\n", verdicts[ASHLAR_INCOMPLETE]);
    _exit(0); /* not the report at exit: threads may be running still */
}

/* Others free all that this thread allocated while it checks, and so give back its slabs. */
enum { GIVEN = 400000 };
static void *given[GIVEN];
static atomic_size_t next_given = GIVEN, freed;

static void *freer(void *unused) {
    asleep++;
    while (!stop) {
        size_t i = next_given;
        if (i >= GIVEN || !atomic_compare_exchange_weak(&next_given, &i, i + 1)) continue;
        free(given[i]);
        freed++;
    }
    return unused;
}

static int run_visited(void) {
    start(freer, 2);
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < GIVEN; i++) given[i] = malloc(i % 200);
        freed = next_given = 0;
        while (freed < GIVEN) EXPECT(ashlar_verify(NULL) != ASHLAR_CORRUPT);
    }
    _exit(0);
}

/* Damage is found among threads that run, too, where they cannot have made it. */
static int run_corrupt_among_threads(void) {
    start(runner, 2);
    damage();
    EXPECT(ashlar_verify(NULL) == ASHLAR_CORRUPT);
    _exit(0);
}

static int run_signal(void) {
    some_blocks();
    errno = 4711;
    raise(SIGUSR1);
    EXPECT(errno == 4711);
    return 0;
}

/* The option's signal comes at any instruction of malloc and free. */
static int run_storm(void) {
    const struct itimerval often = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (time_t end = time(NULL) + 2; time(NULL) < end;) churn(1000);
    return 0;
}

static void leave(int number) {
    (void)number;
    exit(3);
}

/* What a program must not do, and many do. */
static int run_exit_in_handler(void) {
    const struct itimerval once = {{0, 0}, {0, 20000}};
    signal(SIGALRM, leave);
    setitimer(ITIMER_REAL, &once, NULL);
    while (!stop) churn(1000);
    return 0;
}

static int run_churn(void) {
    churn(3000);
    return 0;
}

static int run_churn_corrupt(void) {
    churn(100);
    damage();
    churn(1);
    return 0;
}

static int run_fork(void) {
    some_blocks();
    pid_t child = fork();
    if (child == 0) exit(0);
    EXPECT(waitpid(child, NULL, 0) == child);
    return 0;
}

static int run_exec(void) {
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "front_verify", "sound", (char *)NULL);
        _exit(1);
    }
    EXPECT(waitpid(child, NULL, 0) == child);
    return 0;
}

static int run_silent(void) {
    some_blocks();
    close(STDERR_FILENO);
    return 0;
}

/* Every descriptor is another file now. */
static int run_reused(void) {
    int file = open("reused", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(file >= 0);
    for (int fd = STDERR_FILENO; fd < 1100; fd++)
        if (fd != file && fcntl(fd, F_GETFD) >= 0 && fd != STDERR_FILENO) dup2(file, fd);
    return 0;
}

static int run_double_free(void) {
    void *block = malloc(40);
    seen = block;
    free(seen);
    free(seen);
    free(malloc(40));
    return 0;
}

static int run_stats(void) {
    for (unsigned i = 0; i < 100; i++) seen = malloc(48);
    seen = malloc(1000000);
    ashlar_print_stats();
    return 0;
}

static bool option_is(const char *name, const char *value) {
    char text[256];
    size_t length = ashlar_option_get(name, text, sizeof text);
    return length == strlen(value) && strcmp(text, value) == 0;
}

static int run_interface(void) {
    char text[4] = "xyz";
    EXPECT(ashlar_process_heap() != NULL);
    EXPECT(option_is("verify", "none") && option_is("region_bytes", "1T"));
    EXPECT(option_is("level", "fast") && option_is("output", "stderr"));
    EXPECT(ashlar_option_set("verify_every", "3") == ASHLAR_INVALID); /* at the start only */
    EXPECT(ashlar_option_set("level", "fast") == ASHLAR_INVALID);
    EXPECT(ashlar_option_set("nix", "1") == ASHLAR_INVALID);
    EXPECT(ashlar_option_set("verify", "sometimes") == ASHLAR_INVALID);
    EXPECT(ashlar_option_set("verify_signal", "9") == ASHLAR_INVALID); /* cannot be handled */
    EXPECT(option_is("verify_signal", "0"));
    EXPECT(ashlar_option_set("verify_signal", "12") == ASHLAR_OK);
    EXPECT(option_is("verify_signal", "12"));
    raise(SIGUSR2);
    EXPECT(ashlar_option_set("verify_signal", "10") == ASHLAR_OK);
    raise(SIGUSR1);
    struct sigaction action;
    EXPECT(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    EXPECT(ashlar_option_get("nix", text, sizeof text) == 0 && strcmp(text, "xyz") == 0);
    EXPECT(ashlar_option_get("output", text, sizeof text) == 6 && strcmp(text, "std") == 0);
    EXPECT(ashlar_option_get("output", NULL, 0) == 6);
    EXPECT(ashlar_option_set("output", "report.%p") == ASHLAR_OK);
    EXPECT(ashlar_verify(NULL) == ASHLAR_SOUND);
    EXPECT(ashlar_option_set("output", "1") == ASHLAR_OK && option_is("output", "1"));
    EXPECT(ashlar_verify(NULL) == ASHLAR_SOUND);
    EXPECT(ashlar_option_set("output", "") == ASHLAR_INVALID && option_is("output", "1"));
    return 0;
}

static int run_secure(void) {
    if (getauxval(AT_SECURE) == 0) return 77;
    some_blocks();
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} runs[] = {
    {"sound", run_sound},
    {"status", run_status},
    {"underscore-exit", run_underscore_exit},
    {"quick-exit", run_quick_exit},
    {"corrupt", run_corrupt},
    {"ruined", run_ruined},
    {"asleep", run_asleep},
    {"ending", run_ending},
    {"among-threads", run_among_threads},
    {"visited", run_visited},
    {"corrupt-among-threads", run_corrupt_among_threads},
    {"signal", run_signal},
    {"storm", run_storm},
    {"exit-in-handler", run_exit_in_handler},
    {"churn", run_churn},
    {"churn-corrupt", run_churn_corrupt},
    {"fork", run_fork},
    {"exec", run_exec},
    {"silent", run_silent},
    {"reused", run_reused},
    {"double-free", run_double_free},
    {"stats", run_stats},
    {"interface", run_interface},
    {"secure", run_secure},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof runs / sizeof runs[0]; i++)
        if (strcmp(argv[1], runs[i].name) == 0) return runs[i].run();
    return 2;
}
