// Kernels for any processor of the target architecture; setup.py gives this file its flags.

#define KERAS_PHASE_SET baseline
#define KERAS_PHASE_BYTES 16
#define KERAS_PHASE_ROWS 6
#include "kernels_impl.h"
#include "coded_impl.h"
#include "multiply_impl.h"
#include "wavelet_impl.h"
