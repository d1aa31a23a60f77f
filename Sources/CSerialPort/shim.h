// Thin shims over libserialport for Swift: only what Swift cannot import by itself.
#pragma once
#include <libserialport.h>
