#include "select.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "thread_pool.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace keras_phase {

#define KERAS_PHASE_DECLARE(set)        \
  namespace set {                       \
  extern const Kernels<float> kFloat;   \
  extern const Kernels<double> kDouble; \
  extern const MultiplyKernels<float> kMultiplyFloat; \
  extern const MultiplyKernels<double> kMultiplyDouble; \
  extern const WaveletKernels<float> kWaveletFloat; \
  extern const WaveletKernels<double> kWaveletDouble; \
  extern const CodedKernels kCoded;       \
  }
KERAS_PHASE_DECLARE(baseline)
#if defined(__x86_64__)
KERAS_PHASE_DECLARE(avx2)
KERAS_PHASE_DECLARE(avx512)
#endif
#undef KERAS_PHASE_DECLARE

namespace {

struct Set {
  const char* name;
  const Kernels<float>* single;
  const Kernels<double>* twice;
  const MultiplyKernels<float>* multiply_single;
  const MultiplyKernels<double>* multiply_twice;
  const WaveletKernels<float>* wavelet_single;
  const WaveletKernels<double>* wavelet_twice;
  const CodedKernels* coded;
  bool (*available)();
};

#if defined(__x86_64__)
// Which register state the operating system saves: bits 1, 2 vectors, 5 to 7 the AVX-512 ones.
bool Saves(unsigned bits) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & bits) == bits;
}

bool HasAvx2() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2) && Saves(0x6);
}

