// Kernels for AVX2; setup.py gives this file its flags.

#define KERAS_PHASE_SET avx2
#define KERAS_PHASE_BYTES 32
#define KERAS_PHASE_ROWS 6
#include "kernels_impl.h"
#include "coded_impl.h"
#include "multiply_impl.h"
#include "wavelet_impl.h"
