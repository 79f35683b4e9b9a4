/* What the other threads do, as the system tells it: how many there are, whether they rest, and
 * that one which is ending is none of them. */
#include "os/tasks.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 10000, THREADS = 3, ROUNDS = 2000 };

static void pause_a_little(void) {
    nanosleep(&(const struct timespec){.tv_nsec = 1000000}, NULL);
}

static sem_t go_on;

static void *wait_for_word(void *unused) {
    (void)unused;
    sem_wait(&go_on);
    return NULL;
}

/* Looks until the others rest, or for so long. */
static struct ash_tasks look_for_rest(void) {
    struct ash_tasks tasks;
    assert_true(ash_tasks_look(&tasks));
    for (unsigned waited = 0; !tasks.asleep && waited < WAIT_MS; waited++) {
        pause_a_little();
        assert_true(ash_tasks_look(&tasks));
    }
    return tasks;
}

static void threads_that_wait_are_counted_and_rest(void **state) {
    (void)state;
    struct ash_tasks none, tasks, again;
    assert_true(ash_tasks_look(&none));
    uint64_t before = none.others; /* a sanitizer may have one */
    pthread_t threads[THREADS];
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_word, NULL), 0);
    tasks = look_for_rest();
    assert_true(tasks.asleep);
    assert_int_equal(tasks.others, before + THREADS);
    assert_true(ash_tasks_look(&again));
    assert_int_equal(again.mark, tasks.mark);
    for (unsigned i = 0; i < THREADS; i++) sem_post(&go_on);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_true(ash_tasks_look(&again));
    assert_true(again.mark != tasks.mark);
    sem_destroy(&go_on);
}

/* Whoever joins a thread may be told while that one is still on its way out. */
static void one_that_was_joined_is_none(void **state) {
    (void)state;
    struct ash_tasks none, tasks;
    assert_true(ash_tasks_look(&none));
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wait_for_word, NULL), 0);
        sem_post(&go_on);
        pthread_join(thread, NULL);
        assert_true(ash_tasks_look(&tasks));
        assert_int_equal(tasks.others, none.others);
    }
    sem_destroy(&go_on);
}

static bool leader_has_ended(void) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'Z';
}

/* Of a process whose first thread has ended: the system lists that one until the last ends. */
static void *look_alone(void *unused) {
    (void)unused;
    unsigned waited = 0;
    while (!leader_has_ended() && waited++ < WAIT_MS) pause_a_little();
    struct ash_tasks tasks;
    bool looked = leader_has_ended() && ash_tasks_look(&tasks);
    _exit(!looked ? 2 : tasks.others == 0 && tasks.asleep ? 0 : 1);
}

static void one_that_has_ended_is_none(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, look_alone, NULL) != 0) _exit(3);
        pthread_exit(NULL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_wait_are_counted_and_rest),
        cmocka_unit_test(one_that_was_joined_is_none),
        cmocka_unit_test(one_that_has_ended_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
