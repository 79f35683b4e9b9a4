/* What a fuzzer found, made fit to be looked at: see triage.c. */
#ifndef ASH_TRIAGE_H
#define ASH_TRIAGE_H

#include "campaign.h"

#include <ashlar/trace.h>

enum {
    ASH_FRAMES = 3,
    ASH_ID_BYTES = 96,
    ASH_FRAME_BYTES = 128,
    ASH_COMMAND_BYTES = 4 * ASH_PATH_BYTES
};

/* What running one input came to. */
struct ash_signature {
    bool bad;
    bool exhausted; /* of memory: says nothing of the target */
    bool hangs;
    char code[48];      /* "ASH-ORACLE-OVERLAP"; of a crash ASH-ORACLE-CRASH */
    char operation[24]; /* "malloc"; "" while it is not known */
    char frames[ASH_FRAMES][ASH_FRAME_BYTES]; /* of a crash, topmost first: module+offset */
};

struct ash_found {
    char id[ASH_ID_BYTES];
    struct ash_signature first; /* as the engine's input gave it */
    struct ash_signature small; /* as the minimised one does */
    size_t operations;          /* of the minimised trace */
    char replay[ASH_COMMAND_BYTES];
    uint64_t inputs; /* that showed it */
    double seconds;  /* since the campaign began */
};

enum { ASH_FOUND_MOST = 64, ASH_LOOKED_MOST = 400 };
struct ash_triage {
    struct ash_campaign *campaign;
    struct ash_found found[ASH_FOUND_MOST];
    size_t count;
    uint64_t looked;       /* inputs looked at */
    uint64_t unrepeatable; /* that did not fail again alone */
    uint64_t slow;         /* that ran out of time, and return when they have more */
    uint64_t exhausted;    /* that ran out of memory, which is no finding */
    uint64_t left;         /* not looked at: too many, or too late */
    char *seen;            /* their names, one a line */
    size_t seen_bytes;
    pid_t server;    /* the harness that serves inputs; 0: none yet, -1: there is none */
    int ask, answer; /* its descriptors */
    void (*tell)(const struct ash_triage *triage, const struct ash_found *found);
};

/* Looks at one input, and when it shows something new minimises it, writes
 * crashes/ID/{trace,input.raw,report,reproducer.c} and tells. Inputs looked at before are passed
 * over. False: not possible, and said why. */
void ash_triage_end(struct ash_triage *triage);
bool ash_triage_input(struct ash_triage *triage, const char *path, const char *name);
/* The same for an input that no engine has complained about: it may well be sound. */
bool ash_triage_seed(struct ash_triage *triage, const char *path);

#endif
