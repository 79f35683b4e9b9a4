/* Each kind of misuse, through the real names: the program ends with one line that says what. */
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

void free_sized(void *block, size_t bytes) __attribute__((weak));

/* Volatile: the compiler sees through what these do, and would warn. */
static char *volatile block;
static int global_variable;

static void free_twice(void) {
    free(block);
    free(block);
}
static void free_twice_large(void) {
    block = malloc(1000000);
    free_twice();
}
static void *free_here(void *argument) {
    free(argument);
    return NULL;
}
static void free_twice_by_threads(void) {
    pthread_t thread;
    free(block);
    pthread_create(&thread, NULL, free_here, block);
    pthread_join(thread, NULL);
}
static void free_inside(void) {
    free(block + 16);
}
static void free_nearly(void) {
    free(block + 1);
}
static void free_inside_large(void) {
    block = malloc(1000000);
    free(block + 70000);
}
static void free_global(void) {
    block = (char *)&global_variable;
    free(block);
}
static void free_stack(void) {
    char on_stack[64];
    block = on_stack;
    free(block);
}
static void free_wild(void) {
    block = (char *)(uintptr_t)0x1000;
    free(block);
}
static void realloc_freed(void) {
    free(block);
    block = realloc(block, 10);
}
static void realloc_inside(void) {
    block = realloc(block + 16, 10);
}
static void usable_size_of_freed(void) {
    free(block);
    block += malloc_usable_size(block);
}
static void free_wrong_size(void) {
    free_sized(block, 5000);
}

static const struct {
    void (*misuse)(void);
    const char *operation, *code;
} deaths[] = {
    {free_twice, "free", "ASH-FREE-DOUBLE"},
    {free_twice_large, "free", "ASH-FREE-"}, /* foreign once its pages are gone */
    {free_twice_by_threads, "free", "ASH-FREE-DOUBLE"},
    {free_inside, "free", "ASH-FREE-INTERIOR"},
    {free_nearly, "free", "ASH-FREE-INTERIOR"},
    {free_inside_large, "free", "ASH-FREE-INTERIOR"},
    {free_global, "free", "ASH-FREE-FOREIGN"},
    {free_stack, "free", "ASH-FREE-FOREIGN"},
    {free_wild, "free", "ASH-FREE-FOREIGN"},
    {realloc_freed, "realloc", "ASH-FREE-DOUBLE"},
    {realloc_inside, "realloc", "ASH-FREE-INTERIOR"},
    {usable_size_of_freed, "usable_size", "ASH-FREE-DOUBLE"},
    {free_wrong_size, "free_sized", "ASH-FREE-SIZE"},
};

/* Runs one misuse in a child, and reads its last words. */
static void expect_death(size_t row) {
    int ends[2], status;
    char text[1024] = "", wanted[64];
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(ends[1], STDERR_FILENO);
        block = malloc(100);
        deaths[row].misuse();
        _exit(0);
    }
    EXPECT(close(ends[1]) == 0);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    EXPECT(close(ends[0]) == 0);
    EXPECT(waitpid(child, &status, 0) == child);
    snprintf(wanted, sizeof wanted, " in %s: ", deaths[row].operation);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
        strstr(text, deaths[row].code) == NULL || strstr(text, wanted) == NULL ||
        strncmp(text, "ashlar: ", 8) != 0 || strchr(text, '\n') != text + length - 1) {
        dprintf(STDERR_FILENO, "row %zu: status %d, said \"%s\"\n", row, status, text);
        _exit(1);
    }
}

int main(void) {
    for (size_t row = 0; row < sizeof deaths / sizeof deaths[0]; row++) expect_death(row);
    return 0;
}
