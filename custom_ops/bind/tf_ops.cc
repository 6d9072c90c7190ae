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
// KerasPhaseWaveletModulus(x, filters, rows, columns, slope...; row_stride, column_stride, parts,
//   result): x (batch, height, width, parts n), filters (2, f, *window)
//   result 0, moduli, and 2, real parts of the responses             -> (batch, *places, n, f)
//   result 1, responses                                                -> (2, batch, *places, n, f)
//   with a slope of that shape                                         -> the gradient by x
// KerasPhaseCodedMatMul: tf_coded.cc

#include "tf_ops.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cpu/select.h"
#include "keras_phase/bilinear.h"
#include "keras_phase/multiply.h"
#include "keras_phase/wavelet_modulus.h"
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

template <typename T>
void ComputeRescale(void* state, TF_OpKernelContext* context) {
  const int64_t num_gain = *static_cast<int64_t*>(state);
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
  TF_Status* s = tf->NewStatus();
  int64_t* num_gain = new int64_t(0);
  tf->OpKernelConstruction_GetAttrInt64(construction, "num_gain", num_gain, s);
  if (tf->GetCode(s) == kOk && (*num_gain < 0 || *num_gain > 1)) {
    tf->SetStatus(s, kInvalidArgument, "Expected at most one gain.");
  }
  if (tf->GetCode(s) != kOk) tf->OpKernelConstruction_Failure(construction, s);
  tf->DeleteStatus(s);
  return num_gain;
}

void DeleteRescale(void* state) { delete static_cast<int64_t*>(state); }

void* CreateBilinear(TF_OpKernelConstruction* construction) {
  TF_Status* s = tf->NewStatus();
  Attributes* attributes = new Attributes;
  const std::pair<const char*, int64_t*> attrs[] = {{"product", &attributes->product},
                                                    {"relu", &attributes->relu},
                                                    {"num_bias", &attributes->num_bias},
                                                    {"num_gate", &attributes->num_gate},
                                                    {"num_sums", &attributes->num_sums}};
  for (const auto& [name, value] : attrs) {
    if (tf->GetCode(s) == kOk) tf->OpKernelConstruction_GetAttrInt64(construction, name, value, s);
  }
  if (tf->GetCode(s) == kOk) {
    const int64_t product = attributes->product;
    const bool known = product >= kForward && product <= kKernelGradient;
    const int64_t most[] = {product == kForward, product == kForward, product != kForward,
                            product == kKernelGradient};
    const int64_t given[] = {attributes->relu, attributes->num_bias, attributes->num_gate,
                             attributes->num_sums};
    for (int i = 0; i < 4; ++i) {
      if (!known || given[i] < 0 || given[i] > most[i]) {
        tf->SetStatus(s, kInvalidArgument,
                      "Expected product 0, with at most one bias and relu 0 or 1, product 1 with at "
                      "most one gate, or product 2 with at most one gate and sums.");
      }
    }
  }
  if (tf->GetCode(s) != kOk) tf->OpKernelConstruction_Failure(construction, s);
  tf->DeleteStatus(s);
  return attributes;
}

void DeleteBilinear(void* state) { delete static_cast<Attributes*>(state); }

template <typename T>
void ComputeMultiply(void* state, TF_OpKernelContext* context) {
  const bool sum = *static_cast<int64_t*>(state) != 0;
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
  TF_Status* s = tf->NewStatus();
  int64_t* sum = new int64_t(0);
  tf->OpKernelConstruction_GetAttrInt64(construction, "sum", sum, s);
  if (tf->GetCode(s) != kOk) tf->OpKernelConstruction_Failure(construction, s);
  tf->DeleteStatus(s);
  return sum;
}

void DeleteMultiply(void* state) { delete static_cast<int64_t*>(state); }

struct WaveletAttributes {
  int64_t row_stride = 1, column_stride = 1, parts = 1, result = 0, num_slope = 0;
};

// The terms of the sum over the window: pairs of opposite places, if all filters are conjugate
// there, and single places.
template <typename T>
struct WindowTerms {
  std::vector<int> first, second;
  std::vector<T> real, imag;
  int pairs = 0;

