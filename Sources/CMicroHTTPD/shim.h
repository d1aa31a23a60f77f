// Thin shims over libmicrohttpd for Swift: only what Swift cannot import by itself.
#pragma once
#include <microhttpd.h>
