// Vectors of one instruction set, and small helpers; included by kernels_impl.h, whose rules hold here
// too: no standard header.

#include <stdint.h>

namespace keras_phase {
namespace KERAS_PHASE_SET {

constexpr int kTileVectors = 2;

template <typename T>
struct Simd {
  typedef T Vector __attribute__((vector_size(KERAS_PHASE_BYTES), may_alias));
  typedef T Unaligned
      __attribute__((vector_size(KERAS_PHASE_BYTES), aligned(sizeof(T)), may_alias));
  static constexpr int kLanes = KERAS_PHASE_BYTES / sizeof(T);
  static constexpr int kPanel = kTileVectors * kLanes;

  static inline Vector Load(const T* p) { return *reinterpret_cast<const Unaligned*>(p); }
  static inline void Store(T* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
};

template <typename T>
struct Integer;
template <>
struct Integer<float> {
  typedef int Type;
};
template <>
struct Integer<double> {
  typedef long long Type;
};

static inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace KERAS_PHASE_SET
}  // namespace keras_phase
