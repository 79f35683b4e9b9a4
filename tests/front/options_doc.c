/* Writes docs/OPTIONS.md from the table of options, or compares it. */
#include "../generated.h"
#include "front/options.h"

static const char head[] =
    "# Options\n"
    "\n"
    "A program on libashlar, linked or preloaded, reads them from its environment when it starts:\n"
    "\n"
    "```\n"
    "ASHLAR_OPTIONS=verify=exit:output=report.%p LD_PRELOAD=libashlar.so program\n"
    "```\n"
    "\n"
    "`ashlar run` sets both. An option that is not known, or a bad value, costs one line on\n"
    "standard error and changes nothing; it never stops the program. A switch's name alone turns\n"
    "it on. Values hold no colon. In set-user-ID programs, and wherever else the system says that\n"
    "the environment is not to be trusted (`AT_SECURE`), it is not looked at.\n"
    "\n"
    "Options marked *any time* can also be set, and all can be asked for, while the program runs:\n"
    "`ashlar_option_set`, `ashlar_option_get` in `<ashlar/ashlar.h>`.\n"
    "\n"
    "Generated from `src/front/options.def` by `tests/front/options_doc.c`; a test compares them.\n"
    "\n"
    "| option | values | preset | when | |\n"
    "|---|---|---|---|---|\n";

static const char tail[] =
    "\n"
    "Numbers of bytes may end in `K`, `M`, `G` or `T`, for powers of 1024.\n"
    "\n"
    "## Checks\n"
    "\n"
    "`verify=exit`, `verify_signal=N`, `verify_every=N` and `ashlar_verify()` run the same check "
    "of\n"
    "every invariant of the heap's bookkeeping ([INVARIANTS.md](INVARIANTS.md)), and report it "
    "alike:\n"
    "\n"
    "```\n"
    "ashlar: verify at exit: python3 (process 4711)\n"
    "SUMMARY: sound: no finding; 14,648 blocks, 100 % checked\n"
    "```\n"
    "\n"
    "Findings stand between the two lines, each with its code, address and text; `ashlar explain\n"
    "CODE` says more. The verdict is *sound*, *corrupt*, or *incomplete*: nothing was found, but "
    "not\n"
    "all could be judged. The exit status stays the program's. With `verify_fatal` a corrupt heap\n"
    "aborts the process instead (SIGABRT), so that scripts and core dumps see it.\n"
    "\n"
    "- **Other threads** may run meanwhile. While the heap is checked they wait when they want "
    "pages\n"
    "  of it. What belongs to threads that sleep from before the check until after it is judged "
    "in\n"
    "  full. As soon as one other thread runs, what belongs to any other thread is counted as\n"
    "  *changing* instead of judged, and the verdict is incomplete at best. Damage in what only\n"
    "  changes under the heap's locks is found all the same.\n"
    "- **At exit** means after the program's own exit code, in processes that end by `exit`,\n"
    "  `_exit`, `quick_exit` or by returning from `main`; not by a signal. A forked child did not\n"
    "  ask, and does not report at its exit; a program that it becomes by `exec` finds the "
    "options\n"
    "  in its environment, and does. Standard error is duplicated at the start, since many "
    "programs\n"
    "  close it before they end. Threads that still run get a quarter of a second to end or to\n"
    "  sleep.\n"
    "- **On a signal** the check runs in the handler, on the stack of whichever thread got it (32\n"
    "  KiB). The handler is installed when the heap is made, for children too; a program that "
    "handles\n"
    "  the signal itself replaces it.\n"
    "- **Every N operations** counts each thread's own calls of malloc and its family, and says\n"
    "  something only when the heap is corrupt, unless `verbose` is set.\n"
    "\n"
    "## Where reports go\n"
    "\n"
    "`output` is `stderr`, the number of a file descriptor, or a file's name, to which each "
    "report\n"
    "adds: `%p` stands for the process's number, `%n` for the program's name, `%%` for a percent\n"
    "sign. A relative name counts from the directory in which the process then is. Warnings about\n"
    "options, and `help=1`, always go to standard error.\n";

static void write_cell(FILE *out, const struct ash_line *line) {
    for (size_t i = 0; i < line->length; i++) {
        if (line->text[i] == '|') fputc('\\', out);
        fputc(line->text[i], out);
    }
}

static void write_all(FILE *out) {
    fputs(head, out);
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++) {
        const struct ash_option_row *row = &ash_option_rows[i];
        struct ash_line values = {0}, preset = {0};
        ash_option_values_text(&values, row);
        ash_option_value_text(&preset, row, row->preset);
        fprintf(out, "| `%s` | ", row->name);
        write_cell(out, &values);
        fputs(" | ", out);
        write_cell(out, &preset);
        fprintf(out, " | %s | %s |\n", row->any_time ? "any time" : "start", row->help);
    }
    fputs(tail, out);
}

int main(int argc, char **argv) {
    return generated_main(argc, argv, write_all, "options");
}
