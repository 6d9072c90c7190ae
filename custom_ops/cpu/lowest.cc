#include "cpu/lowest.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace keras_phase {
namespace {

template <typename T>
struct KeyOf;
template <>
struct KeyOf<float> {
  using Type = uint32_t;
};
template <>
struct KeyOf<double> {
  using Type = uint64_t;
};

// An unsigned number that is ordered as the scores are.
template <typename T>
typename KeyOf<T>::Type Key(T score) {
  using U = typename KeyOf<T>::Type;
  constexpr U kSign = U{1} << (8 * sizeof(U) - 1);
  if (score != score) return ~U{0};
  score += T{0};  // the two zeros are one score
  U bits;
  std::memcpy(&bits, &score, sizeof(bits));
  return bits & kSign ? ~bits : bits | kSign;
}

}  // namespace

// A histogram of the upper 16 bits of the keys (sign, exponent, a few digits) names the one bucket
// that holds the last chosen score; only the scores in it are selected from. Two passes in all.
template <typename T>
void Lowest(const T* scores, int64_t size, int64_t count, uint8_t* chosen) {
  using U = typename KeyOf<T>::Type;
  constexpr int kShift = 8 * sizeof(U) - 16;
  std::memset(chosen, 0, size);
  if (count <= 0) return;

  const std::unique_ptr<uint16_t[]> buckets(new uint16_t[size]);
  std::vector<int64_t> histogram(1 << 16);
  for (int64_t i = 0; i < size; ++i) {
    buckets[i] = static_cast<uint16_t>(Key(scores[i]) >> kShift);
    ++histogram[buckets[i]];
  }
  int last = 0;
  int64_t remaining = count;
  while (remaining > histogram[last]) remaining -= histogram[last++];

  std::vector<U> keys;
  std::vector<int64_t> places;
  keys.reserve(histogram[last]);
  places.reserve(histogram[last]);
  for (int64_t i = 0; i < size; ++i) {
    chosen[i] = buckets[i] < last;
    if (buckets[i] == last) {
      keys.push_back(Key(scores[i]));
      places.push_back(i);
    }
  }
  U threshold = keys.front();
  // Zeros, of which there are many after the first update, have a bucket of their own.
  if (std::any_of(keys.begin(), keys.end(), [&](U key) { return key != threshold; })) {
    std::vector<U> sorted = keys;
    std::nth_element(sorted.begin(), sorted.begin() + (remaining - 1), sorted.end());
    threshold = sorted[remaining - 1];
  }
  for (const U key : keys) remaining -= key < threshold;
  for (size_t j = 0; j < keys.size(); ++j) {
    const bool tie = keys[j] == threshold && remaining > 0;
    remaining -= tie;
    chosen[places[j]] = keys[j] < threshold || tie;
  }
}

template void Lowest<float>(const float*, int64_t, int64_t, uint8_t*);
template void Lowest<double>(const double*, int64_t, int64_t, uint8_t*);

}  // namespace keras_phase
