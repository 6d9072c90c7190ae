#include "keras_phase/abi.h"

#include "cpu/lowest.h"
#include "cpu/select.h"
#include "cpu/thread_pool.h"
#include "tf_ops.h"

int keras_phase_abi_version(void) { return KERAS_PHASE_ABI_VERSION; }
const char* keras_phase_status(void) { return keras_phase::OpsStatus(); }
const char* keras_phase_instruction_set(void) { return keras_phase::InstructionSet(); }
int keras_phase_force_instruction_set(const char* name) {
  return keras_phase::ForceInstructionSet(name);
}
void keras_phase_set_num_threads(int num_threads) { keras_phase::SetNumThreads(num_threads); }
void keras_phase_lowest_float32(const float* scores, int64_t size, int64_t count,
                                uint8_t* chosen) {
  keras_phase::Lowest(scores, size, count, chosen);
}
void keras_phase_lowest_float64(const double* scores, int64_t size, int64_t count,
                                uint8_t* chosen) {
  keras_phase::Lowest(scores, size, count, chosen);
}
