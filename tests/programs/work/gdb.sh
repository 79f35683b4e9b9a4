#!/bin/sh
# Debugs a small program: symbols, breakpoints, stacks, Python inside.
set -eu
cat >debugged.c <<'END'
#include <stdio.h>
#include <stdlib.h>
struct node { int value; struct node *next; };
static struct node *push(struct node *list, int value) {
    struct node *node = malloc(sizeof *node);
    if (node == NULL) abort();
    node->value = value;
    node->next = list;
    return node;
}
static int sum(const struct node *list) { return list == NULL ? 0 : list->value + sum(list->next); }
int main(void) {
    struct node *list = NULL;
    for (int i = 0; i < 20; i++) list = push(list, i * i);
    printf("%d\n", sum(list));
    return 0;
}
END
gcc -g -O0 debugged.c -o debugged
cat >commands <<'END'
set width 0
set print address off
set confirm off
set debuginfod enabled off
break push if value > 300
break sum if list == 0
run
info args
bt 3
continue
print list->value
delete 1
continue
bt -4
up 5
print *list->next->next
print list->next->value * 3
ptype struct node
python
import gdb
made = {}
for i in range(20000):
    made[i] = str(gdb.parse_and_eval("%d * 3" % i))
print(sum(int(v) for v in made.values()))
frame = gdb.selected_frame()
names = []
while frame is not None and len(names) < 40:
    names.append(frame.name())
    frame = frame.older()
print(names.count("sum"))
end
info functions ^push$
disassemble /s push
finish
continue
END
gdb -q -nx -batch -x commands ./debugged 2>&1
