/* Kept spans: src/heap/kept.c, the claims of spans.c, and the visits of visit.c.
 *
 * One span. SHAPE 1: one thread frees it, takes it again and frees it, or takes other slow paths.
 * SHAPE 2: two threads free it at once, each into its own thread heap, the second freeing being an
 * error of the program. Both sleep for ever then, while another thread looks at the clock. Stores
 * of each owner that others read go through a store buffer, first in first out, as on a processor;
 * its loads do not wait for them. README.md says which line is which step, and what is left out.
 *
 * BREAK plants an error, which the search has to find:
 *   1  a claim reads the kind and then writes it
 *   2  a visit gives back what is kept by an owner that is at work
 *   3  the owner does not wait for a visitor
 *   4  no barrier before a visit reads the owner's mark
 *   5  a visit to an owner that was at work does not set the clock again
 *   6  no barrier after the clock was claimed
 *   7  the clock is claimed after the visits
 *   8  who keeps a span does not set the clock
 */
#ifndef BREAK
#define BREAK 0
#endif
#ifndef SHAPE
#define SHAPE 1
#endif
#define THREADS SHAPE

#define LIVE 1
#define KEPT 2
#define RUN  3

byte kind = LIVE;
bit list[2];  /* the span is in the thread heap's list */
bit count[2]; /* how many it keeps, as others see it */
bit mark[2];  /* likewise */
bit asked[2], guest[2];
bit clock;              /* a look is due some time */
byte claims, told;      /* of the frees that were called in its present life */
bit owner_in[2], visitor_in[2];
byte done;

/* Stores on their way: what and the new value. */
#define MARK  0
#define COUNT 1
#define CLOCK 2
chan stores0 = [4] of { byte, bit };
chan stores1 = [4] of { byte, bit };

inline lands(th, what, value) {
    if
    :: what == MARK -> mark[th] = value
    :: what == COUNT -> count[th] = value
    :: else -> clock = value
    fi
}
inline flush(what, value) {
    d_step {
        do
        :: nempty(stores0) -> stores0?what,value; lands(0, what, value)
        :: nempty(stores1) -> stores1?what,value; lands(1, what, value)
        :: empty(stores0) && empty(stores1) -> break
        od;
        what = 0;
        value = 0
    }
}

active proctype processors() {
    byte what;
    bit value;
end:
    do
    :: d_step { stores0?what,value -> lands(0, what, value); what = 0; value = 0 }
    :: d_step { stores1?what,value -> lands(1, what, value); what = 0; value = 0 }
    od
}

inline store(what, value) {
    if
    :: th == 0 -> stores0!what,value
    :: else -> stores1!what,value
    fi
}
#define DRAINED (th == 0 && empty(stores0) || th == 1 && empty(stores1))

inline begin() {
    store(MARK, 1); /* O1 */
    if
    :: guest[th] && BREAK != 3 -> !guest[th] /* O2 */
    :: else -> skip
    fi;
    d_step { owner_in[th] = 1; assert(!visitor_in[th]) }
}
inline finish() {
    owner_in[th] = 0;
    store(MARK, 0) /* O3 */
}
inline answer() { /* O4: collects, and keeps what it keeps */
    do
    :: asked[th] -> asked[th] = 0; begin(); finish()
    :: else -> break
    od
}

/* ash_span_free: K1 to K4. */
inline free_span() {
    if
    :: kind != LIVE -> told++ /* K1: a fault */
    :: else ->
        begin();
        if
        :: BREAK != 1 ->
            atomic { DRAINED -> won = kind == LIVE; kind = (won -> KEPT : kind) } /* K2 */
        :: else -> won = kind == LIVE; kind = KEPT
        fi;
        if
        :: won ->
            d_step { claims++; assert(claims == 1) };
            d_step { assert(!list[0] && !list[1] && kind == KEPT); list[th] = 1 }; /* K3 */
            store(COUNT, 1);
            if
            :: !clock && BREAK != 8 -> store(CLOCK, 1) /* K4 */
            :: else -> skip
            fi
        :: else -> told++
        fi;
        finish();
        answer()
    fi
}

/* ash_span_create from what is kept: T1, T2. */
inline take_span() {
    begin();
    if
    :: list[th] ->
        list[th] = 0; /* T1 */
        store(COUNT, 0);
        d_step { assert(kind == KEPT && !list[0] && !list[1]); kind = LIVE }; /* T2 */
        d_step { claims = 0; told = 0; have = 1 }
    :: else -> have = 0
    fi;
    finish();
    answer()
}

proctype owner(byte th) {
    bit won, have;
    free_span();
    if
    :: SHAPE == 1 ->
        take_span();
        if
        :: have -> free_span()
        :: else -> skip
        fi
    :: SHAPE == 1 -> begin(); finish(); answer()
    :: skip
    fi;
    done++
}

/* ash_kept_give, by a visitor. */
inline give_back() {
    d_step { visitor_in[at] = 1; assert(!owner_in[at]) };
    if
    :: list[at] ->
        list[at] = 0;
        count[at] = 0;
        d_step { assert(kind == KEPT && !list[0] && !list[1]); kind = RUN }
    :: else -> skip
    fi;
    visitor_in[at] = 0
}

active proctype looker() {
    byte at, what;
    bit value;
end:
    do
    :: clock ->
        if
        :: BREAK != 7 -> clock = 0 /* L1 */
        :: else -> skip
        fi;
        if
        :: BREAK != 6 -> flush(what, value) /* L2 */
        :: else -> skip
        fi;
        at = 0;
        do
        :: at < THREADS ->
            if
            :: count[at] ->
                atomic { !guest[at] -> guest[at] = 1 }; /* V1 */
                asked[at] = 1;
                if
                :: BREAK != 4 -> flush(what, value) /* V2 */
                :: else -> skip
                fi;
                if
                :: !mark[at] || BREAK == 2 -> asked[at] = 0; give_back() /* V3, V4 */
                :: else -> /* V6 */
                    if
                    :: BREAK != 5 && count[at] -> clock = 1
                    :: else -> skip
                    fi
                fi;
                guest[at] = 0 /* V5 */
            :: else -> skip
            fi;
            at++
        :: else -> break
        od;
        at = 0;
        if
        :: BREAK == 7 -> clock = 0
        :: else -> skip
        fi
    od
}

init {
    atomic {
        run owner(0);
        if
        :: THREADS == 2 -> run owner(1)
        :: else -> skip
        fi
    }
    /* Everybody sleeps, and no look is due: nothing is kept for ever. */
    done == THREADS && !clock && empty(stores0) && empty(stores1) && looker@end;
    assert(!list[0] && !list[1]);
    /* Of two who freed it, one was told, unless it had been handed out again. */
    assert(SHAPE == 1 || (claims == 1 && told == 1));
    assert(kind == LIVE || kind == RUN)
}
