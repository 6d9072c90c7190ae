// The ops of TensorFlow, in eager mode and in graphs: shapes are checked here, kernels do the work.
//
// KerasPhaseBilinear(a, b, factors, bias..., gate...; product, relu), factors (rank, 3 d): rows
// U | V | W. In brackets what may be left out:
//   product 0, dense product:    a (..., d k), b (d, k, n) [bias (d n)]  -> (..., d n)
//   product 1, input gradient:   a (..., d n), b (d, k, n) [gate as a]   -> (..., d k)
//   product 2, kernel gradient:  a (..., d k), b (..., d n) [gate as b]  -> (d, k, n) [sums (d n)]
// The gate is the output of a product 0 with relu; sums are the gradient of its bias.
// KerasPhaseRescale(w, keep, gain...): w (d, ...), keep and [gain] (1, ...)  -> (d, ...)
// KerasPhaseMultiply(a, b, table; sum): a, b (..., d n), one of them perhaps a single row (d n); table
//   (d, d, d): out_k = sum_ij table[i, j, k] a_i b_j                 -> (..., d n), or with sum (d n)
// KerasPhaseWaveletModulus: tf_wavelet.cc
// KerasPhaseCodedMatMul: tf_coded.cc

#include "tf_ops.h"

#include <cstring>
#include <string>
#include <vector>

#include "cpu/select.h"
#include "keras_phase/bilinear.h"
#include "keras_phase/multiply.h"
#include "tf_call.h"

namespace keras_phase {
namespace {

enum Product : int64_t { kForward = 0, kInputGradient = 1, kKernelGradient = 2 };

struct Attributes {
  int64_t product = 0;
  int64_t relu = 0;
  int64_t num_bias = 0;
  int64_t num_gate = 0;
  int64_t num_sums = 0;
};

// The coefficients that are not zero, of a matrix given by its entries.
template <typename T>
struct Terms {
  std::vector<int> start, index;
  std::vector<T> coefficient;

  template <typename Entry>
  Terms(int64_t rows, int64_t columns, Entry entry) {
    for (int64_t r = 0; r < rows; ++r) {
      start.push_back(static_cast<int>(index.size()));
      for (int64_t c = 0; c < columns; ++c) {
        const double value = entry(r, c);
        if (value == 0) continue;
        index.push_back(static_cast<int>(c));
        coefficient.push_back(static_cast<T>(value));
      }
    }
    start.push_back(static_cast<int>(index.size()));
  }

