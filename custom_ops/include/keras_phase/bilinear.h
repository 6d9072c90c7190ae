// The computation behind every algebra product, as data.
//
// With a factorization C[i,j,k] = sum_r U[r,i] V[r,j] W[r,k] of the structure constants, the dense
// layer's product and both its gradients are the same sum of real matrix products,
//
//   out_c = sum_r gamma[c,r] (sum_p alpha[r,p] A_p) (sum_q beta[r,q] B_q),
//
// with (alpha, beta, gamma) a permutation of (V, U, W^T). Only the strides differ.
#ifndef KERAS_PHASE_BILINEAR_H_
#define KERAS_PHASE_BILINEAR_H_

#include <stddef.h>
#include <stdint.h>

namespace keras_phase {

// A stack of matrices, one for each component of the algebra; strides count numbers, not bytes.
template <typename T>
struct Stack {
  T* data;
  int64_t component;
  int64_t row;
  int64_t column;
};

// A sparse matrix of coefficients, row by row: row r holds the terms start[r] .. start[r + 1].
template <typename T>
struct Combination {
  int rows;
  const int* start;
  const int* index;
  const T* coefficient;
};

// out (rows x columns) from A (rows x depth) and B (depth x columns).
//
// A has one of its strides equal to 1, so has B; out has column stride 1. What is null is left out:
// `bias` holds `columns` numbers for each component of out, added to every row; a gate is laid out
// as its operand, which counts as 0 wherever the gate is not positive. With `relu` negative numbers
// of out become 0.
template <typename T>
struct Bilinear {
  int64_t rows, columns, depth;
  Stack<const T> a, b;
  Stack<T> out;
  Combination<T> alpha, beta;  // one row for each product
  Combination<T> gamma;        // one row for each component of out
  const T* bias;
  const T* gate_a;  // only if a.column == 1
  const T* gate_b;  // only if b.column == 1
  bool relu;
};

// Whole elements of w, `dimension` lines of `size` numbers, brought to another modulus:
// out = w * (keep + gain / |w|), with |w| bounded from below so that 0 stays 0. Without gain (null),
// out = keep ? w : 0.
template <typename T>
struct Rescale {
  int64_t size, dimension;
  const T* w;
  const unsigned char* keep;  // 0 or 1
  const float* gain;
  T* out;
};

// out[j] = sum over the rows of in (rows x columns, one behind the other), gated as above.
template <typename T>
struct RowSum {
  int64_t rows, columns;
  const T* in;
  const T* gate;
  T* out;
};

// What one instruction set offers for one dtype.
template <typename T>
struct Kernels {
  // Number of T that `run` needs as aligned scratch.
  size_t (*scratch)(const Bilinear<T>&);
  // out[row_begin:row_end, column_begin:column_end].
  void (*run)(const Bilinear<T>&, int64_t row_begin, int64_t row_end, int64_t column_begin,
              int64_t column_end, T* scratch);
  // Elements begin .. end.
  void (*rescale)(const Rescale<T>&, int64_t begin, int64_t end);
  // Columns begin .. end.
  void (*row_sum)(const RowSum<T>&, int64_t begin, int64_t end);
  // Columns are best cut at multiples of this.
  int panel;
};

}  // namespace keras_phase

#endif  // KERAS_PHASE_BILINEAR_H_
