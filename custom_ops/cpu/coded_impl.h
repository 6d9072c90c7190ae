// The product with a kernel of few different elements; included by each kernels_<set>.cc, after
// kernels_impl.h.
//
// No weight is ever decoded: four bits of codes choose one of 16 partial sums, which are computed once
// for all units. With AVX-512 a table is one register, and a permutation looks up 16 units at once.

#include "keras_phase/coded.h"

#if KERAS_PHASE_BYTES >= 32
#include <immintrin.h>
#endif

namespace keras_phase {
namespace KERAS_PHASE_SET {

typedef unsigned Word __attribute__((vector_size(KERAS_PHASE_BYTES), may_alias));
typedef unsigned UnalignedWord
    __attribute__((vector_size(KERAS_PHASE_BYTES), aligned(4), may_alias));

constexpr int kCodedRows = 4;
// Sums in registers: rows times components times vectors of units.
constexpr int kSums = KERAS_PHASE_BYTES == 64 ? 16 : 4;
constexpr int kMostVectors = KERAS_PHASE_BYTES == 64 ? 8 : 2;
// Numbers in the tables of one pass over the depth: they stay in the second-level cache.
constexpr int64_t kTableNumbers = 64 * 1024;

// Words between a prefetch and its use.
constexpr int64_t kAhead = 16;

using FloatVector = Simd<float>::Vector;

// Partial sums by the lower four bits of each index.
static inline FloatVector LookUp(const float* table, Word index) {
#if KERAS_PHASE_BYTES == 64
  // With a mask of ones: in the plain form GCC 12 warns of its own header.
  return (FloatVector)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)index, _mm512_load_ps(table));
#elif KERAS_PHASE_BYTES == 32
  const __m256i i = (__m256i)index;
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), i);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), i);
  return (FloatVector)_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
#else
  FloatVector sums;
  for (int k = 0; k < Simd<float>::kLanes; ++k) sums[k] = table[index[k] % kTableSize];
  return sums;
#endif
}

static inline int64_t CodedWords(const CodedMatMul& p) {
  const int64_t inputs = InputsPerWord(p.bits);
  return (p.depth + inputs - 1) / inputs;
}

// Words of a pass.
static inline int64_t WordBlock(const CodedMatMul& p) {
  const int64_t word = WordGroups(p.bits) * p.dimension * kCodedRows * kTableSize;
  const int64_t fitting = kTableNumbers / word;
  return Min(fitting < 1 ? 1 : fitting, CodedWords(p));
}

static size_t CodedScratch(const CodedMatMul& p) {
  return WordBlock(p) * WordGroups(p.bits) * p.dimension * kCodedRows * kTableSize;
}

// Tables (group, component, row, 16) of the inputs of some words.
static void MakeTables(const CodedMatMul& p, int64_t row, int rows, int64_t word, int64_t words,
                       float* table) {
  constexpr int kLanes = Simd<float>::kLanes, kParts = kTableSize / kLanes;
  const int d = p.dimension, group = GroupInputs(p.bits);
  int64_t input = word * InputsPerWord(p.bits);
  for (int64_t g = words * WordGroups(p.bits); g > 0; --g, input += group) {
    const int size = static_cast<int>(Min(group, p.depth - input));
    for (int c = 0; c < d; ++c) {
      for (int r = 0; r < rows; ++r, table += kTableSize) {
        FloatVector sum[kParts] = {};
        for (int j = 0; j < size; ++j) {
          for (int b = 0; b < d; ++b) {
            const float x = p.x[((row + r) * d + b) * p.depth + input + j];
            const float* from = p.coefficients + ((j * d + b) * d + c) * kTableSize;
            for (int k = 0; k < kParts; ++k) sum[k] += x * Simd<float>::Load(from + k * kLanes);
          }
        }
        for (int k = 0; k < kParts; ++k) Simd<float>::Store(table + k * kLanes, sum[k]);
      }
    }
  }
}

// Where a tile of the result lies, and what is done with it.
struct CodedTile {
  int64_t row, column, words;
  int component, lanes;  // lanes: units in the last vector
  bool first, last;      // pass over the depth
};

