// One small interface over both APIs of libgpiod, which share a header name and nothing else: 1.6 (Debian 12) and 2.x
// (Debian 13). The functions return -1 with errno set on failure. "Active" is the logical level, after active-low.
#pragma once
#include <errno.h>
#include <gpiod.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/// Lines in one request; a gate has fewer.
#define LANE_GPIO_LINES 8
/// Edges taken by one read: what the kernel keeps for a line.
#define LANE_GPIO_EDGES 16

struct lane_gpio_edge {
    /// Place of the line in its request.
    int32_t index;
    /// The level after the edge.
    int32_t active;
    /// CLOCK_MONOTONIC (Linux 5.7 and later).
    uint64_t nanoseconds;
};

#ifdef GPIOD_LINE_BULK_MAX_LINES
#define LANE_GPIO_API 1
#else
#define LANE_GPIO_API 2
#endif

#if LANE_GPIO_API == 1

struct lane_gpio_lines {
    uint32_t count;
    struct gpiod_line *line[LANE_GPIO_LINES];
};

/// Whether the kernel debounces (1) or the caller must (0).
static inline int lane_gpio_debounces(void) { return 0; }

/// Whether the chip is called so: its name (gpiochip0) or its label.
static inline int lane_gpio_chip_is(struct gpiod_chip *chip, const char *text) {
    return !strcmp(gpiod_chip_name(chip), text) || !strcmp(gpiod_chip_label(chip), text);
}

/// The offset of the line of that name, or -1 with ENOENT.
static inline int lane_gpio_find(struct gpiod_chip *chip, const char *name) {
    struct gpiod_line *line = gpiod_chip_find_line(chip, name);
    if (!line) {
        errno = ENOENT;
        return -1;
    }
    return (int)gpiod_line_offset(line);
}

static inline int lane_gpio_line_count(struct gpiod_chip *chip) { return (int)gpiod_chip_num_lines(chip); }

/// 1 and who holds the line (empty when he gave no name), 0 when it is free.
static inline int lane_gpio_holder(struct gpiod_chip *chip, uint32_t offset, char *holder, size_t size) {
    struct gpiod_line *line = gpiod_chip_get_line(chip, offset);
    if (!line) return -1;
    const char *consumer = gpiod_line_consumer(line);
    snprintf(holder, size, "%s", consumer ? consumer : "");
    return gpiod_line_is_used(line) ? 1 : 0;
}

/// Gives back every line of the request; the levels of outputs are then the kernel's to keep or drop.
static inline void lane_gpio_release(struct lane_gpio_lines *lines) {
    for (uint32_t i = 0; i < lines->count; i++) gpiod_line_release(lines->line[i]);
    lines->count = 0;
}

static inline int lane_gpio_request_each(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low, int output) {
    lines->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gpiod_line *line = gpiod_chip_get_line(chip, offsets[i]);
        int flags = active_low >> i & 1 ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
        if (!line || (output ? gpiod_line_request_output_flags(line, consumer, flags, 0)
                             : gpiod_line_request_both_edges_events_flags(line, consumer, flags)) < 0) {
            int code = errno;
            lane_gpio_release(lines);
            errno = code;
            return -1;
        }
        lines->line[lines->count++] = line;
    }
    return 0;
}

/// Takes `count` inputs with both edges. Bit i of `active_low` is for line i. `debounce_microseconds` is for the kernel,
/// where it debounces.
static inline int lane_gpio_request_inputs(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low, uint32_t debounce_microseconds) {
    (void)debounce_microseconds;
    return lane_gpio_request_each(chip, lines, offsets, count, consumer, active_low, 0);
}

/// Takes `count` outputs, all inactive.
static inline int lane_gpio_request_outputs(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low) {
    return lane_gpio_request_each(chip, lines, offsets, count, consumer, active_low, 1);
}

/// The level now: 1 active, 0 not.
static inline int lane_gpio_get(struct lane_gpio_lines *lines, uint32_t index) {
    return gpiod_line_get_value(lines->line[index]);
}

static inline int lane_gpio_set(struct lane_gpio_lines *lines, uint32_t index, int active) {
    return gpiod_line_set_value(lines->line[index], active);
}

/// For poll(2), of a request of inputs: one a line here; -1 where an index has none of its own.
static inline int lane_gpio_descriptor(struct lane_gpio_lines *lines, uint32_t index) {
    return gpiod_line_event_get_fd(lines->line[index]);
}

/// The edges that wait at the descriptor of `index`, oldest first: their number, 0 when there is none. Never blocks.
static inline int lane_gpio_read(struct lane_gpio_lines *lines, uint32_t index, struct lane_gpio_edge *edges) {
    struct timespec none = {0, 0};
    struct gpiod_line_event events[LANE_GPIO_EDGES];
    int ready = gpiod_line_event_wait(lines->line[index], &none);
    if (ready <= 0) return ready;
    int count = gpiod_line_event_read_multiple(lines->line[index], events, LANE_GPIO_EDGES);
    for (int i = 0; i < count; i++) {
        edges[i].index = (int32_t)index;
        edges[i].active = events[i].event_type == GPIOD_LINE_EVENT_RISING_EDGE;
        edges[i].nanoseconds = (uint64_t)events[i].ts.tv_sec * 1000000000u + (uint64_t)events[i].ts.tv_nsec;
    }
    return count;
}

#else

struct lane_gpio_lines {
    uint32_t count;
    struct gpiod_line_request *request;
    struct gpiod_edge_event_buffer *events;
    uint32_t offset[LANE_GPIO_LINES];
};

static inline int lane_gpio_debounces(void) { return 1; }

