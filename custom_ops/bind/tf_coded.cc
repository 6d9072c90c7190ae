// KerasPhaseCodedMatMul(x, codes, scale, matrices, bias...; relu): x (..., d in), codes (words, out, 4)
// bytes, scale (out), matrices (2^bits, d, d): entry [b, c] is what component c of the result gets of
// component b of the input                                            -> (..., d out)

#include "cpu/select.h"
#include "keras_phase/coded.h"
#include "tf_call.h"

namespace keras_phase {
namespace {

struct CodedAttributes {
  int64_t relu = 0, num_bias = 0;
};

// By place in a group of codes, the matrix of the code at that place of each index.
std::vector<float> Coefficients(const double* matrices, int64_t d, int bits) {
  std::vector<float> result;
  for (int place = 0; place < GroupInputs(bits); ++place) {
    for (int64_t entry = 0; entry < d * d; ++entry) {
      for (int index = 0; index < kTableSize; ++index) {
        const int code = (index >> (bits * place)) & ((1 << bits) - 1);
        result.push_back(static_cast<float>(matrices[code * d * d + entry]));
      }
    }
  }
  return result;
}

void ComputeCoded(void* state, TF_OpKernelContext* context) {
  const CodedAttributes& attributes = *static_cast<CodedAttributes*>(state);
  Call call(context);
  const TF_Tensor* inputs[5];
  for (int i = 0; i < 4 + attributes.num_bias; ++i) {
    inputs[i] = call.Input(i);
    if (inputs[i] == nullptr) return;
  }
  const std::vector<int64_t> x = Shape(inputs[0]), codes = Shape(inputs[1]),
                             scale = Shape(inputs[2]), m = Shape(inputs[3]);
  const std::string received = "Received: x.shape=" + Text(x) + ", codes.shape=" + Text(codes) +
                               ", scale.shape=" + Text(scale) + ", matrices.shape=" + Text(m);
  int bits = 1;
  while (!m.empty() && bits < 4 && int64_t{1} << bits < m[0]) ++bits;
  if (m.size() != 3 || m[0] != int64_t{1} << bits || m[1] < 1 || m[1] > 64 || m[1] != m[2]) {
    return call.Fail("Expected matrices (2^bits, d, d) of 1 to 4 bits. " + received);
  }
  const int64_t d = m[1];
  if (x.empty() || x.back() % d) {
    return call.Fail("Expected x (..., d*in). " + received);
  }
  const int64_t depth = x.back() / d, inputs_per_word = InputsPerWord(bits);
  const int64_t words = (depth + inputs_per_word - 1) / inputs_per_word;
  if (codes.size() != 3 || codes[0] != words || codes[2] != 4) {
    return call.Fail("Expected codes (" + std::to_string(words) + ", out, 4) for " +
                     std::to_string(depth) + " inputs of " + std::to_string(bits) + " bits. " +
                     received);
  }
  const int64_t columns = codes[1];
  if (scale != std::vector<int64_t>{columns}) {
    return call.Fail("Expected a scale (out). " + received);
  }
  const TF_Tensor* bias = attributes.num_bias ? inputs[4] : nullptr;
  if (bias != nullptr && Shape(bias) != std::vector<int64_t>{d * columns}) {
    return call.Fail("Expected a bias (d*out). " + received + ", bias.shape=" + Text(Shape(bias)));
  }
  std::vector<int64_t> shape = x;
  shape.back() = d * columns;
  CodedMatMul p;
  p.out = call.Output<float>(shape);
  if (p.out == nullptr || Count(shape, shape.size()) == 0) return;
  p.rows = Count(x, x.size() - 1), p.columns = columns, p.depth = depth;
  p.dimension = static_cast<int>(d), p.bits = bits;
  p.x = static_cast<const float*>(tf->TensorData(inputs[0]));
  p.codes = static_cast<const uint32_t*>(tf->TensorData(inputs[1]));
  p.scale = static_cast<const float*>(tf->TensorData(inputs[2]));
  p.bias = bias ? static_cast<const float*>(tf->TensorData(bias)) : nullptr;
  p.relu = attributes.relu != 0;
  const std::vector<float> coefficients =
      Coefficients(static_cast<const double*>(tf->TensorData(inputs[3])), d, bits);
  p.coefficients = coefficients.data();
  RunCodedMatMul(p);
}

void* CreateCoded(TF_OpKernelConstruction* construction) {
  using A = CodedAttributes;
  return Read<A>(
      construction, {{"relu", &A::relu}, {"num_bias", &A::num_bias}},
      [](const A& a) { return a.num_bias <= 1; }, "Expected at most one bias.");
}

}  // namespace

void RegisterCodedMatMul(TF_Status* s) {
  RegisterOp("KerasPhaseCodedMatMul", {"T: {float}", "relu: int = 0", "num_bias: int >= 0"},
             {"x: T", "codes: uint8", "scale: T", "matrices: double", "bias: num_bias * T"},
             {"out: T"}, s);
  RegisterKernel("KerasPhaseCodedMatMul", kFloatType, CreateCoded, ComputeCoded, Delete<CodedAttributes>,
                 s);
}

}  // namespace keras_phase