  WindowTerms(const T* filters, int64_t num_filters, int64_t window) {
    const auto value = [&](int part, int64_t f, int64_t place) {
      return filters[(part * num_filters + f) * window + place];
    };
    bool conjugate = true;
    for (int64_t f = 0; f < num_filters; ++f) {
      for (int64_t i = 0; i < window; ++i) {
        const int64_t j = window - 1 - i;
        conjugate = conjugate && value(0, f, i) == value(0, f, j) && value(1, f, i) == -value(1, f, j);
      }
    }
    if (conjugate) pairs = static_cast<int>(window / 2);
    for (int64_t i = 0; i < window - pairs; ++i) {
      first.push_back(static_cast<int>(i));
      second.push_back(static_cast<int>(window - 1 - i));
      for (int64_t f = 0; f < num_filters; ++f) {
        real.push_back(value(0, f, i));
        imag.push_back(value(1, f, i));
      }
    }
  }
};

template <typename T>
void ComputeWaveletModulus(void* state, TF_OpKernelContext* context) {
  const WaveletAttributes& attributes = *static_cast<WaveletAttributes*>(state);
  Call call(context);
  const TF_Tensor* inputs[5];
  for (int i = 0; i < 4 + attributes.num_slope; ++i) {
    inputs[i] = call.Input(i);
    if (inputs[i] == nullptr) return;
  }
  const std::vector<int64_t> x = Shape(inputs[0]), f = Shape(inputs[1]), rows = Shape(inputs[2]),
                             columns = Shape(inputs[3]);
  const std::string received = "Received: x.shape=" + Text(x) + ", filters.shape=" + Text(f) +
                               ", rows.shape=" + Text(rows) + ", columns.shape=" + Text(columns);
  if (x.size() != 4 || x[3] % attributes.parts || f.size() != 4 || f[0] != 2 ||
      rows.size() != 1 || columns.size() != 1) {
    return call.Fail("Expected x (batch, height, width, parts*n), filters (2, f, *window), rows and "
                     "columns with one axis. " + received);
  }
  const int64_t window = Count({f[2], f[3]}, 2);
  if (window < 1 || window > 4096 || f[1] < 1 || f[1] > 4096 || rows[0] < f[2] ||
      columns[0] < f[3] || x[1] > INT32_MAX || x[2] > INT32_MAX) {
    return call.Fail("Expected 1 to 4096 filters of at most 4096 places, and as many rows and "
                     "columns as the window at least. " + received);
  }
  WaveletModulus<T> p;
  p.batch = x[0], p.height = x[1], p.width = x[2], p.channels = x[3] / attributes.parts;
  p.parts = static_cast<int>(attributes.parts), p.filters = static_cast<int>(f[1]);
  p.window_height = f[2], p.window_width = f[3];
  p.row_stride = attributes.row_stride, p.column_stride = attributes.column_stride;
  p.out_height = (rows[0] - f[2]) / p.row_stride + 1;
  p.out_width = (columns[0] - f[3]) / p.column_stride + 1;
  // The kernels' scratch grows with the strides.
  if (p.out_height == 1) p.row_stride = 1;
  if (p.out_width == 1) p.column_stride = 1;
  p.rows = static_cast<const int*>(tf->TensorData(inputs[2]));
  p.columns = static_cast<const int*>(tf->TensorData(inputs[3]));
  for (int64_t i = 0; i < rows[0]; ++i) {
    if (p.rows[i] < -1 || p.rows[i] >= x[1]) {
      return call.Fail("Expected rows from -1 to height - 1. " + received + ", rows[" +
                       std::to_string(i) + "]=" + std::to_string(p.rows[i]));
    }
  }
  for (int64_t i = 0; i < columns[0]; ++i) {
    if (p.columns[i] < -1 || p.columns[i] >= x[2]) {
      return call.Fail("Expected columns from -1 to width - 1. " + received + ", columns[" +
                       std::to_string(i) + "]=" + std::to_string(p.columns[i]));
    }
  }
  p.result = static_cast<Result>(attributes.result);
  std::vector<int64_t> places = {x[0], p.out_height, p.out_width, p.channels, f[1]};
  if (p.result == Result::kResponse) places.insert(places.begin(), 2);
  const TF_Tensor* slope = attributes.num_slope ? inputs[4] : nullptr;
  if (slope != nullptr && Shape(slope) != places) {
    return call.Fail("Expected a slope of the shape " + Text(places) + ". " + received +
                     ", slope.shape=" + Text(Shape(slope)));
  }
  p.out = call.Output<T>(slope ? x : places);
  if (p.out == nullptr) return;
  const WindowTerms<T> terms(static_cast<const T*>(tf->TensorData(inputs[1])), f[1], window);
  p.terms = static_cast<int>(terms.first.size()), p.pairs = terms.pairs;
  p.first = terms.first.data(), p.second = terms.second.data();
  p.real = terms.real.data(), p.imag = terms.imag.data();
  p.x = static_cast<const T*>(tf->TensorData(inputs[0]));
  p.slope = slope ? static_cast<const T*>(tf->TensorData(slope)) : nullptr;
  if (Count(x, 4) == 0) {  // nothing but padding, if anything at all
    if (slope == nullptr) std::memset(p.out, 0, Count(places, places.size()) * sizeof(T));
    return;
  }
  RunWaveletModulus(p);
}

