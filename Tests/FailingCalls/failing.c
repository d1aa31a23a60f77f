// Fails the Nth call that touches files under a directory, kills the process there, or cuts its power.
//
//   FAIL_UNDER   calls on paths that begin so are counted, and on descriptors opened by such a path
//   FAIL_AT      which call, from 1; 0 or unset: none, they are only counted
//   FAIL_HOW     an errno: that call fails with it and is not made
//                "kill": SIGKILL instead of the call; what was written before stays, as the kernel has it
//                "cut": power cut instead of the call: of what was written and not synced since, some of it is put
//                back as it was before, some of it torn in the middle, some kept; FAIL_SEED says which. Then SIGKILL.
//                "hang": that call never returns; the calls of the first thread are not counted, for when they come
//                among the others' is chance
//   FAIL_REPORT  at a normal end the number of calls counted is written to this file
//
// Counted: open, write, pwrite, fsync, fdatasync, ftruncate, posix_fallocate, fchmod, rename, unlink, mkdir.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { mostDescriptors = 4096, mostWrites = 20000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long calls;
static char *paths[mostDescriptors];

// A write that may not be on disk yet, and what stood there before.
struct pending {
    char *path;
    off_t offset;
    size_t length;
    char *before;
};
static struct pending pendings[mostWrites];
static int pendingCount;

static const char *under(void) {
    static const char *value;
    if (!value) value = getenv("FAIL_UNDER");
    return value;
}

static int concerns(const char *path) {
    const char *prefix = under();
    return prefix && path && strncmp(path, prefix, strlen(prefix)) == 0;
}

