// The Linux calls that Swift's Glibc module leaves out: headers it does not list, and GNU declarations that it
// hides because it is compiled without _GNU_SOURCE. Declarations only; the C library has the code.
#pragma once
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

int ppoll(struct pollfd *descriptors, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
int sync_file_range(int descriptor, long long offset, long long count, unsigned int flags);
int pipe2(int descriptors[2], int flags);
int pthread_setname_np(pthread_t thread, const char *name);

/// unix(7), SO_PEERCRED: the kernel's `struct ucred`, under a name that no other header defines.
struct clinux_peer_credentials {
    int process;
    unsigned int user;
    unsigned int group;
};