static inline int lane_gpio_chip_is(struct gpiod_chip *chip, const char *text) {
    struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
    if (!info) return 0;
    int is = !strcmp(gpiod_chip_info_get_name(info), text) || !strcmp(gpiod_chip_info_get_label(info), text);
    gpiod_chip_info_free(info);
    return is;
}

static inline int lane_gpio_find(struct gpiod_chip *chip, const char *name) {
    return gpiod_chip_get_line_offset_from_name(chip, name);
}

static inline int lane_gpio_line_count(struct gpiod_chip *chip) {
    struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
    if (!info) return -1;
    int count = (int)gpiod_chip_info_get_num_lines(info);
    gpiod_chip_info_free(info);
    return count;
}

static inline int lane_gpio_holder(struct gpiod_chip *chip, uint32_t offset, char *holder, size_t size) {
    struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, offset);
    if (!info) return -1;
    const char *consumer = gpiod_line_info_get_consumer(info);
    snprintf(holder, size, "%s", consumer ? consumer : "");
    int used = gpiod_line_info_is_used(info) ? 1 : 0;
    gpiod_line_info_free(info);
    return used;
}

static inline void lane_gpio_release(struct lane_gpio_lines *lines) {
    if (lines->events) gpiod_edge_event_buffer_free(lines->events);
    if (lines->request) gpiod_line_request_release(lines->request);
    lines->events = NULL;
    lines->request = NULL;
    lines->count = 0;
}

static inline int lane_gpio_configure(
    struct gpiod_line_config *config, struct gpiod_line_settings *settings, const uint32_t *offsets, uint32_t count,
    uint32_t active_low) {
    for (uint32_t i = 0; i < count; i++) {
        gpiod_line_settings_set_active_low(settings, active_low >> i & 1);
        if (gpiod_line_config_add_line_settings(config, &offsets[i], 1, settings) < 0) return -1;
    }
    return 0;
}

static inline int lane_gpio_request_all(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low, int output, uint32_t debounce_microseconds) {
    memset(lines, 0, sizeof *lines);
    struct gpiod_line_settings *settings = gpiod_line_settings_new();
    struct gpiod_line_config *config = gpiod_line_config_new();
    struct gpiod_request_config *who = gpiod_request_config_new();
    int code = 0;
    if (!settings || !config || !who) {
        code = ENOMEM;
    } else {
        gpiod_request_config_set_consumer(who, consumer);
        if (output) {
            gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_OUTPUT);
            gpiod_line_settings_set_output_value(settings, GPIOD_LINE_VALUE_INACTIVE);
        } else {
            gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_INPUT);
            gpiod_line_settings_set_edge_detection(settings, GPIOD_LINE_EDGE_BOTH);
            gpiod_line_settings_set_debounce_period_us(settings, debounce_microseconds);
        }
        if (lane_gpio_configure(config, settings, offsets, count, active_low) < 0 ||
            !(lines->request = gpiod_chip_request_lines(chip, who, config)) ||
            (!output && !(lines->events = gpiod_edge_event_buffer_new(LANE_GPIO_EDGES))))
            code = errno;
    }
    if (who) gpiod_request_config_free(who);
    if (config) gpiod_line_config_free(config);
    if (settings) gpiod_line_settings_free(settings);
    if (code) {
        lane_gpio_release(lines);
        errno = code;
        return -1;
    }
    lines->count = count;
    memcpy(lines->offset, offsets, count * sizeof *offsets);
    return 0;
}

static inline int lane_gpio_request_inputs(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low, uint32_t debounce_microseconds) {
    return lane_gpio_request_all(chip, lines, offsets, count, consumer, active_low, 0, debounce_microseconds);
}

static inline int lane_gpio_request_outputs(
    struct gpiod_chip *chip, struct lane_gpio_lines *lines, const uint32_t *offsets, uint32_t count,
    const char *consumer, uint32_t active_low) {
    return lane_gpio_request_all(chip, lines, offsets, count, consumer, active_low, 1, 0);
}

static inline int lane_gpio_get(struct lane_gpio_lines *lines, uint32_t index) {
    enum gpiod_line_value value = gpiod_line_request_get_value(lines->request, lines->offset[index]);
    return value == GPIOD_LINE_VALUE_ACTIVE ? 1 : value == GPIOD_LINE_VALUE_INACTIVE ? 0 : -1;
}

static inline int lane_gpio_set(struct lane_gpio_lines *lines, uint32_t index, int active) {
    return gpiod_line_request_set_value(
        lines->request, lines->offset[index], active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
}

/// One for the whole request here: at index 0.
static inline int lane_gpio_descriptor(struct lane_gpio_lines *lines, uint32_t index) {
    return index == 0 ? gpiod_line_request_get_fd(lines->request) : -1;
}

static inline int lane_gpio_read(struct lane_gpio_lines *lines, uint32_t index, struct lane_gpio_edge *edges) {
    if (index != 0) return 0;
    int ready = gpiod_line_request_wait_edge_events(lines->request, 0);
    if (ready <= 0) return ready;
    int count = gpiod_line_request_read_edge_events(lines->request, lines->events, LANE_GPIO_EDGES);
    for (int i = 0; i < count; i++) {
        struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(lines->events, (unsigned long)i);
        uint32_t offset = gpiod_edge_event_get_line_offset(event);
        edges[i].index = 0;
        for (uint32_t place = 0; place < lines->count; place++)
            if (lines->offset[place] == offset) edges[i].index = (int32_t)place;
        edges[i].active = gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE;
        edges[i].nanoseconds = gpiod_edge_event_get_timestamp_ns(event);
    }
    return count;
}

#endif
