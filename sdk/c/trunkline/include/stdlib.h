// What of <stdlib.h> a plugin has: there is no C library under it. See ../memory.c.
#ifndef TRUNKLINE_STDLIB_H
#define TRUNKLINE_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

// Ends the instance: a trap in the call's record.
_Noreturn void abort(void);

#endif