  Combination<T> Get() const {
    return {static_cast<int>(start.size()) - 1, start.data(), index.data(), coefficient.data()};
  }
};

template <typename T>
void ComputeBilinear(void* state, TF_OpKernelContext* context) {
  const Attributes& attributes = *static_cast<Attributes*>(state);
  const int64_t product = attributes.product;
  Call call(context);
  const TF_Tensor* inputs[5];
  for (int i = 0; i < 3 + attributes.num_bias + attributes.num_gate; ++i) {
    inputs[i] = call.Input(i);
    if (inputs[i] == nullptr) return;
  }
  const std::vector<int64_t> a = Shape(inputs[0]), b = Shape(inputs[1]), f = Shape(inputs[2]);
  const std::string received = "Received: a.shape=" + Text(a) + ", b.shape=" + Text(b) +
                               ", factors.shape=" + Text(f);
  if (f.size() != 2 || f[0] < 1 || f[0] > 4096 || f[1] < 3 || f[1] % 3 || f[1] > 768) {
    return call.Fail("Expected factors (rank, 3*d). " + received);
  }
  const int64_t rank = f[0], d = f[1] / 3;
  const bool with_kernel = product != kKernelGradient;
  if (a.empty() || b.empty() || a.back() % d || (with_kernel && (b.size() != 3 || b[0] != d)) ||
      (!with_kernel && (b.back() % d || b.size() != a.size() ||
                        std::memcmp(a.data(), b.data(), (a.size() - 1) * sizeof(int64_t))))) {
    return call.Fail(with_kernel
                         ? "Expected a (..., d*n) and a kernel b (d, in, out). " + received
                         : "Expected a (..., d*in) and b (..., d*out), equal in front. " + received);
  }
  const int64_t batch = Count(a, a.size() - 1);
  const int64_t k = product == kInputGradient ? b[1] : a.back() / d;
  const int64_t n = product == kForward ? b[2] : product == kInputGradient ? a.back() / d : b.back() / d;
  if ((product == kForward && b[1] != k) || (product == kInputGradient && b[2] != n)) {
    return call.Fail("The last axis of a does not fit the kernel b. " + received);
  }
  const TF_Tensor* bias = attributes.num_bias ? inputs[3] : nullptr;
  const TF_Tensor* gate = attributes.num_gate ? inputs[3 + attributes.num_bias] : nullptr;
  if (bias != nullptr && Shape(bias) != std::vector<int64_t>{d * n}) {
    return call.Fail("Expected a bias (d*out). " + received + ", bias.shape=" + Text(Shape(bias)));
  }
  if (gate != nullptr && Shape(gate) != (product == kInputGradient ? a : b)) {
    return call.Fail("Expected a gate of the gradient's shape. " + received +
                     ", gate.shape=" + Text(Shape(gate)));
  }
  std::vector<int64_t> shape = a;
  if (product == kForward) shape.back() = d * n;
  if (product == kInputGradient) shape.back() = d * k;
  if (product == kKernelGradient) shape = {d, k, n};
  T* out = call.Output<T>(shape);
  if (out == nullptr) return;

  const double* table = static_cast<const double*>(tf->TensorData(inputs[2]));
  // Part 0, 1, 2: U, V, W. As rows of products, and as rows of components.
  const auto by_product = [&](int part) {
    return Terms<T>(rank, d, [=](int64_t r, int64_t c) { return table[r * 3 * d + part * d + c]; });
  };
  const auto by_component = [&](int part) {
    return Terms<T>(d, rank, [=](int64_t c, int64_t r) { return table[r * 3 * d + part * d + c]; });
  };
  const int parts[3][3] = {{1, 0, 2}, {2, 0, 1}, {1, 2, 0}};  // of a, b and out
  const Terms<T> alpha = by_product(parts[product][0]), beta = by_product(parts[product][1]);
  const Terms<T> gamma = by_component(parts[product][2]);

  const T* a_data = static_cast<const T*>(tf->TensorData(inputs[0]));
  const T* b_data = static_cast<const T*>(tf->TensorData(inputs[1]));
  Bilinear<T> problem;
  problem.alpha = alpha.Get();
  problem.beta = beta.Get();
  problem.gamma = gamma.Get();
  const T* gate_data = gate ? static_cast<const T*>(tf->TensorData(gate)) : nullptr;
  problem.bias = bias ? static_cast<const T*>(tf->TensorData(bias)) : nullptr;
  problem.gate_a = product == kInputGradient ? gate_data : nullptr;
  problem.gate_b = product == kKernelGradient ? gate_data : nullptr;
  problem.relu = attributes.relu;
  if (product == kForward) {
    problem.rows = batch, problem.columns = n, problem.depth = k;
    problem.a = {a_data, k, d * k, 1};
    problem.b = {b_data, k * n, n, 1};
    problem.out = {out, n, d * n, 1};
  } else if (product == kInputGradient) {
    problem.rows = batch, problem.columns = k, problem.depth = n;
    problem.a = {a_data, n, d * n, 1};
    problem.b = {b_data, k * n, 1, n};
    problem.out = {out, k, d * k, 1};
  } else {
    problem.rows = k, problem.columns = n, problem.depth = batch;
    problem.a = {a_data, k, 1, d * k};
    problem.b = {b_data, n, d * n, 1};
    problem.out = {out, k * n, n, 1};
  }
  RunBilinear(problem);
  if (attributes.num_sums) {
    T* sums = call.Output<T>({d * n}, 1);
    if (sums != nullptr && n != 0) RunRowSum(RowSum<T>{batch, d * n, b_data, gate_data, sums});
  }
}

struct RescaleAttributes {
  int64_t num_gain = 0;
};

template <typename T>
void ComputeRescale(void* state, TF_OpKernelContext* context) {
  const int64_t num_gain = static_cast<RescaleAttributes*>(state)->num_gain;
  Call call(context);
  const TF_Tensor* inputs[3];
  for (int i = 0; i < 2 + num_gain; ++i) {
    inputs[i] = call.Input(i);
    if (inputs[i] == nullptr) return;
  }
  const std::vector<int64_t> w = Shape(inputs[0]), keep = Shape(inputs[1]);
  std::vector<int64_t> one = w;
  if (!one.empty()) one[0] = 1;
  if (w.empty() || keep != one || (num_gain && Shape(inputs[2]) != one)) {
    return call.Fail("Expected w (d, ...) with keep and gain (1, ...). Received: w.shape=" +
                     Text(w) + ", keep.shape=" + Text(keep) +
                     (num_gain ? ", gain.shape=" + Text(Shape(inputs[2])) : ""));
  }
  T* out = call.Output<T>(w);
  if (out == nullptr || Count(w, w.size()) == 0) return;
  RunRescale(Rescale<T>{
      Count(one, one.size()), w[0], static_cast<const T*>(tf->TensorData(inputs[0])),
      static_cast<const unsigned char*>(tf->TensorData(inputs[1])),
      num_gain ? static_cast<const float*>(tf->TensorData(inputs[2])) : nullptr, out});
}

void* CreateRescale(TF_OpKernelConstruction* construction) {
  using A = RescaleAttributes;
  return Read<A>(
      construction, {{"num_gain", &A::num_gain}},
      [](const A& a) { return a.num_gain >= 0 && a.num_gain <= 1; }, "Expected at most one gain.");
}

bool IsValid(const Attributes& a) {
  if (a.product < kForward || a.product > kKernelGradient) return false;
  const bool forward = a.product == kForward;
  const int64_t most[] = {forward, forward, !forward, a.product == kKernelGradient};
  const int64_t given[] = {a.relu, a.num_bias, a.num_gate, a.num_sums};
  for (int i = 0; i < 4; ++i) {
    if (given[i] < 0 || given[i] > most[i]) return false;
  }
  return true;
}

void* CreateBilinear(TF_OpKernelConstruction* construction) {
  using A = Attributes;
  return Read<A>(construction,
                 {{"product", &A::product},
                  {"relu", &A::relu},
                  {"num_bias", &A::num_bias},
                  {"num_gate", &A::num_gate},
                  {"num_sums", &A::num_sums}},
                 IsValid,
                 "Expected product 0, with at most one bias and relu 0 or 1, product 1 with at most "
                 "one gate, or product 2 with at most one gate and sums.");
}

struct MultiplyAttributes {
  int64_t sum = 0;
};

template <typename T>
void ComputeMultiply(void* state, TF_OpKernelContext* context) {
  const bool sum = static_cast<MultiplyAttributes*>(state)->sum != 0;
  Call call(context);
  const TF_Tensor* inputs[3];
  for (int i = 0; i < 3; ++i) {
    inputs[i] = call.Input(i);
    if (inputs[i] == nullptr) return;
  }
  const std::vector<int64_t> a = Shape(inputs[0]), b = Shape(inputs[1]), f = Shape(inputs[2]);
  const std::string received =
      "Received: a.shape=" + Text(a) + ", b.shape=" + Text(b) + ", table.shape=" + Text(f);
  if (f.size() != 3 || f[0] < 1 || f[0] > 256 || f[1] != f[0] || f[2] != f[0]) {
    return call.Fail("Expected a table (d, d, d). " + received);
  }
  const int64_t d = f[0];
  const bool one_a = a.size() == 1 && b.size() != 1, one_b = b.size() == 1 && a.size() != 1;
  if (a.empty() || b.empty() || a.back() % d || a.back() != b.back() ||
      (!one_a && !one_b && a != b)) {
    return call.Fail("Expected a and b of one shape (..., d*n), or one of them (d*n). " + received);
  }
  const std::vector<int64_t>& shape = one_a ? b : a;
  std::vector<int> start = {0}, left, right;
  std::vector<T> coefficient;
  const double* table = static_cast<const double*>(tf->TensorData(inputs[2]));
  for (int64_t k = 0; k < d; ++k) {
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = 0; j < d; ++j) {
        const double value = table[(i * d + j) * d + k];
        if (value == 0) continue;
        left.push_back(static_cast<int>(i));
        right.push_back(static_cast<int>(j));
        coefficient.push_back(static_cast<T>(value));
      }
    }
    start.push_back(static_cast<int>(left.size()));
  }
  Multiply<T> p;
  p.rows = Count(shape, shape.size() - 1), p.size = shape.back() / d;
  p.dimension = static_cast<int>(d);
  p.start = start.data(), p.left = left.data(), p.right = right.data();
  p.coefficient = coefficient.data();
  p.a = static_cast<const T*>(tf->TensorData(inputs[0]));
  p.b = static_cast<const T*>(tf->TensorData(inputs[1]));
  p.a_stride = one_a ? 0 : shape.back(), p.b_stride = one_b ? 0 : shape.back();
  p.out_stride = sum ? 0 : shape.back(), p.sum = sum;
  p.out = call.Output<T>(sum ? std::vector<int64_t>{shape.back()} : shape);
  if (p.out == nullptr) return;
  if (sum && p.rows == 0) std::memset(p.out, 0, shape.back() * sizeof(T));
  // Nothing may be in it for a great number of rows.
  if (Count(shape, shape.size()) != 0) RunMultiply(p);
}