template <int R, int C, int V>
static void AddTile(const CodedMatMul& p, const CodedTile& t, const uint32_t* codes,
                    const float* table) {
  constexpr int kLanes = Simd<float>::kLanes;
  const int group_bits = GroupBits(p.bits), groups = WordGroups(p.bits);
  const int64_t step = int64_t{p.dimension} * R * kTableSize;
  const bool whole = t.lanes == kLanes;
  table += t.component * R * kTableSize;
  FloatVector sum[R][C][V] = {};
  for (int64_t w = 0; w < t.words; ++w, codes += p.columns) {
    Word index[V];
    // Words of a unit lie in different pages, where the processor does not look ahead by itself.
    for (int v = 0; v < V; ++v) {
      __builtin_prefetch(codes + kAhead * p.columns + v * kLanes);
    }
    for (int v = 0; v < V; ++v) {
      if (V > 1 || whole) {
        index[v] = *reinterpret_cast<const UnalignedWord*>(codes + v * kLanes);
      } else {
        index[v] = Word{};
        for (int k = 0; k < t.lanes; ++k) index[v][k] = codes[k];
      }
    }
    for (int g = 0; g < groups; ++g, table += step) {
      for (int c = 0; c < C; ++c) {
        for (int r = 0; r < R; ++r) {
          for (int v = 0; v < V; ++v) {
            sum[r][c][v] += LookUp(table + (c * R + r) * kTableSize, index[v]);
          }
        }
      }
      for (int v = 0; v < V; ++v) index[v] >>= group_bits;
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      for (int v = 0; v < V; ++v) {
        const int64_t unit = t.column + v * kLanes;
        const int64_t place = (t.component + c) * p.columns + unit;
        float* out = p.out + (t.row + r) * p.dimension * p.columns + place;
        alignas(KERAS_PHASE_BYTES) float line[kLanes];
        Simd<float>::Store(line, sum[r][c][v]);
        const int lanes = V > 1 || whole ? kLanes : t.lanes;
        for (int k = 0; k < lanes; ++k) {
          float y = t.first ? line[k] : out[k] + line[k];
          if (t.last) {
            y = p.scale[unit + k] * y + (p.bias ? p.bias[place + k] : 0.0f);
            if (p.relu && y < 0) y = 0;
          }
          out[k] = y;
        }
      }
    }
  }
}

template <int R, int C>
static void AddColumns(const CodedMatMul& p, CodedTile t, int64_t begin, int64_t end,
                       const uint32_t* codes, const float* table) {
  constexpr int kLanes = Simd<float>::kLanes;
  constexpr int kFit = kSums / (R * C) < 1 ? 1 : kSums / (R * C);
  constexpr int kVectors = kFit < kMostVectors ? kFit : kMostVectors;
  t.lanes = kLanes, t.column = begin;
  for (; t.column + kVectors * kLanes <= end; t.column += kVectors * kLanes) {
    AddTile<R, C, kVectors>(p, t, codes + t.column, table);
  }
  for (; t.column < end; t.column += kLanes) {
    t.lanes = static_cast<int>(Min(kLanes, end - t.column));
    AddTile<R, C, 1>(p, t, codes + t.column, table);
  }
}

template <int R>
static void AddRows(const CodedMatMul& p, int64_t row, int64_t column_begin, int64_t column_end,
                    float* scratch) {
  const int64_t words = CodedWords(p), block = WordBlock(p);
  int64_t word = 0;
  do {  // without inputs, one pass with no words
    CodedTile t = {};
    t.row = row, t.words = Min(block, words - word);
    t.first = word == 0, t.last = word + t.words == words;
    MakeTables(p, row, R, word, t.words, scratch);
    const uint32_t* codes = p.codes + word * p.columns;
    for (; t.component + 2 <= p.dimension; t.component += 2) {
      AddColumns<R, 2>(p, t, column_begin, column_end, codes, scratch);
    }
    if (t.component < p.dimension) {
      AddColumns<R, 1>(p, t, column_begin, column_end, codes, scratch);
    }
    word += block;
  } while (word < words);
}

static void CodedRun(const CodedMatMul& p, int64_t row_begin, int64_t row_end,
                     int64_t column_begin, int64_t column_end, float* scratch) {
  int64_t row = row_begin;
  for (; row + 4 <= row_end; row += 4) AddRows<4>(p, row, column_begin, column_end, scratch);
  for (; row + 2 <= row_end; row += 2) AddRows<2>(p, row, column_begin, column_end, scratch);
  for (; row < row_end; ++row) AddRows<1>(p, row, column_begin, column_end, scratch);
}

extern const CodedKernels kCoded;
const CodedKernels kCoded = {CodedScratch, CodedRun, kMostVectors * Simd<float>::kLanes};

}  // namespace KERAS_PHASE_SET
}  // namespace keras_phase
