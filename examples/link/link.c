/* A program that is linked with Ashlar: malloc and its family are Ashlar's, from the first call on,
 * in every library of the program too. Nothing else is needed; what follows is what a program can
 * ask beyond that.
 *
 *   gcc link.c $(pkg-config --cflags --libs ashlar) -o link
 *   gcc link.c -static $(pkg-config --static --cflags --libs ashlar) -o link
 */
#include <ashlar/ashlar.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    enum { BLOCKS = 10000 };
    static void *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(1 + i % 5000);
        if (blocks[i] == NULL) return 1;
    }
    for (unsigned i = 0; i < BLOCKS; i += 2) free(blocks[i]);

    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(ashlar_process_heap(), &stats);
    printf("live      %s\n",
           stats.live_blocks >= BLOCKS / 2 ? "5,000 blocks, and libc's own" : "?");

    /* Every pointer's block is known, also a pointer into its middle. */
    struct ashlar_block block;
    uintptr_t inside = (uintptr_t)blocks[4999] + 100;
    bool found = ashlar_heap_find(ashlar_process_heap(), inside, &block);
    printf("found     %s, %zu usable bytes\n",
           found && block.address == (uintptr_t)blocks[4999] ? "the block" : "nothing",
           block.bytes);

    fflush(stdout);
    /* Checks all of the heap; what it finds, and its verdict, go to the option `output`. */
    if (ashlar_option_set("output", "1") != ASHLAR_OK) return 1;
    struct ashlar_check_report report;
    enum ashlar_verdict verdict = ashlar_verify(&report);
    printf("verified  %s\n", ashlar_verdict_text(verdict));

    for (unsigned i = 1; i < BLOCKS; i += 2) free(blocks[i]);
    return found && verdict == ASHLAR_SOUND && report.live_blocks >= BLOCKS / 2 ? 0 : 1;
}
