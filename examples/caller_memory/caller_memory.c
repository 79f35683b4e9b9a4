/* Heaps inside memory of your own: a shared segment, a game's level, a plugin with a quota, a
 * device without a malloc. Bookkeeping and blocks both lie in that memory, no system call is made,
 * and the program's own malloc stays what it was.
 *
 *   gcc caller_memory.c $(pkg-config --cflags --libs ashlar-heap) -o caller_memory
 */
#include <ashlar/check.h>
#include <ashlar/heap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char level_memory[4 << 20];

/* Misuse is told to whoever made the heap; without a handler one line is written and the program
 * aborts. The wrong call has no effect. */
static void on_misuse(void *context, const struct ashlar_misuse *misuse) {
    unsigned *count = context;
    ++*count;
    printf("misuse   %s in %s\n", ashlar_finding_by_number(misuse->code)->code, misuse->operation);
}

static char *copy(struct ashlar_thread_heap *th, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *block = ashlar_malloc(th, bytes);
    return block == NULL ? NULL : memcpy(block, text, bytes);
}

int main(void) {
    unsigned misuses = 0;
    struct ashlar_heap_options options = {.on_misuse = on_misuse, .context = &misuses};
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *th;
    enum ashlar_status status =
        ashlar_heap_create_in(level_memory, sizeof level_memory, &options, &heap);
    if (status == ASHLAR_OK) status = ashlar_thread_heap_acquire(heap, &th);
    if (status != ASHLAR_OK) {
        fprintf(stderr, "no heap: %s\n", ashlar_status_text(status));
        return 1;
    }

    char *name = copy(th, "first level");
    printf("block    \"%s\", inside: %s\n", name,
           name >= level_memory && name < level_memory + sizeof level_memory ? "yes" : "no");
    ashlar_free(th, name);
    ashlar_free(th, name);

    /* Until the memory is full: then NULL, and nothing else is touched. */
    size_t blocks = 0;
    while (ashlar_malloc(th, 1000) != NULL) blocks++;
    printf("full     after %s blocks of 1,000 bytes\n", blocks > 2000 ? "more than 2,000" : "few");

    struct ashlar_check_report report;
    enum ashlar_verdict verdict = ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report);
    printf("checked  %s, %s\n", ashlar_verdict_text(verdict),
           report.live_blocks == blocks ? "every block accounted for" : "blocks are missing");

    /* The next level: everything is free again, at once. */
    ashlar_heap_reset(heap);
    bool again = ashlar_malloc(th, 1 << 20) != NULL;
    printf("reset    %s\n", again ? "a block of 1 MiB fits again" : "still full");
    ashlar_thread_heap_release(th);
    ashlar_heap_destroy(heap);
    return verdict == ASHLAR_SOUND && misuses == 1 && again ? 0 : 1;
}
