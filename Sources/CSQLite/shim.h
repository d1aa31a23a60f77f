// Thin shims over SQLite for Swift: only what Swift cannot import by itself.
#pragma once
#include <sqlite3.h>
