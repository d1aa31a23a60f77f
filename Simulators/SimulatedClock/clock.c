// Clocks that a scenario sets: CLOCK_REALTIME, CLOCK_MONOTONIC, and what the kernel says of the clock's synchronisation.
//
//   LANESIM_CLOCK   a file of 24 bytes, mapped shared, written by lanesim while the program runs:
//
//      0  8  i64 LE   added to the wall clock, ns
//      8  8  i64 LE   added to the monotonic clock, ns; grows only
//     16  4  i32 LE   0: adjtimex says unsynchronised · 1: synchronised · -1: what the kernel says
//     20  4           zero
//
// The kernel's own waits go by the real clocks: a program that waits finds out when something else wakes it. A step
// raises no TFD_TIMER_CANCEL_ON_SET, since nobody set the machine's clock.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct setting {
    _Atomic int64_t wall;
    _Atomic int64_t monotonic;
    _Atomic int32_t synchronised;
    int32_t unused;
};

static const struct setting unmoved = {.synchronised = -1};
static const struct setting *setting = &unmoved;
static int (*realClock)(clockid_t, struct timespec *);
static int (*realAdjust)(struct timex *);

__attribute__((constructor)) static void begin(void) {
    realClock = dlsym(RTLD_NEXT, "clock_gettime");
    realAdjust = dlsym(RTLD_NEXT, "adjtimex");
    const char *path = getenv("LANESIM_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(struct setting), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) setting = memory;
}

int clock_gettime(clockid_t which, struct timespec *instant) {
    if (!realClock) {
        errno = EINVAL;
        return -1;
    }
    int status = realClock(which, instant);
    if (status || (which != CLOCK_REALTIME && which != CLOCK_MONOTONIC)) return status;
    int64_t offset = atomic_load(which == CLOCK_REALTIME ? &setting->wall : &setting->monotonic);
    instant->tv_sec += offset / 1000000000;
    instant->tv_nsec += offset % 1000000000;
    if (instant->tv_nsec < 0) {
        instant->tv_nsec += 1000000000;
        instant->tv_sec -= 1;
    } else if (instant->tv_nsec >= 1000000000) {
        instant->tv_nsec -= 1000000000;
        instant->tv_sec += 1;
    }
    return 0;
}

int adjtimex(struct timex *state) {
    int synchronised = atomic_load(&setting->synchronised);
    if (synchronised < 0 || !realAdjust) return realAdjust ? realAdjust(state) : TIME_ERROR;
    *state = (struct timex){.status = synchronised ? 0 : STA_UNSYNC};
    return synchronised ? TIME_OK : TIME_ERROR;
}
