#include "tf_call.h"

#include "tf_ops.h"

namespace keras_phase {

const TensorFlow* tf = nullptr;

namespace {

void UnknownShape(TF_ShapeInferenceContext* context, TF_Status* s) {
  // With the attributes out of reach, the outputs of an op are not even known by number; Python
  // gives them their shapes.
  tf->ShapeInferenceContextSetUnknownShape(context, s);
}

void Check(TF_Status* s) {
  if (tf->GetCode(s) != kOk) SetOpsStatus(tf->Message(s));
}

// Made at the first use: files are initialized in any order.
std::string& Status() {
  static std::string status;
  return status;
}

}  // namespace

std::vector<int64_t> Shape(const TF_Tensor* tensor) {
  std::vector<int64_t> shape(tf->NumDims(tensor));
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = tf->Dim(tensor, static_cast<int>(i));
  return shape;
}

std::string Text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + ")";
}

int64_t Count(const std::vector<int64_t>& shape, size_t end) {
  int64_t count = 1;
  bool overflow = false;
  for (size_t i = 0; i < end; ++i) {
    if (shape[i] == 0) return 0;
    overflow |= __builtin_mul_overflow(count, shape[i], &count);
  }
  return overflow ? INT64_MAX : count;
}

void SetOpsStatus(const char* reason) {
  if (Status().empty()) Status() = reason;
}

const char* OpsStatus() { return Status().c_str(); }

void RegisterKernel(const char* op, TF_DataType type, void* (*create)(TF_OpKernelConstruction*),
                    void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*),
                    TF_Status* s) {
  TF_KernelBuilder* builder = tf->NewKernelBuilder(op, "CPU", create, compute, destroy);
  tf->KernelBuilder_TypeConstraint(builder, "T", type, s);
  Check(s);
  tf->RegisterKernelBuilder(op, builder, s);
  Check(s);
}

void RegisterOp(const char* op, std::vector<const char*> attrs, std::vector<const char*> inputs,
                std::vector<const char*> outputs, TF_Status* s) {
  TF_OpDefinitionBuilder* builder = tf->NewOpDefinitionBuilder(op);
  for (const char* attr : attrs) tf->OpDefinitionBuilderAddAttr(builder, attr);
  for (const char* input : inputs) tf->OpDefinitionBuilderAddInput(builder, input);
  for (const char* output : outputs) tf->OpDefinitionBuilderAddOutput(builder, output);
  tf->OpDefinitionBuilderSetShapeInferenceFunction(builder, UnknownShape);
  tf->RegisterOpDefinition(builder, s);
  Check(s);
}

}  // namespace keras_phase
