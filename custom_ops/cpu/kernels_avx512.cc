// Kernels for AVX512; setup.py gives this file its flags.

#define KERAS_PHASE_SET avx512
#define KERAS_PHASE_BYTES 64
#define KERAS_PHASE_ROWS 14
#include "kernels_impl.h"
#include "coded_impl.h"
#include "multiply_impl.h"
#include "wavelet_impl.h"
