// A plugin's memory: blocks of sixteen bytes and its doublings, kept by size when they are freed. The host bounds the
// whole and throws the instance away where it asks for more.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Where the linker says that the program's own data ends.
extern unsigned char __heap_base;

enum { SMALLEST = 16, CLASSES = 26, PAGE = 65536 };

// Before every block: its class, or in a free block the next free one of the class.
typedef union head {
  size_t class;
  union head *next;
  // Blocks are aligned for every type.
  uint64_t aligned[2];
} head;

static head *kept[CLASSES];
static uintptr_t fresh, end;

static size_t class_of(size_t size) {
  size_t class = 0;
  for (size_t fits = SMALLEST; fits < size; fits *= 2) {
    class++;
  }
  return class;
}

static size_t size_of(size_t class) { return (size_t)SMALLEST << class; }

void *malloc(size_t size) {
  // The host's own limit is far below.
  if (size > size_of(CLASSES - 1)) {
    abort();
  }
  size_t class = class_of(size);
  head *block = kept[class];
  if (block != NULL) {
    kept[class] = block->next;
  } else {
    if (fresh == 0) {
      fresh = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
      end = __builtin_wasm_memory_size(0) * PAGE;
    }
    size_t need = sizeof(head) + size_of(class);
    if (need > end - fresh) {
      size_t pages = (need - (end - fresh) + PAGE - 1) / PAGE;
      if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) {
        abort();
      }
      end += pages * PAGE;
    }
    block = (head *)fresh;
    fresh += need;
  }
  block->class = class;
  return block + 1;
}

void free(void *at) {
  if (at == NULL) {
    return;
  }
  head *block = (head *)at - 1;
  size_t class = block->class;
  block->next = kept[class];
  kept[class] = block;
}

void *realloc(void *at, size_t size) {
  if (at == NULL) {
    return malloc(size);
  }
  size_t have = size_of(((head *)at - 1)->class);
  if (size <= have) {
    return at;
  }
  void *larger = malloc(size);
  memcpy(larger, at, have);
  free(at);
  return larger;
}

void *calloc(size_t count, size_t size) {
  size_t all;
  if (__builtin_mul_overflow(count, size, &all)) {
    abort();
  }
  return memset(malloc(all), 0, all);
}

void abort(void) { __builtin_trap(); }

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  unsigned char *into = to;
  const unsigned char *out = from;
  while (size-- > 0) {
    *into++ = *out++;
  }
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  unsigned char *into = to;
  const unsigned char *out = from;
  if (into <= out) {
    return memcpy(to, from, size);
  }
  while (size-- > 0) {
    into[size] = out[size];
  }
  return to;
}

void *memset(void *to, int byte, size_t size) {
  unsigned char *into = to;
  while (size-- > 0) {
    *into++ = (unsigned char)byte;
  }
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *left = a, *right = b;
  for (; size > 0; size--, left++, right++) {
    if (*left != *right) {
      return *left - *right;
    }
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) {
    length++;
  }
  return length;
}
