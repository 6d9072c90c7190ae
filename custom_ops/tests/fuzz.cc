// Random calls of every op, good and bad ones, for the sanitizers: `fuzz CALLS SEED CALLERS`.
//
// A call is a valid problem of random sizes and attributes, on random data with NaN, infinities and
// denormals among it, or the same with one thing wrong: another rank, another size, an enormous one,
// another attribute. Wrong ones must end in an error that tells what was received. Good ones on
// ordinary data are done again with another instruction set, and must give the same to rounding.
// None may take more than a minute. `fuzz 1 SEED` repeats one call and tells what it is.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "cpu/lowest.h"
#include "cpu/select.h"
#include "cpu/thread_pool.h"
#include "fake_tensorflow.h"

namespace keras_phase {
namespace {

using Shape = std::vector<int64_t>;

struct Problem {
  std::string op;
  int64_t element_size = 4;
  std::map<std::string, int64_t> attributes;
  std::vector<FakeTensor> inputs;
};

class Fuzzer {
 public:
  Fuzzer(uint64_t seed, bool alone, bool tell) : random_(seed), alone_(alone), tell_(tell) {}

  // Whether all was well.
  bool Once();

 private:
  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool Chance(int in) { return Below(in) == 0; }
  // Mostly small, now and then zero, one, or beyond a block of the kernels.
  int64_t Size() { return Chance(16) ? 0 : Chance(16) ? 60 + Below(300) : 1 + Below(20); }
  int64_t Small() { return Chance(16) ? 0 : 1 + Below(6); }

  FakeTensor Numbers(const Shape& shape, int64_t element_size);
  template <typename T>
  void Fill(const FakeTensor& tensor);
  FakeTensor Integers(const Shape& shape, int64_t element_size, int64_t low, int64_t high);
  FakeTensor Table(const Shape& shape);
  Shape Leading();

  Problem Bilinear();
  Problem Rescale();
  Problem Multiply();
  Problem Wavelet();
  Problem Coded();
  void Spoil(Problem* problem);
  bool Lowest();

