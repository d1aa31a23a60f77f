// Thin shims over libcrypto for Swift: only what Swift cannot import by itself.
#pragma once
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/err.h>
