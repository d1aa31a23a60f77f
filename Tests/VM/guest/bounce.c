/* bounce PULL_FILE MICROSECONDS…: writes pull-up, waits, pull-down, waits, … to a gpio-sim line, beginning with up, and
 * prints how long each level really stood, in microseconds: a loaded machine may stretch them, and the caller must know.
 * Runs at real-time priority, so that only the machine under the guest can. */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int count, char **arguments) {
    if (count < 3) return 64;
    struct sched_param priority = {.sched_priority = 50};
    sched_setscheduler(0, SCHED_FIFO, &priority);
    int pull = open(arguments[1], O_WRONLY);
    if (pull < 0) {
        perror(arguments[1]);
        return 1;
    }
    int64_t stood[64], since = 0;
    int steps = count - 2 < 64 ? count - 2 : 64;
    for (int i = 0; i <= steps; i++) {
        const char *level = i % 2 ? "pull-down" : "pull-up";
        /* What the last level stood for ends when this write has been taken. */
        if (i < steps || i % 2) {
            if (pwrite(pull, level, i % 2 ? 9 : 7, 0) < 0) {
                perror("write");
                return 1;
            }
        }
        int64_t at = now();
        if (i > 0) stood[i - 1] = at - since;
        since = at;
        if (i == steps) break;
        long wait = atol(arguments[2 + i]);
        struct timespec t = {wait / 1000000, wait % 1000000 * 1000};
        nanosleep(&t, NULL);
    }
    for (int i = 0; i < steps; i++) printf("%lld ", (long long)stood[i]);
    printf("\n");
    return 0;
}