  std::mt19937_64 random_;
  const bool alone_;  // whether no other thread calls: only then may sets and threads change
  const bool tell_;
  bool wild_ = false;
};

FakeTensor Fuzzer::Numbers(const Shape& shape, int64_t element_size) {
  FakeTensor tensor(shape, element_size, Chance(8) ? 1 + static_cast<int>(Below(3)) : 0);
  if (element_size == 4) {
    Fill<float>(tensor);
  } else {
    Fill<double>(tensor);
  }
  return tensor;
}

template <typename T>
void Fuzzer::Fill(const FakeTensor& tensor) {
  const T odd[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                   -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::denorm_min(),
                   std::numeric_limits<T>::max(), T(-0.0)};
  T* data = reinterpret_cast<T*>(tensor.data());
  for (int64_t i = 0; i < tensor.Count(); ++i) {
    data[i] = wild_ && Chance(16) ? odd[Below(6)] : static_cast<T>(Below(2001) - 1000) / T(500);
  }
}

FakeTensor Fuzzer::Integers(const Shape& shape, int64_t element_size, int64_t low, int64_t high) {
  FakeTensor tensor(shape, element_size);
  for (int64_t i = 0; i < tensor.Count(); ++i) {
    const int64_t value = low + Below(high - low + 1);
    std::memcpy(tensor.data() + i * element_size, &value, element_size);  // little-endian
  }
  return tensor;
}

// Coefficients of an algebra, many of them zero.
FakeTensor Fuzzer::Table(const Shape& shape) {
  FakeTensor tensor(shape, 8);
  double* data = reinterpret_cast<double*>(tensor.data());
  for (int64_t i = 0; i < tensor.Count(); ++i) data[i] = static_cast<double>(Below(5) - 2) / 2;
  return tensor;
}

Shape Fuzzer::Leading() {
  Shape shape;
  for (int64_t rank = Below(3); rank > 0; --rank) shape.push_back(Small());
  return shape;
}

Problem Fuzzer::Bilinear() {
  const int64_t element = Chance(4) ? 8 : 4, d = 1 + Below(4), rank = 1 + Below(8);
  const int64_t product = Below(3), k = Size(), n = Size();
  const bool relu = product == 0 && Chance(2), bias = product == 0 && Chance(2);
  const bool gate = product != 0 && Chance(2), sums = product == 2 && Chance(2);
  Shape x = Leading(), y;
  if (x.empty() || Chance(4)) x.push_back(Size());
  y = x;
  x.push_back(d * k);
  y.push_back(d * n);
  Problem p{"KerasPhaseBilinear", element, {{"product", product}, {"relu", relu},
            {"num_bias", bias}, {"num_gate", gate}, {"num_sums", sums}}, {}};
  p.inputs.push_back(Numbers(product == 1 ? y : x, element));
  p.inputs.push_back(Numbers(product == 2 ? y : Shape{d, k, n}, element));
  p.inputs.push_back(Table({rank, 3 * d}));
  if (bias) p.inputs.push_back(Numbers({d * n}, element));
  if (gate) p.inputs.push_back(Numbers(y, element));
  return p;
}

Problem Fuzzer::Rescale() {
  const int64_t element = Chance(4) ? 8 : 4;
  const bool gain = Chance(2);
  Shape shape = Leading(), one;
  shape.insert(shape.begin(), 1 + Below(9));
  shape.push_back(Size());
  one = shape;
  one[0] = 1;
  Problem p{"KerasPhaseRescale", element, {{"num_gain", gain}}, {}};
  p.inputs = {Numbers(shape, element), Integers(one, 1, 0, 1)};
  if (gain) p.inputs.push_back(Numbers(one, 4));
  return p;
}

Problem Fuzzer::Multiply() {
  const int64_t element = Chance(4) ? 8 : 4, d = 1 + Below(Chance(16) ? 16 : 4), single = Below(3);
  Shape shape = Leading();
  shape.push_back(d * Size());
  const Shape row = {shape.back()};
  Problem p{"KerasPhaseMultiply", element, {{"sum", Below(2)}}, {}};
  p.inputs = {Numbers(single == 1 ? row : shape, element),
              Numbers(single == 2 ? row : shape, element), Table({d, d, d})};
  return p;
}

Problem Fuzzer::Wavelet() {
  const int64_t element = Chance(4) ? 8 : 4, parts = 1 + Below(2);
  const int64_t result = Below(parts == 1 ? 3 : 2), filters = 1 + Below(Chance(8) ? 20 : 4);
  const int64_t u = 1 + Below(5), v = 1 + Below(5), rows = u + Below(9), columns = v + Below(9);
  const int64_t height = 1 + Below(9), width = Chance(16) ? 0 : 1 + Below(9);
  const int64_t channels = Chance(8) ? Size() : Small();
  const int64_t strides[] = {1 + Below(3), 1 + Below(3)};
  const bool slope = Chance(2);
  const Shape x = {Small(), height, width, parts * channels};
  Problem p{"KerasPhaseWaveletModulus", element, {{"row_stride", strides[0]},
            {"column_stride", strides[1]}, {"parts", parts}, {"result", result},
            {"num_slope", slope}}, {}};
  p.inputs = {Numbers(x, element), Numbers({2, filters, u, v}, element),
              Integers({rows}, 4, -1, height - 1), Integers({columns}, 4, -1, width - 1)};
  if (Chance(2)) {  // filters with conjugate values in opposite places
    const auto mirror = [&](auto* h) {
      const int64_t size = u * v;
      for (int64_t f = 0; f < filters; ++f) {
        for (int64_t i = 0; i <= size / 2; ++i) {
          const int64_t j = size - 1 - i;
          h[f * size + j] = h[f * size + i];
          h[(filters + f) * size + j] = i == j ? 0 : -h[(filters + f) * size + i];
        }
      }
    };
    if (element == 4) {
      mirror(reinterpret_cast<float*>(p.inputs[1].data()));
    } else {
      mirror(reinterpret_cast<double*>(p.inputs[1].data()));
    }
  }
  if (slope) {
    Shape places = {x[0], (rows - u) / strides[0] + 1, (columns - v) / strides[1] + 1, channels,
                    filters};
    if (result == 1) places.insert(places.begin(), 2);
    p.inputs.push_back(Numbers(places, element));
  }
  return p;
}

Problem Fuzzer::Coded() {
  const int64_t bits = 1 + Below(4), d = Chance(16) ? 1 + Below(8) : 1 + Below(4);
  const int64_t depth = Size(), columns = Size();
  const int64_t inputs_per_word = bits == 3 ? 10 : 32 / bits;
  const bool bias = Chance(2);
  Shape x = Leading();
  x.push_back(d * depth);
  Problem p{"KerasPhaseCodedMatMul", 4, {{"relu", Below(2)}, {"num_bias", bias}}, {}};
  p.inputs = {Numbers(x, 4),
              Integers({(depth + inputs_per_word - 1) / inputs_per_word, columns, 4}, 1, 0, 255),
              Numbers({columns}, 4), Table({int64_t{1} << bits, d, d})};
  if (bias) p.inputs.push_back(Numbers({d * columns}, 4));
  return p;
}

// Changes one thing, which may or may not leave the problem valid.
void Fuzzer::Spoil(Problem* problem) {
  if (Chance(4)) {
    const int64_t values[] = {-1, 0, 1, 2, 3, 7, INT32_MAX, INT64_MIN, INT64_MAX};
    auto attribute = problem->attributes.begin();
    std::advance(attribute, Below(static_cast<int64_t>(problem->attributes.size())));
    if (attribute->first.compare(0, 4, "num_") != 0) {  // TensorFlow counts these itself
      attribute->second = values[Below(9)];
      return;
    }
  }
  FakeTensor& input = problem->inputs[Below(static_cast<int64_t>(problem->inputs.size()))];
  Shape shape = input.shape;
  const int64_t axis = shape.empty() ? 0 : Below(static_cast<int64_t>(shape.size()));
  switch (shape.empty() ? 0 : Below(5)) {
    case 0: shape.insert(shape.begin() + axis, 1 + Below(2)); break;
    case 1: shape.erase(shape.begin() + axis); break;
    case 2: shape[axis] += 1; break;
    case 3: shape[axis] = Size(); break;
    default:  // nothing in it, whatever its other sizes are
      for (int64_t& size : shape) size = Chance(2) ? int64_t{1} << (20 + Below(20)) : size;
      shape[axis] = 0;
  }
  const int64_t size = input.element_size;
  const bool real = size >= 4 && problem->op != "KerasPhaseWaveletModulus";
  input = real ? Numbers(shape, size) : Integers(shape, size, 0, 1);
}

void Tell(const Problem& problem) {
  std::printf("%s, %d bytes", problem.op.c_str(), static_cast<int>(problem.element_size));
  for (const auto& [name, value] : problem.attributes) {
    std::printf(", %s=%lld", name.c_str(), static_cast<long long>(value));
  }
  for (const FakeTensor& input : problem.inputs) {
    std::printf(" (");
    for (int64_t size : input.shape) std::printf(" %lld", static_cast<long long>(size));
    std::printf(" )");
  }
  std::printf("\n");
  std::fflush(stdout);
}

template <typename T>
bool Close(const FakeTensor& a, const FakeTensor& b) {
  const T* x = reinterpret_cast<const T*>(a.data());
  const T* y = reinterpret_cast<const T*>(b.data());
  double error = 0, norm = 0;
  for (int64_t i = 0; i < a.Count(); ++i) {
    error += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    norm += double{x[i]} * x[i];
  }
  return error <= norm * (sizeof(T) == 4 ? 1e-8 : 1e-20) + 1e-12;
}

bool Fuzzer::Lowest() {
  const int64_t size = Size() * (Chance(16) ? 200 : 1), count = size ? Below(size + 1) : 0;
  const FakeTensor scores = Numbers({size}, Chance(2) ? 8 : 4), chosen({size}, 1);
  unsigned char* marks = reinterpret_cast<unsigned char*>(chosen.data());
  if (scores.element_size == 4) {
    keras_phase::Lowest(reinterpret_cast<const float*>(scores.data()), size, count, marks);
  } else {
    keras_phase::Lowest(reinterpret_cast<const double*>(scores.data()), size, count, marks);
  }
  int64_t marked = 0;
  for (int64_t i = 0; i < size; ++i) marked += marks[i];
  if (marked != count) {
    std::printf("Lowest marked %lld of %lld\n", static_cast<long long>(marked),
                static_cast<long long>(count));
  }
  return marked == count;
}

bool Fuzzer::Once() {
  static const char* const kSets[] = {"baseline", "avx2", "avx512"};
  wild_ = Chance(4);
  if (alone_) {
    ForceInstructionSet(kSets[Below(3)]);  // stays as it was if this machine does not have it
    if (Chance(64)) SetNumThreads(1 + static_cast<int>(Below(4)));
  }
  const int64_t which = Below(6);
  if (which == 5) return Lowest();
  Problem problem = which == 0   ? Bilinear()
                    : which == 1 ? Rescale()
                    : which == 2 ? Multiply()
                    : which == 3 ? Wavelet()
                                 : Coded();
  const bool spoiled = Chance(3);
  if (spoiled) Spoil(&problem);
  if (tell_) Tell(problem);
  const FakeResult first = Run(problem.op, problem.element_size, problem.attributes, problem.inputs);
  if (!first.error.empty()) {
    const bool told = first.error.find("Expected") != std::string::npos ||
                      first.error.find("Received") != std::string::npos ||
                      first.error == "out of memory";
    if (spoiled && told) return true;
    std::printf("%s: %s\n", problem.op.c_str(), first.error.c_str());
    return false;
  }
  if (!alone_ || wild_ || spoiled) return true;
  ForceInstructionSet(kSets[Below(3)]);
  const FakeResult second =
      Run(problem.op, problem.element_size, problem.attributes, problem.inputs);
  for (size_t i = 0; i < first.outputs.size(); ++i) {
    const FakeTensor &a = first.outputs[i], &b = second.outputs[i];
    if (!(problem.element_size == 4 ? Close<float>(a, b) : Close<double>(a, b))) {
      std::printf("%s: instruction sets differ\n", problem.op.c_str());
      return false;
    }
  }
  return true;
}

std::atomic<long> begun{-1};  // seed of the call that was begun last

void TooLong(int) {
  std::fprintf(stderr, "a call takes over a minute; the last one begun has seed %ld\n",
               begun.load());
  std::abort();
}

}  // namespace
}  // namespace keras_phase

int main(int argc, char** argv) {
  const long calls = argc > 1 ? std::atol(argv[1]) : 10000;
  const long seed = argc > 2 ? std::atol(argv[2]) : 0;
  const int callers = argc > 3 ? std::atoi(argv[3]) : 1;
  signal(SIGALRM, keras_phase::TooLong);
  keras_phase::SetNumThreads(callers > 1 ? 4 : 2);
  std::vector<long> failures(callers, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) {
    threads.emplace_back([&, i] {
      for (long call = i; call < calls; call += callers) {
        // A seed of its own, so that the call can be repeated.
        keras_phase::begun = seed + call;
        alarm(60);
        keras_phase::Fuzzer fuzzer(static_cast<uint64_t>(seed + call), callers == 1,
                                   calls == 1);
        if (fuzzer.Once()) continue;
        std::printf("call with seed %ld failed\n", seed + call);
        ++failures[i];
      }
    });
  }
  long failed = 0;
  for (std::thread& thread : threads) thread.join();
  for (long count : failures) failed += count;
  std::printf("%ld calls by %d callers from seed %ld: %ld failed\n", calls, callers, seed, failed);
  return failed != 0;
}
