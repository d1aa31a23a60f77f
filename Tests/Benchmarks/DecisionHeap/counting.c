// Counts what asks the heap for memory: preloaded before a program, and asked by it through `heap_requests`.
// malloc(3), calloc, realloc and the aligned ones are glibc's own behind the counter.
#include <stdatomic.h>
#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_ulong requests;

unsigned long heap_requests(void) { return atomic_load(&requests); }

void *malloc(size_t size) {
    atomic_fetch_add(&requests, 1);
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    atomic_fetch_add(&requests, 1);
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    atomic_fetch_add(&requests, 1);
    return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add(&requests, 1);
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    atomic_fetch_add(&requests, 1);
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? 12 : 0;
}
