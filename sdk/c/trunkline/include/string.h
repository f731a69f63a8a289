// What of <string.h> a plugin has: there is no C library under it. See ../memory.c.
#ifndef TRUNKLINE_STRING_H
#define TRUNKLINE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

#endif
