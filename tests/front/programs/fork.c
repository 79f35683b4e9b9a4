/* Fork: with other threads in the middle of things, within the program's own fork handlers, from a
 * signal handler, and without handlers (vfork, posix_spawn).
 *
 * usage: fork [KEYS]: with all keys gone (1025 are more than there are) no thread has a thread heap
 * of its own. */
#include "expect.h"
#include "no_keys.h"

#include <ashlar/ashlar.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { BUSY = 3, SLOTS = 200, FORKS = 40, SIGNALS = 100 };

#pragma weak ashlar_verify /* not there when a program for preloading is linked */

/* AddressSanitizer's own malloc, of which each new thread has some, may be locked for ever in the
 * child of a process with threads. */
void __asan_init(void);
#pragma weak __asan_init

static atomic_bool stop;
static char left_none[PTHREAD_DESTRUCTOR_ITERATIONS + 1];

/* Allocates and frees at random: small, medium and a few large. */
static void shuffle(unsigned seed, size_t rounds, char **slots) {
    for (size_t i = 0; i < rounds; i++) {
        seed = seed * 1664525 + 1013904223;
        char **slot = &slots[(seed >> 8) % SLOTS];
        size_t bytes = seed % 64 == 0 ? 100000 : (seed >> 16) % 3000;
        if (*slot != NULL) EXPECT(**slot == 'x');
        free(*slot);
        *slot = malloc(bytes + 1);
        EXPECT(*slot != NULL);
        **slot = 'x';
    }
}

static void empty(char **slots) {
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i] != NULL) EXPECT(*slots[i] == 'x');
        free(slots[i]);
        slots[i] = NULL;
    }
}

static void *be_busy(void *argument) {
    char *slots[SLOTS] = {0};
    for (unsigned round = 1; !stop; round++) shuffle(round, 1000, slots);
    empty(slots);
    return argument;
}

/* Allocates when the thread has no thread heap any more: in the last rounds of destructors. */
static pthread_key_t late_key;
static char *made_late;
static void make_late(void *rounds) {
    char *left = rounds;
    if (left > left_none) EXPECT(pthread_setspecific(late_key, left - 1) == 0);
    free(made_late);
    made_late = malloc(500);
    EXPECT(made_late != NULL);
    *made_late = 'x';
}

/* While there are keys. */
static __attribute__((constructor(101))) void make_key(void) {
    EXPECT(pthread_key_create(&late_key, make_late) == 0);
}

static char *of_parent[SLOTS];

static void *be_new(void *argument) {
    char *slots[SLOTS] = {0};
    shuffle(1, 1000, slots);
    empty(slots);
    EXPECT(pthread_setspecific(late_key, left_none + PTHREAD_DESTRUCTOR_ITERATIONS - 1) == 0);
    return argument;
}

/* The heap as the checker sees it. */
static void expect_sound(void) {
    EXPECT(ashlar_verify != NULL && ashlar_verify(NULL) != ASHLAR_CORRUPT);
}

static void grandchild(void) {
    empty(of_parent);
    expect_sound();
}

