/* What a program has counted of its own operators new and delete. */
#ifndef OPERATORS_REPLACED_H
#define OPERATORS_REPLACED_H

extern const bool deletes_are_replaced; /* and the aligned forms */
extern int news, deletes, aligned_news;

#endif
