// Complex wavelet responses or their moduli, and the gradient of either, as data.
#ifndef KERAS_PHASE_WAVELET_MODULUS_H_
#define KERAS_PHASE_WAVELET_MODULUS_H_

#include <stddef.h>
#include <stdint.h>

namespace keras_phase {

// out[y, x, c, f] = | sum over places (u, v) of the window of
//                     filter_f(u, v) * signal_c(y * row_stride + u, x * column_stride + v) |
//
// or the sum itself (real parts of all images, then imaginary ones), or its real part alone, for
// images (height, width, parts * channels) of real (parts 1) or complex signals (parts 2: real parts
// of all channels, then imaginary ones). What the signal is beyond the edges is said by `rows` and
// `columns`: the place of the image under each place of the padded one, or -1 for a zero.
//
// The sum is made of terms. The first `pairs` of them are two places where every filter has conjugate
// values h and conj(h): Re(h) times the sum of the signals plus i Im(h) times their difference. The
// others are single places, `second` is not read.
enum class Result { kModulus = 0, kResponse = 1, kRealPart = 2 };

template <typename T>
struct WaveletModulus {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  int64_t row_stride, column_stride;
  int64_t window_height, window_width;
  int parts, filters;
  Result result;       // kRealPart goes with parts 1
  const int* rows;     // (out_height - 1) * row_stride + window_height places
  const int* columns;  // (out_width - 1) * column_stride + window_width places
  int terms, pairs;
  const int* first;   // place in the window, u * window_width + v, of each term
  const int* second;  // of the first `pairs` terms
  const T* real;      // (terms, filters)
  const T* imag;
  const T* x;
  const T* slope;  // of out, for the gradient
  T* out;          // (batch, out_height, out_width, channels, filters), or the gradient by x
};

template <typename T>
struct WaveletKernels {
  // Number of T that a task with that many channels needs as aligned scratch.
  size_t (*scratch)(const WaveletModulus<T>&, int64_t channels);
  // Rows begin .. end of the moduli of one image.
  void (*forward)(const WaveletModulus<T>&, int64_t image, int64_t begin, int64_t end, T* scratch);
  // Channels begin .. end of the gradient of one image.
  void (*gradient)(const WaveletModulus<T>&, int64_t image, int64_t begin, int64_t end,
                   T* scratch);
  int lanes;
};

}  // namespace keras_phase

#endif  // KERAS_PHASE_WAVELET_MODULUS_H_
