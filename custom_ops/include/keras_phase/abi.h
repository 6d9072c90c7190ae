// What the shared library offers to Python beside the ops.
#ifndef KERAS_PHASE_ABI_H_
#define KERAS_PHASE_ABI_H_

#include <stdint.h>

// Raised by one whenever an op or a function here changes; Python checks it before the first use.
#define KERAS_PHASE_ABI_VERSION 3

#define KERAS_PHASE_EXPORT __attribute__((visibility("default")))

extern "C" {
KERAS_PHASE_EXPORT int keras_phase_abi_version(void);
// "" if the ops are registered with TensorFlow, else the reason why not.
KERAS_PHASE_EXPORT const char* keras_phase_status(void);
KERAS_PHASE_EXPORT const char* keras_phase_instruction_set(void);
// 1 if that set is used from now on, 0 if this processor or build does not have it.
KERAS_PHASE_EXPORT int keras_phase_force_instruction_set(const char* name);
KERAS_PHASE_EXPORT void keras_phase_set_num_threads(int num_threads);
// Marks exactly `count` smallest of `size` scores, the first ones of equal scores (cpu/lowest.h).
KERAS_PHASE_EXPORT void keras_phase_lowest_float32(const float* scores, int64_t size, int64_t count,
                                                   uint8_t* chosen);
KERAS_PHASE_EXPORT void keras_phase_lowest_float64(const double* scores, int64_t size,
                                                   int64_t count, uint8_t* chosen);
}

#endif  // KERAS_PHASE_ABI_H_
