// A wall clock that is wrong, for one program: loaded with LD_PRELOAD.
//
//   CLOCK_ERROR   a file with the milliseconds that CLOCK_REALTIME says too much, as decimal text; read at every call, so
//                 that a test sets the clock by writing it
//
// The kernel's clock counts as not synchronised, whatever this machine's is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static long long errorMilliseconds(void) {
    const char *path = getenv("CLOCK_ERROR");
    char text[32] = {0};
    if (!path) return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    return count > 0 ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result || clock != CLOCK_REALTIME) return result;
    long long milliseconds = now->tv_sec * 1000LL + now->tv_nsec / 1000000 + errorMilliseconds();
    now->tv_sec = milliseconds / 1000;
    now->tv_nsec = milliseconds % 1000 * 1000000;
    return 0;
}

int adjtimex(struct timex *state) {
    state->status = STA_UNSYNC;
    return TIME_ERROR;
}
