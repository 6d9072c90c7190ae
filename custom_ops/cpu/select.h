// The only place that chooses: the instruction set, and how a call is cut into parts.
#ifndef KERAS_PHASE_SELECT_H_
#define KERAS_PHASE_SELECT_H_

#include "keras_phase/bilinear.h"
#include "keras_phase/coded.h"
#include "keras_phase/multiply.h"
#include "keras_phase/wavelet_modulus.h"

namespace keras_phase {

// Name of the instruction set in use: "avx512", "avx2" or "baseline".
const char* InstructionSet();

// Uses that set from now on, for tests; false if this processor or build does not have it.
bool ForceInstructionSet(const char* name);

template <typename T>
void RunBilinear(const Bilinear<T>& problem);

template <typename T>
void RunRowSum(const RowSum<T>& problem);

template <typename T>
void RunRescale(const Rescale<T>& problem);

template <typename T>
void RunMultiply(const Multiply<T>& problem);

// The modulus, or with a slope its gradient.
template <typename T>
void RunWaveletModulus(const WaveletModulus<T>& problem);

void RunCodedMatMul(const CodedMatMul& problem);

}  // namespace keras_phase

#endif  // KERAS_PHASE_SELECT_H_
