// Thin shims over libgpiod for Swift: only what Swift cannot import by itself.
#pragma once
#include <gpiod.h>
