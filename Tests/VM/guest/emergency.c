/* emergency ROUNDS SEED FIRE_PULL_FILE EMERGENCY_VALUE_FILE EMERGENCY_NAME: opens and closes the fire loop so often, and
 * prints for each round how many microseconds passed from the line's change to the relay's, as the kernel's trace has
 * them: this program's mark, written just before the change, and the gpio_value event of the emergency line. Whoever
 * drives that line is under test; this one only looks, and sleeps while it waits.
 *
 * Exit status 1: a round did not open within 10 s, or did not close again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"
#define ROUND_MILLISECONDS 10000

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_TRUNC);
    if (file < 0 || write(file, text, strlen(text)) < 0) fail(path);
    close(file);
}

static void nap(long microseconds) {
    struct timespec t = {0, microseconds * 1000};
    nanosleep(&t, NULL);
}

/* The number that the kernel's trace calls the line by: ` gpio-508 (relay5   |lanekeeper) out lo`. */
static int number_of(const char *name) {
    char line[256], is[64];
    int number;
    FILE *all = fopen("/sys/kernel/debug/gpio", "r");
    if (!all) fail("/sys/kernel/debug/gpio");
    while (fgets(line, sizeof line, all))
        if (sscanf(line, " gpio-%d (%63[^ |]", &number, is) == 2 && !strcmp(is, name)) {
            fclose(all);
            return number;
        }
    fprintf(stderr, "no line %s in debugfs\n", name);
    exit(1);
}

static int becomes(int value, char wanted) {
    for (int waited = 0; waited < ROUND_MILLISECONDS; waited++) {
        char level = 0;
        if (pread(value, &level, 1, 0) != 1) fail("value");
        if (level == wanted) return 1;
        nap(1000);
    }
    return 0;
}

/* Every mark with the first time after it that the line was set to 1. */
static int print_rounds(int number) {
    char line[512], wanted[64];
    long long marked = -1;
    int found = 0;
    FILE *trace = fopen(TRACING "trace", "r");
    if (!trace) fail(TRACING "trace");
    snprintf(wanted, sizeof wanted, "gpio_value: %d set 1", number);
    while (fgets(line, sizeof line, trace)) {
        /* `   task-77   [000] .....   12.345678: gpio_value: 508 set 1` */
        char *flags = strchr(line, ']'), *event = strstr(line, ": ");
        long long seconds, microseconds;
        char dots[16];
        if (line[0] == '#' || !flags || !event) continue;
        if (sscanf(flags, "] %15s %lld.%6lld:", dots, &seconds, &microseconds) != 3) continue;
        long long at = seconds * 1000000 + microseconds;
        if (strstr(event, "fire opens")) {
            marked = at;
        } else if (marked >= 0 && strstr(event, wanted)) {
            printf("%lld ", at - marked);
            marked = -1;
            found++;
        }
    }
    printf("\n");
    fclose(trace);
    return found;
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    int rounds = atoi(arguments[1]);
    srandom((unsigned)atoi(arguments[2]));
    int pull = open(arguments[3], O_WRONLY), value = open(arguments[4], O_RDONLY);
    if (pull < 0) fail(arguments[3]);
    if (value < 0) fail(arguments[4]);
    int number = number_of(arguments[5]);

    put(TRACING "tracing_on", "0");
    put(TRACING "trace_clock", "mono");
    put(TRACING "buffer_size_kb", "8192");
    put(TRACING "trace", "");
    put(TRACING "events/gpio/gpio_value/filter", "get == 0");
    put(TRACING "events/gpio/gpio_value/enable", "1");
    put(TRACING "tracing_on", "1");
    int marker = open(TRACING "trace_marker", O_WRONLY);
    if (marker < 0) fail("trace_marker");
    for (int i = 0; i < rounds; i++) {
        if (pwrite(pull, "pull-up", 7, 0) < 0) fail("pull-up");
        if (!becomes(value, '0')) {
            fprintf(stderr, "round %d: still open although the loop is whole\n", i);
            return 1;
        }
        /* At no fixed phase of the kernel's tick or the daemon's second. */
        nap(1000 + random() % 9000);
        if (write(marker, "fire opens\n", 11) < 0) fail("mark");
        if (pwrite(pull, "pull-down", 9, 0) < 0) fail("pull-down");
        if (!becomes(value, '1')) {
            fprintf(stderr, "round %d: NOT OPENED\n", i);
            return 1;
        }
    }
    put(TRACING "tracing_on", "0");
    put(TRACING "events/gpio/gpio_value/enable", "0");
    pwrite(pull, "pull-up", 7, 0);
    int found = print_rounds(number);
    put(TRACING "trace", "");
    if (found != rounds) fprintf(stderr, "%d of %d rounds are in the kernel's trace\n", found, rounds);
    return found != rounds;
}
