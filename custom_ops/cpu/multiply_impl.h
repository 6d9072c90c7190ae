// The elementwise product for one instruction set; included behind kernels_impl.h, whose rules hold
// here too.

#include "keras_phase/multiply.h"

namespace keras_phase {
namespace KERAS_PHASE_SET {

template <typename T>
static inline T ScalarProduct(const Multiply<T>& p, int k, const T* a, const T* b) {
  T total = 0;
  for (int t = p.start[k]; t < p.start[k + 1]; ++t) {
    total += p.coefficient[t] * a[p.left[t] * p.size] * b[p.right[t] * p.size];
  }
  return total;
}

constexpr int kMaxDimension = 256;  // as the op checks
// Several streams in one page are more than a processor foresees: the next row is asked for by hand,
// if it is no longer than this many bytes.
constexpr int64_t kMaxAhead = 1 << 16;

// kVectors vectors of every component of a row.
template <typename T, int kVectors, int kMost>
static inline void MultiplyBlock(const Multiply<T>& p, const T* a, const T* b, T* out, bool add,
                                 bool ahead) {
  using V = typename Simd<T>::Vector;
  constexpr int kLanes = Simd<T>::kLanes;
  // First all results, then all stores: a store would delay loads from places of `a` and `b` that
  // have the same distance from the start of a page, as they all do.
  V totals[kMost][kVectors];
  for (int k = 0; k < p.dimension; ++k) {
    V total[kVectors];
    for (int v = 0; v < kVectors; ++v) total[v] = V{};
    for (int t = p.start[k]; t < p.start[k + 1]; ++t) {
      const T* left = a + p.left[t] * p.size;
      const T* right = b + p.right[t] * p.size;
      const T coefficient = p.coefficient[t];
      for (int v = 0; v < kVectors; ++v) {
        total[v] += coefficient * Simd<T>::Load(left + v * kLanes) *
                    Simd<T>::Load(right + v * kLanes);
      }
    }
    for (int v = 0; v < kVectors; ++v) totals[k][v] = total[v];
  }
  for (int k = 0; k < p.dimension; ++k) {
    const int64_t at = k * p.size;
    for (int v = 0; v < kVectors; ++v) {
      T* to = out + at + v * kLanes;
      Simd<T>::Store(to, add ? Simd<T>::Load(to) + totals[k][v] : totals[k][v]);
      if (ahead) {
        __builtin_prefetch(a + p.a_stride + at + v * kLanes);
        __builtin_prefetch(b + p.b_stride + at + v * kLanes);
        __builtin_prefetch(to + p.out_stride, 1);
      }
    }
  }
}

template <typename T>
static void RunMultiply(const Multiply<T>& p, int64_t row_begin, int64_t row_end,
                        int64_t column_begin, int64_t column_end) {
  constexpr int kLanes = Simd<T>::kLanes, kVectors = 4, kMost = 16;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const T* a = p.a + row * p.a_stride;
    const T* b = p.b + row * p.b_stride;
    T* out = p.out + row * p.out_stride;
    const bool add = p.sum && row > row_begin;
    const bool ahead = row + 1 < row_end && p.size * p.dimension * int64_t{sizeof(T)} <= kMaxAhead;
    int64_t x = column_begin;
    if (p.dimension <= kMost) {
      for (; x + kVectors * kLanes <= column_end; x += kVectors * kLanes) {
        MultiplyBlock<T, kVectors, kMost>(p, a + x, b + x, out + x, add, ahead);
      }
    }
    for (; x + kLanes <= column_end; x += kLanes) {
      MultiplyBlock<T, 1, kMaxDimension>(p, a + x, b + x, out + x, add, ahead);
    }
    for (; x < column_end; ++x) {
      for (int k = 0; k < p.dimension; ++k) {
        const T total = ScalarProduct(p, k, a + x, b + x);
        T* to = out + k * p.size + x;
        *to = add ? *to + total : total;
      }
    }
  }
}

extern const MultiplyKernels<float> kMultiplyFloat;
extern const MultiplyKernels<double> kMultiplyDouble;
const MultiplyKernels<float> kMultiplyFloat = {RunMultiply<float>};
const MultiplyKernels<double> kMultiplyDouble = {RunMultiply<double>};

}  // namespace KERAS_PHASE_SET
}  // namespace keras_phase
