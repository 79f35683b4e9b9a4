/* A page of documentation that is written from a table. */
#ifndef ASHLAR_TEST_GENERATED_H
#define ASHLAR_TEST_GENERATED_H

#include <stdio.h>

/* The main function of the program that writes it: to standard output; or, with a file's name,
 * compares that file with what would be written, and says how to write it anew when they differ.
 * `table` is what the page is made from, for that message. */
int generated_main(int argc, char **argv, void write_all(FILE *out), const char *table);

#endif
