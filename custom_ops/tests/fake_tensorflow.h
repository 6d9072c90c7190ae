// Enough of a TensorFlow to call the ops without one: tensors on the heap, each with exactly its
// bytes, and kernels by name. Linked in the place of bind/tf_c_api.cc.
#ifndef KERAS_PHASE_FAKE_TENSORFLOW_H_
#define KERAS_PHASE_FAKE_TENSORFLOW_H_

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "keras_phase/tf_c_api.h"

namespace keras_phase {

struct FakeTensor {
  std::vector<int64_t> shape;
  int64_t element_size = 0;
  std::shared_ptr<char> memory;  // its own allocation: one byte beyond is an error of the sanitizer
  size_t offset = 0;             // of the data in it

  FakeTensor() = default;
  // `shift` elements away from the alignment of 64 bytes.
  FakeTensor(std::vector<int64_t> shape, int64_t element_size, int shift = 0);
  int64_t Count() const;
  size_t Bytes() const { return static_cast<size_t>(Count() * element_size); }
  char* data() const { return memory.get() + offset; }
};

struct FakeResult {
  std::string error;  // empty if the call went well
  std::vector<FakeTensor> outputs;
};

// One call of an op's kernel for the type of `element_size` bytes, its attributes by name.
FakeResult Run(const std::string& op, int64_t element_size,
               const std::map<std::string, int64_t>& attributes,
               const std::vector<FakeTensor>& inputs);

}  // namespace keras_phase

#endif  // KERAS_PHASE_FAKE_TENSORFLOW_H_