bool HasAvx512() {
  unsigned a, b, c, d;
  if (!HasAvx2() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const unsigned needed = bit_AVX512F | bit_AVX512VL | bit_AVX512DQ | bit_AVX512BW;
  return (b & needed) == needed && Saves(0xe6);
}
#endif

// From the best on.
const Set kSets[] = {
#if defined(__x86_64__)
    {"avx512", &avx512::kFloat, &avx512::kDouble, &avx512::kMultiplyFloat, &avx512::kMultiplyDouble, &avx512::kWaveletFloat, &avx512::kWaveletDouble, &avx512::kCoded, HasAvx512},
    {"avx2", &avx2::kFloat, &avx2::kDouble, &avx2::kMultiplyFloat, &avx2::kMultiplyDouble, &avx2::kWaveletFloat, &avx2::kWaveletDouble, &avx2::kCoded, HasAvx2},
#endif
    {"baseline", &baseline::kFloat, &baseline::kDouble, &baseline::kMultiplyFloat, &baseline::kMultiplyDouble, &baseline::kWaveletFloat, &baseline::kWaveletDouble, &baseline::kCoded, [] { return true; }},
};

std::atomic<const Set*> chosen{nullptr};

const Set& Chosen() {
  const Set* set = chosen.load();
  if (set == nullptr) {
    for (set = kSets; !set->available(); ++set) {
    }
    chosen.store(set);
  }
  return *set;
}

const Kernels<float>& KernelsOf(float) { return *Chosen().single; }
const Kernels<double>& KernelsOf(double) { return *Chosen().twice; }
const MultiplyKernels<float>& MultiplyKernelsOf(float) { return *Chosen().multiply_single; }
const MultiplyKernels<double>& MultiplyKernelsOf(double) { return *Chosen().multiply_twice; }
const WaveletKernels<float>& WaveletKernelsOf(float) { return *Chosen().wavelet_single; }
const WaveletKernels<double>& WaveletKernelsOf(double) { return *Chosen().wavelet_twice; }

// Aligned memory that stays with its thread.
struct Arena {
  void* data = nullptr;
  size_t size = 0;
  ~Arena() { std::free(data); }
  void* Get(size_t bytes) {
    if (bytes > size) {
      std::free(data);
      size = (bytes + 4095) / 4096 * 4096;
      data = std::aligned_alloc(64, size);
      if (data == nullptr) std::abort();
    }
    return data;
  }
};
thread_local Arena arena;

// Multiplications that a thread takes at least: waking it up takes as long as a million.
constexpr double kMinWork = 3e6;

// A product cut into parts: by panels of columns, or by rows.
template <typename Problem, typename Kernels>
struct Cut {
  const Problem* problem;
  const Kernels* kernels;
  int parts;
  bool by_columns;
};

template <typename T, typename Problem, typename Kernels>
void RunPart(void* context, int part) {
  const Cut<Problem, Kernels>& cut = *static_cast<Cut<Problem, Kernels>*>(context);
  const Problem& p = *cut.problem;
  T* scratch = static_cast<T*>(arena.Get(cut.kernels->scratch(p) * sizeof(T)));
  if (cut.by_columns) {
    const int64_t panel = cut.kernels->panel, panels = (p.columns + panel - 1) / panel;
    const int64_t begin = panels * part / cut.parts * panel;
    const int64_t end = std::min(p.columns, panels * (part + 1) / cut.parts * panel);
    cut.kernels->run(p, 0, p.rows, begin, end, scratch);
  } else {
    const int64_t begin = p.rows * part / cut.parts, end = p.rows * (part + 1) / cut.parts;
    cut.kernels->run(p, begin, end, 0, p.columns, scratch);
  }
}

// Elements a thread takes at least.
constexpr int64_t kMinElements = 1 << 18;

template <typename T>
struct RescaleCut {
  const Rescale<T>* problem;
  const Kernels<T>* kernels;
  int parts;
};

template <typename T>
void RescalePart(void* context, int part) {
  const RescaleCut<T>& cut = *static_cast<RescaleCut<T>*>(context);
  const int64_t size = cut.problem->size;
  cut.kernels->rescale(*cut.problem, size * part / cut.parts, size * (part + 1) / cut.parts);
}

template <typename T>
struct MultiplyCut {
  const Multiply<T>* problem;
  int parts;
  bool by_columns;
};

template <typename T>
void MultiplyPart(void* context, int part) {
  const MultiplyCut<T>& cut = *static_cast<MultiplyCut<T>*>(context);
  const Multiply<T>& p = *cut.problem;
  const int64_t size = cut.by_columns ? p.size : p.rows;
  const int64_t begin = size * part / cut.parts, end = size * (part + 1) / cut.parts;
  if (cut.by_columns) {
    MultiplyKernelsOf(T{}).run(p, 0, p.rows, begin, end);
  } else {
    MultiplyKernelsOf(T{}).run(p, begin, end, 0, p.size);
  }
}

// Rows of the moduli that a task makes; the rows above them are read once more.
constexpr int64_t kBand = 8;

template <typename T>
struct WaveletCut {
  const WaveletModulus<T>* problem;
  const WaveletKernels<T>* kernels;
  int64_t pieces;  // of an image: bands of rows, for the gradient groups of channels
  int parts;
};

template <typename T>
void WaveletPart(void* context, int part) {
  const WaveletCut<T>& cut = *static_cast<WaveletCut<T>*>(context);
  const WaveletModulus<T>& p = *cut.problem;
  const int64_t lanes = cut.kernels->lanes, vectors = (p.channels + lanes - 1) / lanes;
  const auto edge = [&](int64_t piece) {
    return p.slope ? std::min(p.channels, vectors * piece / cut.pieces * lanes)
                   : std::min(p.out_height, piece * kBand);
  };
  const int64_t channels =
      p.slope ? std::min(p.channels, (vectors + cut.pieces - 1) / cut.pieces * lanes) : p.channels;
  T* scratch = static_cast<T*>(arena.Get(cut.kernels->scratch(p, channels) * sizeof(T)));
  const int64_t tasks = p.batch * cut.pieces;
  for (int64_t task = tasks * part / cut.parts; task < tasks * (part + 1) / cut.parts; ++task) {
    const int64_t piece = task % cut.pieces;
    (p.slope ? cut.kernels->gradient : cut.kernels->forward)(p, task / cut.pieces, edge(piece),
                                                            edge(piece + 1), scratch);
  }
}

// Codes a thread looks up at least, times the rows and components: far cheaper than products.
constexpr double kMinLookUps = 3e7;

}  // namespace

const char* InstructionSet() { return Chosen().name; }

bool ForceInstructionSet(const char* name) {
  for (const Set& set : kSets) {
    if (std::strcmp(set.name, name) == 0 && set.available()) {
      chosen.store(&set);
      return true;
    }
  }
  return false;
}

