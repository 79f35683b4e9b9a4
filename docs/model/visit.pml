/* Remote frees, the owner's collecting, and visits: src/heap/remote.c and visit.c.
 *
 * One slab of two windows. SHAPE 1: two blocks in window 0, none in window 1; SHAPE 2: one block in
 * each. Two threads free one block each; the owner takes SLOW slow paths, in the first of which its
 * bin leaves the slab, and sleeps then for ever. The owner's stores to its mark go through a store
 * buffer, as on a processor; its loads do not wait for them. README.md says which line is which
 * step, and what is left out.
 *
 * BREAK plants an error, which the search has to find:
 *   1  a slab counts as complete without a look at the remote summary
 *   2  no barrier in the other threads
 *   3  the owner does not look whether it was asked
 *   4  no look at the slab after F3 and F4
 *   5  the bin does not look at the slab that it leaves
 *   6  the owner does not wait for a visitor
 *   7  a merge goes on with bits that were set after it had emptied the word
 *   8  the owner does not collect again what was pushed meanwhile
 */
#ifndef BREAK
#define BREAK 0
#endif
#ifndef SLOW
#define SLOW 1
#endif
#ifndef SHAPE
#define SHAPE 1
#endif

byte own[2], rem[2]; /* free words and remote words */
byte every[2];
bit sum[2]; /* remote summary */
byte stack; /* how often the slab is on the pending stack */
bool current = true, released;
bool guest, asked;
bool mark;          /* the owner's mark, as others see it */
bool buffered, put; /* the store of it that others do not see yet */
bool owner_in, visitor_in;
byte inside; /* threads between F2 and F4 */
byte done;   /* threads that have ended */

#define SUMMARY (sum[0] || sum[1])
#define FLUSH   mark = (buffered -> put : mark); buffered = false

/* The processor drains the owner's store when it likes. */
active proctype processor() {
end:
    do
    :: atomic { buffered -> FLUSH }
    od
}

inline give_back() {
    d_step {
        assert(!released);
        assert(inside == 0);
        assert(stack == 0);
        assert(!current);
        released = true;
    }
}

/* Whether the slab is complete; window by window, others may act between. */
inline look(result, w, s) {
    w = 0;
    result = true;
    do
    :: w < 2 && result ->
        s = (BREAK == 1 -> 1 : sum[w]);
        if
        :: atomic { s -> result = ((own[w] | rem[w]) == every[w]) }
        :: atomic { !s -> result = (own[w] == every[w]) }
        fi;
        w++
    :: else -> break
    od
}

inline visit(found, result, w, s) {
    atomic { !guest -> guest = true }; /* V1 */
    asked = true;
    if
    :: BREAK != 2 -> atomic { FLUSH } /* V2 */
    :: BREAK == 2 -> skip
    fi;
    if
    :: mark -> skip /* V3 */
    :: !mark ->
        asked = false; /* V4 */
        d_step { visitor_in = true; assert(!owner_in) };
        d_step { found = stack; stack = 0 };
        if
        :: found && !current ->
            look(result, w, s);
            if
            :: result ->
                d_step { own[0] = own[0] | (rem[0] * sum[0]); own[1] = own[1] | (rem[1] * sum[1]) };
                d_step { rem[0] = rem[0] & ~own[0]; rem[1] = rem[1] & ~own[1] };
                d_step { sum[0] = 0; sum[1] = 0 };
                assert(own[0] == every[0] && own[1] == every[1]);
                give_back()
            :: else -> d_step { stack++; assert(stack == 1) }
            fi
        :: found && current -> d_step { stack++; assert(stack == 1) }
        :: else -> skip
        fi;
        visitor_in = false
    fi;
    guest = false /* V5 */
}

proctype freer(byte window; byte bits) {
    byte old, w, found;
    bit s;
    bool result, was;
    assert(!released);
    assert((own[window] & bits) == 0);                                         /* F1 */
    byte mine = own[window];
    d_step { old = rem[window]; rem[window] = old | bits; inside = inside + (old == 0) }; /* F2 */
    if
    :: old == 0 ->
        d_step {
            assert(!released);
            was = SUMMARY;
            sum[window] = 1; /* F3 */
            inside = inside - was
        };
        if
        :: !was -> d_step {
            assert(!released);
            stack++;
            assert(stack == 1);
            inside-- /* F4 */
        }
        :: else -> skip
        fi
    :: else -> skip
    fi;
    if
    :: (old == 0 && BREAK != 4) || (mine | old | bits) == every[window] ->
        if
        :: released || current -> result = false
        :: else -> look(result, w, s) /* F6: a hint */
        fi;
        if
        :: result && !released -> visit(found, result, w, s)
        :: else -> skip
        fi
    :: else -> skip
    fi;
    done++
}

/* C1 to C4, and settling the slab. */
inline collect(found, windows, bits, left, w) {
    do
    :: atomic { !buffered -> found = stack; stack = 0 }; /* C1: an exchange waits for the buffer */
        if
        :: found ->
            d_step { windows = sum[0] + 2 * sum[1]; sum[0] = 0; sum[1] = 0 }; /* C2 */
            w = 0;
            do
            :: w < 2 ->
                if
                :: (windows >> w) & 1 ->
                    bits = rem[w];
                    do /* C3 */
                    :: bits == 0 -> break
                    :: bits != 0 ->
                        own[w] = own[w] | bits;
                        d_step { left = rem[w] & ~bits; rem[w] = left };
                        bits = (BREAK == 7 -> rem[w] : left) /* not what came after: another's */
                    od
                :: else -> skip
                fi;
                w++
            :: else -> break
            od;
            if
            :: !released && !current && own[0] == every[0] && own[1] == every[1] -> give_back()
            :: else -> skip
            fi;
            if
            :: BREAK == 8 -> break
            :: else -> skip
            fi
        :: else -> break
        fi
    od
}

inline begin() {
    atomic { !buffered -> put = true; buffered = true }; /* O1 */
    if
    :: guest && BREAK != 6 -> atomic { !guest -> skip } /* O2: takes it, and gives it back */
    :: else -> skip
    fi;
    d_step { owner_in = true; assert(!visitor_in) }
}

inline finish() {
    owner_in = false;
    atomic { !buffered -> put = false; buffered = true } /* O3 */
}

proctype owner() {
    byte found, windows, bits, left, w, turn;
    bit s;
    bool result;
    do
    :: turn < SLOW ->
        begin();
        collect(found, windows, bits, left, w);
        if
        :: current && (own[0] != every[0] || own[1] != every[1]) -> /* it uses up what is free */
            atomic { !buffered -> current = false }; /* an exchange */
            if
            :: SUMMARY && BREAK != 5 ->
                look(result, w, s);
                if
                :: result -> asked = true
                :: else -> skip
                fi
            :: else -> skip
            fi
        :: else -> skip
        fi;
        finish();
        do
        :: asked && BREAK != 3 -> /* O4 */
            asked = false;
            begin();
            collect(found, windows, bits, left, w);
            finish()
        :: else -> break
        od;
        turn++
    :: else -> break
    od;
    done++
}

init {
    atomic {
#if SHAPE == 1
        every[0] = 3; every[1] = 0; /* two blocks of one window */
        run freer(0, 1);
        run freer(0, 2);
#else
        every[0] = 1; every[1] = 1; /* a block of each window */
        run freer(0, 1);
        run freer(1, 1);
#endif
        run owner()
    }
    /* Everybody has ended, the owner sleeps: no block is lost, the slab went back. */
    done == 3;
    assert(released || current)
}
