// Thin shims over libmicrohttpd for Swift: only what Swift cannot import by itself, which is what takes variable
// arguments.
#pragma once
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// PEM texts, which must live as long as the daemon. A client is asked for a certificate of `client_authority`, and may
// have none, or another: what it shows is for the caller to judge.
struct cmicrohttpd_tls {
    const char *certificate;
    const char *key;
    const char *client_authority;
};

// Gets a request's target as it came, before it is unescaped, at the first line of each request.
typedef void *(*cmicrohttpd_target)(void *context, const char *target, struct MHD_Connection *connection);

// What decodes to NUL is left as it is written: a C string would end there, and name something else.
static inline size_t cmicrohttpd_unescape(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

// One thread, epoll, connections may be suspended; no log of its own. `context` is passed to all five callbacks.
static inline struct MHD_Daemon *cmicrohttpd_start(
    int listening_socket, unsigned int most_connections, unsigned int idle_seconds, size_t memory_per_connection,
    int strict, MHD_AcceptPolicyCallback accepting, MHD_AccessHandlerCallback handler, MHD_NotifyConnectionCallback connected,
    cmicrohttpd_target targeted, MHD_RequestCompletedCallback completed, void *context,
    const struct cmicrohttpd_tls *tls) {
    struct MHD_OptionItem encryption[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(tls ? tls->certificate : NULL)},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(tls ? tls->key : NULL)},
        {MHD_OPTION_HTTPS_MEM_TRUST, 0, (void *)(tls ? tls->client_authority : NULL)},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, listening_socket, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)most_connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)idle_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory_per_connection, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, strict, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connected, context},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, context},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)targeted, context},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)cmicrohttpd_unescape, NULL},
        // The last: it ends the list without TLS.
        {tls ? MHD_OPTION_ARRAY : MHD_OPTION_END, 0, encryption},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0), 0, accepting, context, handler, context,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
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

// DER of the certificate that the client has shown, and has the key of; NULL without one. Good while the connection is.
static inline const unsigned char *cmicrohttpd_client_certificate(struct MHD_Connection *connection, size_t *size) {
    const union MHD_ConnectionInfo *information =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned int count = 0;
    const gnutls_datum_t *shown =
        information && information->tls_session
            ? gnutls_certificate_get_peers((gnutls_session_t)information->tls_session, &count)
            : NULL;
    *size = shown && count > 0 ? shown[0].size : 0;
    return *size > 0 ? shown[0].data : NULL;
}

// Bytes of the request line and the header lines, with the empty line behind them; 0 when it is not known.
static inline size_t cmicrohttpd_head_size(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *information =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return information ? information->header_size : 0;
}

// NULL when it is not known.
static inline const struct sockaddr *cmicrohttpd_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *information =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return information ? information->client_addr : NULL;
}

// An address as text in `text` of at least 46 bytes; empty when it is none.
static inline void cmicrohttpd_address_text(const struct sockaddr *address, char *text, unsigned int size) {
    text[0] = 0;
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, size);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, size);
}

// The 16 bytes of an IPv6 address; an IPv4 address is ::ffff:a.b.c.d. 0: it is neither.
static inline int cmicrohttpd_address_bytes(const struct sockaddr *address, unsigned char bytes[16]) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (address && address->sa_family == AF_INET) {
        memcpy(bytes, mapped, 12);
        memcpy(bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return 1;
    }
    if (address && address->sa_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return 1;
    }
    return 0;
}
