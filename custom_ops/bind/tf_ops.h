#ifndef KERAS_PHASE_TF_OPS_H_
#define KERAS_PHASE_TF_OPS_H_

namespace keras_phase {

// "" if the ops are registered with the TensorFlow of this process, else the reason why not.
const char* OpsStatus();

}  // namespace keras_phase

#endif  // KERAS_PHASE_TF_OPS_H_
