// Thin shims over libyaml for Swift: only what Swift cannot import by itself.
#pragma once
#include <yaml.h>
