// Nothing to call: this library is loaded with LD_PRELOAD and stands between a scenario's daemon and the C library.
#pragma once