void* CreateMultiply(TF_OpKernelConstruction* construction) {
  using A = MultiplyAttributes;
  return Read<A>(construction, {{"sum", &A::sum}}, [](const A&) { return true; }, "");
}

bool Register() {
  const char* reason = "";
  tf = LoadTensorFlow(&reason);
  SetOpsStatus(reason);
  if (tf == nullptr) return false;
  TF_Status* s = tf->NewStatus();
  RegisterOp("KerasPhaseBilinear", {"T: {float, double}", "product: int", "relu: int = 0", "num_bias: int >= 0",
              "num_gate: int >= 0", "num_sums: int >= 0 = 0"},
             {"a: T", "b: T", "factors: double", "bias: num_bias * T", "gate: num_gate * T"},
             {"out: T", "sums: num_sums * T"}, s);
  RegisterKernel("KerasPhaseBilinear", kFloatType, CreateBilinear, ComputeBilinear<float>,
                 Delete<Attributes>, s);
  RegisterKernel("KerasPhaseBilinear", kDoubleType, CreateBilinear, ComputeBilinear<double>,
                 Delete<Attributes>, s);
  RegisterOp("KerasPhaseRescale", {"T: {float, double}", "num_gain: int >= 0"},
             {"w: T", "keep: bool", "gain: num_gain * float"}, {"out: T"}, s);
  RegisterKernel("KerasPhaseRescale", kFloatType, CreateRescale, ComputeRescale<float>,
                 Delete<RescaleAttributes>, s);
  RegisterKernel("KerasPhaseRescale", kDoubleType, CreateRescale, ComputeRescale<double>,
                 Delete<RescaleAttributes>, s);
  RegisterOp("KerasPhaseMultiply", {"T: {float, double}", "sum: int = 0"},
             {"a: T", "b: T", "table: double"}, {"out: T"}, s);
  RegisterKernel("KerasPhaseMultiply", kFloatType, CreateMultiply, ComputeMultiply<float>,
                 Delete<MultiplyAttributes>, s);
  RegisterKernel("KerasPhaseMultiply", kDoubleType, CreateMultiply, ComputeMultiply<double>,
                 Delete<MultiplyAttributes>, s);
  RegisterWaveletModulus(s);
  RegisterCodedMatMul(s);
  tf->DeleteStatus(s);
  return true;
}

// Runs when the library is loaded: TensorFlow collects the ops that are registered meanwhile.
[[maybe_unused]] const bool registered = Register();

}  // namespace

}  // namespace keras_phase
