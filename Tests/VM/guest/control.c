/* control MILLISECONDS: the bare minimum that the daemon's emergency path is measured beside: waits for an edge of the
 * fire loop in poll(2), lets the contact stand for its debounce (in the kernel where the library can, else by a sleep),
 * and sets the emergency output. No thread, no record, no other line. Built against each libgpiod. */
#include <poll.h>
#include <stdlib.h>

#include "shim.h"

static struct gpiod_chip *bench(void) {
    char path[32];
    for (int i = 0; i < 16; i++) {
        snprintf(path, sizeof path, "/dev/gpiochip%d", i);
        struct gpiod_chip *chip = gpiod_chip_open(path);
        if (chip && lane_gpio_chip_is(chip, "bench")) return chip;
        if (chip) gpiod_chip_close(chip);
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 64;
    uint32_t milliseconds = (uint32_t)atoi(arguments[1]);
    struct gpiod_chip *chip = bench();
    if (!chip) {
        fprintf(stderr, "no chip bench\n");
        return 1;
    }
    uint32_t fire = (uint32_t)lane_gpio_find(chip, "estop"), emergency = (uint32_t)lane_gpio_find(chip, "relay5");
    struct lane_gpio_lines in, out;
    if (lane_gpio_request_outputs(chip, &out, &emergency, 1, "control", 0) < 0 ||
        lane_gpio_request_inputs(chip, &in, &fire, 1, "control", 0, milliseconds * 1000) < 0) {
        perror("request");
        return 1;
    }
    struct lane_gpio_edge edges[LANE_GPIO_EDGES];
    for (;;) {
        lane_gpio_set(&out, 0, !lane_gpio_get(&in, 0));
        struct pollfd line = {.fd = lane_gpio_descriptor(&in, 0), .events = POLLIN};
        if (poll(&line, 1, -1) < 0 || lane_gpio_read(&in, 0, edges) < 0) return 1;
        if (milliseconds && !lane_gpio_debounces()) {
            struct timespec t = {0, milliseconds * 1000000};
            nanosleep(&t, NULL);
        }
    }
}
