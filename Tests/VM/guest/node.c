/* node PATH gone|there SECONDS: waits until a device node is so, and prints the wall clock then, in milliseconds since
 * 1970, as records of the journal have it. Exit status 1: not within its time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 4) return 64;
    int wanted = !strcmp(arguments[2], "there");
    for (long waited = atol(arguments[3]) * 500; waited > 0; waited--) {
        if ((access(arguments[1], F_OK) == 0) == wanted) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            printf("%lld\n", now.tv_sec * 1000LL + now.tv_nsec / 1000000);
            return 0;
        }
        struct timespec t = {0, 2000000};
        nanosleep(&t, NULL);
    }
    return 1;
}
