// What every op's file needs: one call with its tensors and its error, and how ops are registered.
#ifndef KERAS_PHASE_TF_CALL_H_
#define KERAS_PHASE_TF_CALL_H_

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "keras_phase/tf_c_api.h"

namespace keras_phase {

// The TensorFlow of this process, once the library is loaded.
extern const TensorFlow* tf;

template <typename T>
constexpr TF_DataType kType = sizeof(T) == 4 ? kFloatType : kDoubleType;

// One call of an op: owns the handles of its inputs, and reports at most one error.
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(tf->NewStatus()) {}
  ~Call() {
    for (TF_Tensor* t : tensors_) tf->DeleteTensor(t);
    tf->DeleteStatus(status_);
  }
  Call(const Call&) = delete;

  const TF_Tensor* Input(int i) {
    TF_Tensor* tensor = nullptr;
    tf->GetInput(context_, i, &tensor, status_);
    if (tensor != nullptr) tensors_.push_back(tensor);
    return Report() ? nullptr : tensor;
  }

  template <typename T>
  T* Output(const std::vector<int64_t>& shape, int i = 0) {
    size_t bytes = sizeof(T);
    for (int64_t size : shape) bytes *= static_cast<size_t>(size);
    TF_Tensor* tensor = tf->AllocateOutput(context_, i, kType<T>, shape.data(),
                                           static_cast<int>(shape.size()), bytes, status_);
    if (tensor != nullptr) tensors_.push_back(tensor);
    return Report() ? nullptr : static_cast<T*>(tf->TensorData(tensor));
  }

  void Fail(const std::string& message) {
    tf->SetStatus(status_, kInvalidArgument, message.c_str());
    Report();
  }

 private:
  bool Report() {
    if (tf->GetCode(status_) == kOk) return false;
    tf->OpKernelContext_Failure(context_, status_);
    return true;
  }

  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> tensors_;
};

// A kernel's state, from the integer attributes of its op; what is not `valid` is an error.
template <typename Attributes>
Attributes* Read(TF_OpKernelConstruction* construction,
                 std::initializer_list<std::pair<const char*, int64_t Attributes::*>> names,
                 bool (*valid)(const Attributes&), const char* expected) {
  TF_Status* s = tf->NewStatus();
  Attributes* attributes = new Attributes;
  std::string text = expected, separator = " Received: ";
  for (const auto& [name, member] : names) {
    if (tf->GetCode(s) != kOk) break;
    int64_t& value = attributes->*member;
    tf->OpKernelConstruction_GetAttrInt64(construction, name, &value, s);
    text += separator + name + "=" + std::to_string(value);
    separator = ", ";
  }
  if (tf->GetCode(s) == kOk && !valid(*attributes)) {
    tf->SetStatus(s, kInvalidArgument, text.c_str());
  }
  if (tf->GetCode(s) != kOk) tf->OpKernelConstruction_Failure(construction, s);
  tf->DeleteStatus(s);
  return attributes;
}

template <typename Attributes>
void Delete(void* attributes) {
  delete static_cast<Attributes*>(attributes);
}

std::vector<int64_t> Shape(const TF_Tensor* tensor);
std::string Text(const std::vector<int64_t>& shape);
// Product of the first `end` sizes; the largest number there is if it does not fit.
int64_t Count(const std::vector<int64_t>& shape, size_t end);

// Keeps the first error, for `OpsStatus`.
void SetOpsStatus(const char* reason);

void RegisterKernel(const char* op, TF_DataType type, void* (*create)(TF_OpKernelConstruction*),
                    void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*),
                    TF_Status* s);
void RegisterOp(const char* op, std::vector<const char*> attrs, std::vector<const char*> inputs,
                std::vector<const char*> outputs, TF_Status* s);

void RegisterCodedMatMul(TF_Status* s);
void RegisterWaveletModulus(TF_Status* s);

}  // namespace keras_phase

#endif  // KERAS_PHASE_TF_CALL_H_
