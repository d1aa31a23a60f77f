// Thin shims over libcurl for Swift: only what Swift cannot import by itself.
#pragma once
#include <curl/curl.h>
