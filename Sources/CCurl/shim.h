// Thin shims over libcurl for Swift: only what Swift cannot import by itself, which is its variadic functions. Each
// takes the one argument type that the option or answer has (curl_easy_setopt(3), curl_easy_getinfo(3)).
#pragma once
#include <curl/curl.h>
#include <stdbool.h>

typedef size_t (*ccurl_receive_function)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_receiver(CURL *handle, CURLoption option, ccurl_receive_function function) {
    return curl_easy_setopt(handle, option, function);
}

/// What a finished message of curl_multi_info_read(3) says: the union in it is not imported.
static inline CURLcode ccurl_message_result(const CURLMsg *message) {
    return message->data.result;
}

/// Whether its connection stands, handshakes included, and its request has gone or is going out.
static inline bool ccurl_is_connected(CURL *handle) {
    curl_off_t microseconds = 0;
    return curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &microseconds) == CURLE_OK && microseconds > 0;
}