/* What a child may do: go on with its parent's blocks, start threads, fork again. */
static void child(void) {
    pthread_t thread;
    EXPECT(thread_heaps_in_use() <= 2);
    shuffle(7, 5000, of_parent);
    if (__asan_init == NULL) {
        EXPECT(pthread_create(&thread, NULL, be_new, NULL) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
        EXPECT(thread_heaps_in_use() == (keys_short ? 1 : 2)); /* the shared one among them */
    }
    expect_child(grandchild);
    empty(of_parent);
    expect_sound();
}

static void test_threads(void) {
    pthread_t busy[BUSY];
    /* From here on there is a shared thread heap. */
    EXPECT(pthread_create(&busy[0], NULL, be_new, NULL) == 0);
    EXPECT(pthread_join(busy[0], NULL) == 0);
    stop = false;
    for (size_t i = 0; i < BUSY; i++) EXPECT(pthread_create(&busy[i], NULL, be_busy, NULL) == 0);
    for (unsigned i = 0; i < FORKS; i++) {
        shuffle(i, 100, of_parent);
        expect_child(child);
    }
    stop = true;
    for (size_t i = 0; i < BUSY; i++) EXPECT(pthread_join(busy[i], NULL) == 0);
    empty(of_parent);
}

/* A thread forks, and goes on to be the child's only one. */
static void end_thread(void) {
    char *slots[SLOTS] = {0};
    shuffle(3, 5000, slots);
    empty(slots);
}
static void *fork_here(void *argument) {
    expect_child(end_thread);
    return argument;
}
static void test_fork_by_thread(void) {
    pthread_t thread;
    for (unsigned i = 0; i < 20; i++) {
        EXPECT(pthread_create(&thread, NULL, fork_here, NULL) == 0);
        shuffle(i, 1000, of_parent);
        EXPECT(pthread_join(thread, NULL) == 0);
    }
    empty(of_parent);
}

/* Fork handlers of the program may allocate. */
static char *of_handlers[SLOTS];
static int handlers_run;
static void handler(void) {
    handlers_run++;
    shuffle((unsigned)handlers_run, 500, of_handlers);
}
static void child_of_handlers(void) {
    EXPECT(handlers_run == 2);
    empty(of_handlers);
}
static void test_handlers(void) {
    EXPECT(pthread_atfork(handler, handler, handler) == 0);
    expect_child(child_of_handlers);
    EXPECT(handlers_run == 2);
    empty(of_handlers);
}

/* A signal handler forks in the middle of malloc or free; its child returns into that call. */
static volatile sig_atomic_t forked, in_child;
static void fork_in_handler(int number) {
    (void)number;
    pid_t pid = fork();
    int status = 0;
    if (pid == 0) {
        in_child = 1;
    } else if (waitpid(pid, &status, 0) != pid || status != 0) {
        _exit(2);
    } else {
        forked++;
    }
}
static void test_signal(void) {
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
    /* The signal is for this thread. */
    pthread_t busy;
    sigset_t set;
    EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGALRM) == 0);
    EXPECT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    stop = false;
    EXPECT(pthread_create(&busy, NULL, be_busy, NULL) == 0);
    EXPECT(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    char *slots[SLOTS] = {0};
    for (unsigned i = 0; forked < SIGNALS; i++) {
        sig_atomic_t before = forked; /* read first: the signal may come at once */
        struct itimerval soon = {.it_value = {.tv_usec = 100 + i % 61}};
        EXPECT(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        while (forked == before && !in_child) shuffle(i, 10, slots);
        if (!in_child) continue;
        shuffle(i, 1000, slots);
        empty(slots);
        expect_sound();
        _exit(0);
    }
    stop = true;
    EXPECT(pthread_join(busy, NULL) == 0);
    empty(slots);
}

static void use_vfork(void) {
    int status;
    pid_t pid = vfork();
    if (pid == 0) _exit(0);
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_without_handlers(void) {
    char *slots[SLOTS] = {0};
    for (unsigned i = 0; i < 10; i++) {
        char name[] = "true";
        char *arguments[] = {name, NULL};
        pid_t pid;
        int status;
        EXPECT(posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) == 0);
        shuffle(i, 1000, slots);
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
        use_vfork();
        FILE *pipe = popen("echo yes", "r");
        char answer[8] = "";
        EXPECT(pipe != NULL && fgets(answer, sizeof answer, pipe) != NULL && pclose(pipe) == 0);
        EXPECT(strcmp(answer, "yes\n") == 0);
    }
    empty(slots);
}

int main(void) {
    expect_child(end_thread); /* before there is a second thread */
    test_threads();
    test_fork_by_thread();
    test_signal();
    test_handlers(); /* after it: from here on, a fork allocates */
    test_without_handlers();
    return 0;
}
