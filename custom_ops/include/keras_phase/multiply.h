// The elementwise product of an algebra, as data.
#ifndef KERAS_PHASE_MULTIPLY_H_
#define KERAS_PHASE_MULTIPLY_H_

#include <stddef.h>
#include <stdint.h>

namespace keras_phase {

// out_k = sum over the terms (i, j, c) of k: c a_i b_j, for rows of `dimension` components with `size`
// numbers each. A row stride of 0 uses one row again and again. With `sum` the results of all rows are
// added up in one row. Both gradients are the same sum with other terms.
template <typename T>
struct Multiply {
  int64_t rows, size;
  int dimension;
  const int* start;  // the terms of component k are start[k] .. start[k + 1]
  const int* left;
  const int* right;
  const T* coefficient;
  const T* a;
  const T* b;
  T* out;
  int64_t a_stride, b_stride, out_stride;
  bool sum;
};

template <typename T>
struct MultiplyKernels {
  // Rows and columns begin .. end.
  void (*run)(const Multiply<T>&, int64_t row_begin, int64_t row_end, int64_t column_begin,
              int64_t column_end);
};

}  // namespace keras_phase

#endif  // KERAS_PHASE_MULTIPLY_H_
