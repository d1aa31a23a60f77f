// Nothing to call: this library is loaded with LD_PRELOAD and stands between a test's program and the C library.
#pragma once
