// Exact selection of the smallest scores, for pruning masks.
#ifndef KERAS_PHASE_CPU_LOWEST_H_
#define KERAS_PHASE_CPU_LOWEST_H_

#include <cstdint>

namespace keras_phase {

// Sets chosen[i] to 1 for exactly `count` smallest of `size` scores and to 0 for the others. Of
// equal scores the first are chosen; a NaN is larger than everything. Needs 0 <= count <= size.
template <typename T>
void Lowest(const T* scores, int64_t size, int64_t count, uint8_t* chosen);

}  // namespace keras_phase

#endif  // KERAS_PHASE_CPU_LOWEST_H_