void* CreateWaveletModulus(TF_OpKernelConstruction* construction) {
  TF_Status* s = tf->NewStatus();
  WaveletAttributes* attributes = new WaveletAttributes;
  const std::pair<const char*, int64_t*> attrs[] = {{"row_stride", &attributes->row_stride},
                                                    {"column_stride", &attributes->column_stride},
                                                    {"parts", &attributes->parts},
                                                    {"result", &attributes->result},
                                                    {"num_slope", &attributes->num_slope}};
  for (const auto& [name, value] : attrs) {
    if (tf->GetCode(s) == kOk) tf->OpKernelConstruction_GetAttrInt64(construction, name, value, s);
  }
  if (tf->GetCode(s) == kOk &&
      (attributes->row_stride < 1 || attributes->column_stride < 1 || attributes->parts < 1 ||
       attributes->parts > 2 || attributes->result < 0 || attributes->result > 2 ||
       (attributes->result == 2 && attributes->parts != 1) || attributes->num_slope > 1)) {
    tf->SetStatus(s, kInvalidArgument,
                  "Expected strides of at least 1, one or two parts, result 0, 1, or for one part 2, "
                  "and at most one slope.");
  }
  if (tf->GetCode(s) != kOk) tf->OpKernelConstruction_Failure(construction, s);
  tf->DeleteStatus(s);
  return attributes;
}

void DeleteWaveletModulus(void* state) { delete static_cast<WaveletAttributes*>(state); }

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
                 DeleteBilinear, s);
  RegisterKernel("KerasPhaseBilinear", kDoubleType, CreateBilinear, ComputeBilinear<double>,
                 DeleteBilinear, s);
  RegisterOp("KerasPhaseRescale", {"T: {float, double}", "num_gain: int >= 0"},
             {"w: T", "keep: bool", "gain: num_gain * float"}, {"out: T"}, s);
  RegisterKernel("KerasPhaseRescale", kFloatType, CreateRescale, ComputeRescale<float>,
                 DeleteRescale, s);
  RegisterKernel("KerasPhaseRescale", kDoubleType, CreateRescale, ComputeRescale<double>,
                 DeleteRescale, s);
  RegisterOp("KerasPhaseMultiply", {"T: {float, double}", "sum: int = 0"},
             {"a: T", "b: T", "table: double"}, {"out: T"}, s);
  RegisterKernel("KerasPhaseMultiply", kFloatType, CreateMultiply, ComputeMultiply<float>,
                 DeleteMultiply, s);
  RegisterKernel("KerasPhaseMultiply", kDoubleType, CreateMultiply, ComputeMultiply<double>,
                 DeleteMultiply, s);
  RegisterOp("KerasPhaseWaveletModulus", {"T: {float, double}", "row_stride: int", "column_stride: int",
              "parts: int", "result: int = 0", "num_slope: int >= 0"},
             {"x: T", "filters: T", "rows: int32", "columns: int32", "slope: num_slope * T"},
             {"out: T"}, s);
  RegisterKernel("KerasPhaseWaveletModulus", kFloatType, CreateWaveletModulus,
                 ComputeWaveletModulus<float>, DeleteWaveletModulus, s);
  RegisterKernel("KerasPhaseWaveletModulus", kDoubleType, CreateWaveletModulus,
                 ComputeWaveletModulus<double>, DeleteWaveletModulus, s);
  RegisterCodedMatMul(s);
  tf->DeleteStatus(s);
  return true;
}

// Runs when the library is loaded: TensorFlow collects the ops that are registered meanwhile.
[[maybe_unused]] const bool registered = Register();

}  // namespace

}  // namespace keras_phase
