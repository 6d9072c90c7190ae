// The product with a kernel of few different elements, as data.
#ifndef KERAS_PHASE_CODED_H_
#define KERAS_PHASE_CODED_H_

#include <stddef.h>
#include <stdint.h>

namespace keras_phase {

// A kernel element is one of 2^bits elements of the algebra times the scale of its output unit. Its
// code lies in the word of its unit that serves `InputsPerWord` inputs, the first one lowest.
//
// The codes of `GroupInputs` inputs together are an index below 16: for every such group of inputs
// there is a table of the 16 partial sums that it can add to an output.
constexpr int kTableSize = 16;

constexpr int GroupInputs(int bits) { return 4 / bits; }
constexpr int GroupBits(int bits) { return bits * GroupInputs(bits); }
constexpr int WordGroups(int bits) { return 32 / GroupBits(bits); }
constexpr int InputsPerWord(int bits) { return WordGroups(bits) * GroupInputs(bits); }

// out[row, c, unit] = scale[unit] sum over inputs and b of matrix(code)[b, c] x[row, b, input] + bias
struct CodedMatMul {
  int64_t rows, columns, depth;
  int dimension, bits;
  const float* x;         // (rows, dimension, depth)
  const uint32_t* codes;  // (words, columns)
  const float* scale;     // (columns)
  const float* bias;      // (dimension, columns) or null
  bool relu;
  // (place in a group, b, c, 16): entry [b, c] of the matrix of the code at that place of an index.
  const float* coefficients;
  float* out;  // (rows, dimension, columns)
};

struct CodedKernels {
  size_t (*scratch)(const CodedMatMul&);
  // Rows and columns begin .. end; column_begin is a multiple of `panel`.
  void (*run)(const CodedMatMul&, int64_t row_begin, int64_t row_end, int64_t column_begin,
              int64_t column_end, float* scratch);
  int64_t panel;
};

}  // namespace keras_phase

#endif  // KERAS_PHASE_CODED_H_
