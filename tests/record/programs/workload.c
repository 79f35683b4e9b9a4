/* A program to be recorded: each mode makes a known number of calls, and counts them itself.
 *
 * The counts are in a shared mapping (workload.h), so that the test compares what was recorded with
 * what was done, call by call, also when the program is killed.
 */
#include "workload.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static struct progress *progress;
static bool is_child;

#define REQUIRE(fact)                                                                              \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            dprintf(STDERR_FILENO, "workload: line %d: %s\n", __LINE__, #fact);                    \
            _exit(99);                                                                             \
        }                                                                                          \
    } while (0)

/* Hides what a pointer is from the compiler, which may otherwise leave out a malloc with its free.
 */
static void *opaque(void *pointer) {
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}

static void count(unsigned what) {
    _Atomic(uint64_t) *counters = is_child ? progress->children : &progress->allocations;
    atomic_fetch_add(&counters[what], 1);
}
static void *counted(void *block) {
    REQUIRE(block != NULL);
    count(0);
    return opaque(block);
}
static void *take(size_t bytes) {
    return counted(malloc(bytes));
}
static void give(void *block) {
    free(block);
    count(1);
}
static void *move(void *block, size_t bytes) {
    void *moved = realloc(block, bytes);
    REQUIRE(moved != NULL);
    count(2);
    return opaque(moved);
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void mode_kinds(void) {
    void *blocks[9];
    blocks[0] = take(40001);
    blocks[1] = counted(calloc(3, 40002));
    blocks[2] = counted(aligned_alloc(4096, 45056));
    void *out = NULL;
    REQUIRE(posix_memalign(&out, 64, 40003) == 0);
    blocks[3] = counted(out);
    blocks[4] = counted(memalign(128, 40004));
    blocks[5] = counted(valloc(40005));
    blocks[6] = counted(memalign(256, 40006));
    blocks[7] = counted(reallocarray(NULL, 7, 5715));
    blocks[8] = counted(realloc(NULL, 40008));
    for (size_t i = 0; i < 100; i++) blocks[8] = move(blocks[8], 40009 + i);
    blocks[7] = reallocarray(blocks[7], 7, 5716);
    count(2);
    for (size_t i = 0; i < 9; i++) give(blocks[i]);
    free(opaque(NULL));
    volatile size_t huge = SIZE_MAX - 5;
    REQUIRE(malloc(huge) == NULL);
    REQUIRE(calloc(huge / 2, 3) == NULL);
    void *kept = take(40500);
    REQUIRE(realloc(kept, huge) == NULL);
    REQUIRE(reallocarray(kept, huge, 16) == NULL && errno == ENOMEM); /* ours */
    REQUIRE(aligned_alloc(64, huge) == NULL);
    give(kept);
    kept = take(40501);
    if (realloc(kept, 0) == NULL) count(1); /* glibc frees; others keep a small block */
}

/* Apart, because jemalloc 5.3.0 has no pvalloc and then cannot free what libc's returns. */
static void mode_pvalloc(void) {
    give(counted(pvalloc(40006)));
}

/* Over libc, which keeps errno when it succeeds; enough calls to open chunks and batches. */
static void mode_errno(void) {
    void *blocks[5000];
    errno = EDOM;
    for (size_t i = 0; i < 5000; i++) {
        blocks[i] = take(40001);
        blocks[i] = move(blocks[i], 40002);
    }
    for (size_t i = 0; i < 5000; i++) give(blocks[i]);
    REQUIRE(errno == EDOM);
}

static void mode_churn(void) {
    enum { SLOTS = 300 };
    void *blocks[SLOTS] = {NULL};
    uint64_t state = 7;
    for (size_t i = 0; i < 200000; i++) {
        size_t slot = next_random(&state) % SLOTS;
        size_t bytes = MARK_LOW + next_random(&state) % 1000;
        if (blocks[slot] == NULL)
            blocks[slot] = take(bytes);
        else if (next_random(&state) % 4 == 0)
            blocks[slot] = move(blocks[slot], bytes);
        else {
            give(blocks[slot]);
            blocks[slot] = NULL;
        }
    }
}

/* Threads exchange blocks through shared places, so that most frees are of another thread's block
 * and every address is soon used again. */
enum { PLACES = 64, SHARERS = 4 };
static _Atomic(void *) places[PLACES];
static void *share(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    for (size_t i = 0; i < 50000; i++) {
        size_t bytes = MARK_LOW + next_random(&state) % 1000;
        void *mine = take(bytes);
        if (i % 5 == 0) mine = move(mine, MARK_LOW + next_random(&state) % 5000);
        void *theirs = atomic_exchange(&places[next_random(&state) % PLACES], mine);
        if (theirs != NULL) give(theirs);
    }
    return NULL;
}
static void mode_share(void) {
    pthread_t threads[SHARERS];
    for (uintptr_t i = 0; i < SHARERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, share, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < SHARERS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < PLACES; i++) {
        if (places[i] != NULL) give(places[i]);
    }
}

/* A destructor that asks to be run again until the last round, as ours does. */
static pthread_key_t key;
struct kept {
    int rounds;
    void *block;
};
static void destroy(void *value) {
    struct kept *kept = value;
    give(kept->block);
    if (++kept->rounds == PTHREAD_DESTRUCTOR_ITERATIONS) {
        give(kept);
        return;
    }
    kept->block = take(41000 + (size_t)kept->rounds);
    pthread_setspecific(key, kept);
}
static void *short_life(void *argument) {
    struct kept *kept = take(42000);
    *kept = (struct kept){.block = take(42001)};
    pthread_setspecific(key, kept);
    strerror(4444); /* a buffer that glibc frees last of all */
    return argument;
}
static void mode_threads(void) {
    REQUIRE(pthread_key_create(&key, destroy) == 0);
    for (size_t round = 0; round < 250; round++) {
        pthread_t threads[8];
        for (size_t i = 0; i < 8; i++)
            REQUIRE(pthread_create(&threads[i], NULL, short_life, NULL) == 0);
        for (size_t i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    }
}

static void endless(void) {
    uint64_t state = (uint64_t)(uintptr_t)&state;
    void *blocks[50] = {NULL};
    for (;;) {
        size_t slot = next_random(&state) % 50;
        if (blocks[slot] != NULL) give(blocks[slot]);
        blocks[slot] = take(MARK_LOW + next_random(&state) % 1000);
    }
}
static void *endless_thread(void *argument) {
    endless();
    return argument;
}
static void mode_endless(void) {
    pthread_t thread;
    for (size_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&thread, NULL, endless_thread, NULL) == 0);
    endless();
}
static void mode_detached(void) {
    for (size_t i = 0; i < 3; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, endless_thread, NULL) == 0);
        pthread_detach(thread);
    }
    while (atomic_load(&progress->allocations) < 30000) sched_yield();
}

