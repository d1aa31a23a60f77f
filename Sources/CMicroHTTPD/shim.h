// Thin shims over libmicrohttpd for Swift: only what Swift cannot import by itself, which is what takes variable
// arguments.
#pragma once
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>

// One thread, epoll, connections may be suspended; no log of its own. `context` is passed to all three callbacks.
static inline struct MHD_Daemon *cmicrohttpd_start(
    int listening_socket, unsigned int most_connections, unsigned int idle_seconds, size_t memory_per_connection,
    MHD_AccessHandlerCallback handler, MHD_NotifyConnectionCallback connected, MHD_RequestCompletedCallback completed,
    void *context) {
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, listening_socket, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)most_connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)idle_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory_per_connection, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connected, context},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, context},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME, 0, NULL, NULL, handler, context, MHD_OPTION_ARRAY,
        options, MHD_OPTION_END);
}

// -1 when it is not known.
static inline int cmicrohttpd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *information = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return information ? information->connect_fd : -1;
}

// What the `connected` callback kept for this connection.
static inline void *cmicrohttpd_connection_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *information =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return information ? information->socket_context : NULL;
}
