// KerasPhaseWaveletModulus(x, filters, rows, columns, slope...; row_stride, column_stride, parts,
//   result): x (batch, height, width, parts n), filters (2, f, *window)
//   result 0, moduli, and 2, real parts of the responses             -> (batch, *places, n, f)
//   result 1, responses                                                -> (2, batch, *places, n, f)
//   with a slope of that shape                                         -> the gradient by x

#include "keras_phase/wavelet_modulus.h"

#include <cstring>

#include "cpu/select.h"
#include "tf_call.h"

namespace keras_phase {
namespace {

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
  using A = WaveletAttributes;
  return Read<A>(
      construction,
      {{"row_stride", &A::row_stride},
       {"column_stride", &A::column_stride},
       {"parts", &A::parts},
       {"result", &A::result},
       {"num_slope", &A::num_slope}},
      [](const A& a) {
        return a.row_stride >= 1 && a.column_stride >= 1 && a.parts >= 1 && a.parts <= 2 &&
               a.result >= 0 && a.result <= 2 && (a.result != 2 || a.parts == 1) &&
               a.num_slope <= 1;
      },
      "Expected strides of at least 1, one or two parts, result 0, 1, or for one part 2, and at most "
      "one slope.");
}

}  // namespace

void RegisterWaveletModulus(TF_Status* s) {
  RegisterOp("KerasPhaseWaveletModulus", {"T: {float, double}", "row_stride: int", "column_stride: int",
              "parts: int", "result: int = 0", "num_slope: int >= 0"},
             {"x: T", "filters: T", "rows: int32", "columns: int32", "slope: num_slope * T"},
             {"out: T"}, s);
  RegisterKernel("KerasPhaseWaveletModulus", kFloatType, CreateWaveletModulus,
                 ComputeWaveletModulus<float>, Delete<WaveletAttributes>, s);
  RegisterKernel("KerasPhaseWaveletModulus", kDoubleType, CreateWaveletModulus,
                 ComputeWaveletModulus<double>, Delete<WaveletAttributes>, s);
}

}  // namespace keras_phase