static void take_and_give(size_t times) {
    for (size_t i = 0; i < times; i++) give(take(40001 + i % 9000));
}
static void mode__exit(void) {
    take_and_give(100);
    take(40999);
    _exit(7);
}
static void mode_quick_exit(void) {
    take_and_give(100);
    quick_exit(8);
}
static void mode_abort(void) {
    take_and_give(100);
    abort();
}
static void mode_suicide(void) {
    take_and_give(5000); /* more than a chunk */
    raise(SIGKILL);
}

/* The child frees half of what it inherits, and allocates itself. */
static void as_child(void *const blocks[100]) {
    is_child = true;
    for (size_t i = 0; i < 50; i++) give(blocks[i]);
    void *moved = move(blocks[60], 45000);
    give(moved);
    take_and_give(30);
}
static void fork_by(pid_t (*make)(void), bool threaded) {
    void *blocks[100];
    pthread_t thread;
    for (size_t i = 0; i < 100; i++) blocks[i] = take(40001 + i);
    if (threaded) REQUIRE(pthread_create(&thread, NULL, endless_thread, NULL) == 0);
    pid_t pid = make();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        as_child(blocks);
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
    for (size_t i = 0; i < 100; i++) give(blocks[i]);
    take_and_give(20);
}
static pid_t bare_clone(void) {
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static void mode_fork(void) {
    fork_by(fork, false);
}
static void mode_fork_threaded(void) {
    fork_by(fork, true);
}
static void mode_bare_clone(void) {
    fork_by(bare_clone, false);
}
static void mode_grandchild(void) {
    void *block = take(40001);
    pid_t pid = fork();
    if (pid == 0) {
        is_child = true;
        void *own = take(40002);
        pid_t again = fork();
        if (again == 0) {
            give(block);
            give(own);
            take_and_give(3);
            _exit(0);
        }
        waitpid(again, NULL, 0);
        give(own);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    give(block);
}
static void mode_daemon(void) {
    take_and_give(10);
    if (fork() != 0) _exit(0);
    is_child = true;
    setsid();
    if (fork() != 0) _exit(0);
    usleep(100000);
    take_and_give(500);
}
static void mode_vfork(void) {
    take_and_give(10);
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    REQUIRE(pid > 0 && waitpid(pid, NULL, 0) == pid);
    char *const arguments[] = {(char[]){"true"}, NULL};
    REQUIRE(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0);
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    take_and_give(10);
}
static void mode_exec(void) {
    take_and_give(10);
    is_child = true; /* the next image counts apart */
    execl("/proc/self/exe", "workload", "after_exec", (char *)NULL);
}
static void mode_after_exec(void) {
    is_child = true;
    take_and_give(25);
}

/* Descriptors that a daemon does not know it closes; and an environment that it clears. */
static void mode_closefrom(void) {
    for (int fd = 3; fd < 1024; fd++) close(fd);
    clearenv();
    int taken = open("/dev/null", O_RDWR);
    take_and_give(100000);
    REQUIRE(fcntl(taken, F_GETFD) >= 0);
}
static void mode_full_disk(void) {
    struct rlimit limit = {1 << 20, 1 << 20};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    take_and_give(100000);
}

/* Only for an allocator that a signal handler may call (programs/bump.c). */
static sigjmp_buf escape;
static _Atomic(bool) may_escape;
static void on_alarm(int number) {
    (void)number;
    atomic_fetch_add(&progress->handled, 1);
    free(opaque(malloc(60000)));
    if (atomic_exchange(&may_escape, false)) siglongjmp(escape, 1);
}
static void mode_signals(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 100}, {0, 100}};
    setitimer(ITIMER_REAL, &often, NULL);
    take_and_give(2000000);
    for (volatile int i = 0; i < 200; i++) {
        if (sigsetjmp(escape, 1) == 0) {
            atomic_store(&may_escape, true);
            for (;;) free(opaque(malloc(60001)));
        }
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    take_and_give(1000);
}

/* A C program that loads a C++ plug-in. */
static void mode_plugin(void) {
    void *plugin = dlopen(getenv("RECORD_TEST_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
    REQUIRE(plugin != NULL);
    void *symbol = dlsym(plugin, "plugin_run");
    int (*function)(void);
    memcpy(&function, &symbol, sizeof function);
    REQUIRE(function() == 0);
    for (size_t i = 0; i < 40; i++) { /* the plug-in's own calls: 40 news and deletes */
        count(0);
        count(1);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
#define MODE(name)                                                                                 \
    { #name, mode_##name }
    MODE(errno),      MODE(pvalloc),    MODE(kinds),    MODE(churn),  MODE(share),
    MODE(threads),    MODE(endless),    MODE(detached), MODE(_exit),  MODE(quick_exit),
    MODE(abort),      MODE(suicide),    MODE(fork),     MODE(daemon), MODE(fork_threaded),
    MODE(bare_clone), MODE(grandchild), MODE(vfork),    MODE(exec),   MODE(after_exec),
    MODE(closefrom),  MODE(full_disk),  MODE(signals),  MODE(plugin),
};

int main(int argc, char **argv) {
    REQUIRE(argc == 2);
    int fd = open(getenv(PROGRESS_ENV), O_RDWR);
    REQUIRE(fd >= 0);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(progress != MAP_FAILED);
    close(fd);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, argv[1]) == 0) {
            modes[i].run();
            return 0;
        }
    }
    return 98;
}