static char *pathOf(int descriptor) {
    return descriptor >= 0 && descriptor < mostDescriptors ? paths[descriptor] : NULL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t randomState;
static uint64_t randomNumber(void) {
    uint64_t mixed = randomState += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

// Called with the lock held: backwards, so that of two writes to one place the older one's `before` wins.
static void cutPower(void) {
    const char *seed = getenv("FAIL_SEED");
    randomState = seed ? strtoull(seed, NULL, 10) : 1;
    for (int index = pendingCount - 1; index >= 0; index--) {
        struct pending *write = &pendings[index];
        uint64_t fate = randomNumber() % 3;
        if (fate == 0) continue;
        int file = REAL(open)(write->path, O_WRONLY | O_CLOEXEC);
        if (file < 0) continue;
        size_t kept = fate == 1 ? 0 : randomNumber() % (write->length + 1);
        (void)!REAL(pwrite)(file, write->before + kept, write->length - kept, write->offset + (off_t)kept);
        REAL(close)(file);
    }
}

// Counts a call; true when it is to fail, with errno set.
static int fails(void) {
    const char *at = getenv("FAIL_AT"), *how = getenv("FAIL_HOW");
    if (how && strcmp(how, "hang") == 0 && gettid() == getpid()) return 0;
    pthread_mutex_lock(&lock);
    long number = ++calls;
    if (!at || !how || number != atol(at)) {
        pthread_mutex_unlock(&lock);
        return 0;
    }
    if (strcmp(how, "hang") == 0) {
        pthread_mutex_unlock(&lock);
        for (;;) pause();
    }
    if (strcmp(how, "cut") == 0) {
        // The disk works on it for a while before the power goes: the other threads go on meanwhile.
        pthread_mutex_unlock(&lock);
        usleep(20000);
        pthread_mutex_lock(&lock);
        cutPower();
    }
    if (strcmp(how, "cut") == 0 || strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&lock);
    errno = atoi(how);
    return 1;
}

static void forget(int count, const char *path) {
    // The first `count` of this file are on disk now.
    int kept = 0;
    for (int index = 0; index < pendingCount; index++) {
        if (index < count && strcmp(pendings[index].path, path) == 0) {
            free(pendings[index].path);
            free(pendings[index].before);
        } else {
            pendings[kept++] = pendings[index];
        }
    }
    pendingCount = kept;
}

static void remember(int descriptor, const char *path, off_t offset, size_t length) {
    char *before = calloc(1, length ? length : 1);
    if (!before) return;
    (void)!pread(descriptor, before, length, offset);
    pthread_mutex_lock(&lock);
    if (pendingCount < mostWrites) {
        pendings[pendingCount++] = (struct pending){strdup(path), offset, length, before};
    } else {
        free(before);
    }
    pthread_mutex_unlock(&lock);
}

static int opened(int descriptor, const char *path) {
    if (descriptor >= 0 && descriptor < mostDescriptors) {
        pthread_mutex_lock(&lock);
        free(paths[descriptor]);
        paths[descriptor] = strdup(path);
        pthread_mutex_unlock(&lock);
    }
    return descriptor;
}

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        va_list list;                                                                   \
        va_start(list, flags);                                                          \
        mode_t mode = va_arg(list, mode_t);                                             \
        va_end(list);                                                                   \
        if (!concerns(path)) return REAL(name)(path, flags, mode);                      \
        if (fails()) return -1;                                                         \
        return opened(REAL(name)(path, flags, mode), path);                             \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
    if (pathOf(descriptor)) {
        pthread_mutex_lock(&lock);
        free(paths[descriptor]);
        paths[descriptor] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return REAL(close)(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    char *path = pathOf(descriptor);
    if (!path) return REAL(write)(descriptor, bytes, length);
    if (fails()) return -1;
    remember(descriptor, path, lseek(descriptor, 0, SEEK_CUR), length);
    return REAL(write)(descriptor, bytes, length);
}

#define PWRITE(name, type)                                                              \
    ssize_t name(int descriptor, const void *bytes, size_t length, type offset) {       \
        char *path = pathOf(descriptor);                                                \
        if (!path) return REAL(name)(descriptor, bytes, length, offset);                \
        if (fails()) return -1;                                                         \
        remember(descriptor, path, (off_t)offset, length);                              \
        return REAL(name)(descriptor, bytes, length, offset);                           \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(name)                                                                      \
    int name(int descriptor) {                                                          \
        char *path = pathOf(descriptor);                                                \
        if (!path) return REAL(name)(descriptor);                                       \
        if (fails()) return -1;                                                         \
        pthread_mutex_lock(&lock);                                                      \
        int count = pendingCount;                                                       \
        pthread_mutex_unlock(&lock);                                                    \
        int result = REAL(name)(descriptor);                                            \
        pthread_mutex_lock(&lock);                                                      \
        if (result == 0) forget(count, path);                                           \
        pthread_mutex_unlock(&lock);                                                    \
        return result;                                                                  \
    }
SYNC(fsync)
SYNC(fdatasync)

#define ON_DESCRIPTOR(name, type)                                                       \
    int name(int descriptor, type value) {                                              \
        if (pathOf(descriptor) && fails()) return -1;                                   \
        return REAL(name)(descriptor, value);                                           \
    }
ON_DESCRIPTOR(ftruncate, off_t)
ON_DESCRIPTOR(ftruncate64, off64_t)
ON_DESCRIPTOR(fchmod, mode_t)

// These return the errno instead of setting it.
#define RESERVE(name, type)                                                             \
    int name(int descriptor, type offset, type length) {                                \
        if (pathOf(descriptor) && fails()) return errno;                                \
        return REAL(name)(descriptor, offset, length);                                  \
    }
RESERVE(posix_fallocate, off_t)
RESERVE(posix_fallocate64, off64_t)

int unlink(const char *path) {
    if (concerns(path) && fails()) return -1;
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    if (concerns(path) && fails()) return -1;
    return REAL(mkdir)(path, mode);
}

int rename(const char *old, const char *new) {
    if (concerns(new) && fails()) return -1;
    return REAL(rename)(old, new);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("FAIL_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld\n", calls);
    fclose(file);
}