template <typename T>
void RunBilinear(const Bilinear<T>& p) {
  if (p.rows == 0 || p.columns == 0) return;
  if (p.depth == 0) {
    for (int c = 0; c < p.gamma.rows; ++c) {
      for (int64_t i = 0; i < p.rows; ++i) {
        T* row = p.out.data + c * p.out.component + i * p.out.row;
        for (int64_t j = 0; j < p.columns; ++j) {
          const T x = p.bias ? p.bias[c * p.columns + j] : T{0};
          row[j] = p.relu && x < 0 ? T{0} : x;
        }
      }
    }
    return;
  }
  const Kernels<T>& kernels = KernelsOf(T{});
  const double work = double(p.rows) * p.columns * p.depth * p.alpha.rows;
  int parts = static_cast<int>(std::min<double>(NumThreads(), std::max(1.0, work / kMinWork)));
  // Parts share the operand that they do not cut: let it be the smaller one.
  const int64_t panels = (p.columns + kernels.panel - 1) / kernels.panel;
  const bool by_columns = panels >= 2 * parts && p.columns >= p.rows;
  if (!by_columns) parts = static_cast<int>(std::min<int64_t>(parts, p.rows));
  Cut<Bilinear<T>, Kernels<T>> cut = {&p, &kernels, parts, by_columns};
  RunParts(parts, RunPart<T, Bilinear<T>, Kernels<T>>, &cut);
}

template <typename T>
void RunRescale(const Rescale<T>& p) {
  const int parts = static_cast<int>(std::min<int64_t>(NumThreads(), 1 + p.size / kMinElements));
  RescaleCut<T> cut = {&p, &KernelsOf(T{}), parts};
  RunParts(parts, RescalePart<T>, &cut);
}

template <typename T>
void RunRowSum(const RowSum<T>& p) {
  KernelsOf(T{}).row_sum(p, 0, p.columns);
}

template <typename T>
void RunMultiply(const Multiply<T>& p) {
  const int64_t elements = p.rows * p.size * p.dimension;
  const int64_t threads = std::min<int64_t>(NumThreads(), 1 + elements / kMinElements);
  // A sum over the rows stays with one thread, in the order of the rows.
  const bool by_columns = p.sum || p.rows < threads;
  const int64_t most = by_columns ? p.size : p.rows;
  MultiplyCut<T> cut = {&p, static_cast<int>(std::max<int64_t>(1, std::min(threads, most))),
                        by_columns};
  RunParts(cut.parts, MultiplyPart<T>, &cut);
}

template void RunMultiply<float>(const Multiply<float>&);
template void RunMultiply<double>(const Multiply<double>&);

template <typename T>
void RunWaveletModulus(const WaveletModulus<T>& p) {
  const WaveletKernels<T>& kernels = WaveletKernelsOf(T{});
  const double work = double(p.batch) * p.out_height * p.out_width * p.channels *
                      p.filters * p.terms * p.parts * (p.slope ? 2 : 1);
  const int threads =
      static_cast<int>(std::min<double>(NumThreads(), std::max(1.0, work / kMinWork)));
  // Groups of whole vectors of channels do not depend on the number of threads: neighbours in a
  // vector decide in which order the gradient is summed.
  const int64_t vectors = (p.channels + kernels.lanes - 1) / kernels.lanes;
  const int64_t groups = p.batch == 1 ? std::min<int64_t>(vectors, 4) : (vectors + 3) / 4;
  const int64_t pieces = p.slope ? groups : (p.out_height + kBand - 1) / kBand;
  const int parts = static_cast<int>(std::min<int64_t>(threads, p.batch * pieces));
  WaveletCut<T> cut = {&p, &kernels, pieces, parts};
  if (parts > 0) RunParts(parts, WaveletPart<T>, &cut);
}

void RunCodedMatMul(const CodedMatMul& p) {
  const CodedKernels& kernels = *Chosen().coded;
  const double work = double(p.rows) * p.columns * p.depth * p.dimension;
  int64_t parts = std::min<double>(NumThreads(), std::max(1.0, work / kMinLookUps));
  const bool by_columns = (p.columns + kernels.panel - 1) / kernels.panel >= 2 * parts;
  if (!by_columns) parts = std::min(parts, p.rows);
  Cut<CodedMatMul, CodedKernels> cut = {&p, &kernels, static_cast<int>(parts), by_columns};
  if (parts > 0) RunParts(cut.parts, RunPart<float, CodedMatMul, CodedKernels>, &cut);
}

template void RunWaveletModulus<float>(const WaveletModulus<float>&);
template void RunWaveletModulus<double>(const WaveletModulus<double>&);
template void RunBilinear<float>(const Bilinear<float>&);
template void RunBilinear<double>(const Bilinear<double>&);
template void RunRowSum<float>(const RowSum<float>&);
template void RunRowSum<double>(const RowSum<double>&);
template void RunRescale<float>(const Rescale<float>&);
template void RunRescale<double>(const Rescale<double>&);

}  // namespace keras_phase
