// Thin shims over libcrypto for Swift: only what Swift cannot import by itself.
#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// A macro over a function with variable arguments.
static inline EVP_PKEY *ccrypto_make_p256_key(void) {
    return EVP_EC_gen("P-256");
}

static inline int ccrypto_is_p256_key(const EVP_PKEY *key) {
    char group[32];
    size_t length = 0;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

// A macro: what was written to a memory BIO, which keeps it.
static inline long ccrypto_written(BIO *bio, char **bytes) {
    return BIO_get_mem_data(bio, bytes);
}

// A password would be asked for on the terminal otherwise.
static inline int ccrypto_no_password(char *buffer, int size, int writes, void *context) {
    (void)buffer, (void)size, (void)writes, (void)context;
    return -1;
}

static inline EVP_PKEY *ccrypto_read_key(BIO *bio) {
    return PEM_read_bio_PrivateKey(bio, NULL, ccrypto_no_password, NULL);
}

static inline X509 *ccrypto_read_certificate(BIO *bio) {
    return PEM_read_bio_X509(bio, NULL, ccrypto_no_password, NULL);
}

static inline X509_REQ *ccrypto_read_request(BIO *bio) {
    return PEM_read_bio_X509_REQ(bio, NULL, ccrypto_no_password, NULL);
}
