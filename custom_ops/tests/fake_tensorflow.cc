#include "fake_tensorflow.h"

#include <cstring>
#include <utility>

namespace keras_phase {
namespace {

// As TensorFlow, which refuses what does not fit into memory.
constexpr double kMostBytes = 1 << 28;

struct Kernel {
  void* (*create)(TF_OpKernelConstruction*);
  void (*compute)(void*, TF_OpKernelContext*);
  void (*destroy)(void*);
};

std::map<std::pair<std::string, TF_DataType>, Kernel>& Kernels() {
  static std::map<std::pair<std::string, TF_DataType>, Kernel> kernels;
  return kernels;
}

double Product(const std::vector<int64_t>& shape) {
  double product = 1;
  for (int64_t size : shape) product *= static_cast<double>(size);
  return product;
}

}  // namespace

FakeTensor::FakeTensor(std::vector<int64_t> sizes, int64_t bytes, int shift)
    : shape(std::move(sizes)), element_size(bytes), offset(static_cast<size_t>(shift * bytes)) {
  const size_t size = Bytes() + offset;
  void* allocated = nullptr;
  if (posix_memalign(&allocated, 64, size ? size : 1) != 0) std::abort();
  memory = std::shared_ptr<char>(static_cast<char*>(allocated), std::free);
}

int64_t FakeTensor::Count() const {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size == 0) return 0;
  }
  for (int64_t size : shape) count *= size;
  return count;
}

}  // namespace keras_phase

using keras_phase::FakeTensor;

struct TF_Status {
  TF_Code code = keras_phase::kOk;
  std::string message;
};
struct TF_Tensor {
  FakeTensor tensor;
};
struct TF_KernelBuilder {
  keras_phase::Kernel kernel;
  TF_DataType type = 0;
};
struct TF_OpKernelConstruction {
  const std::map<std::string, int64_t>* attributes;
  std::string error;
};
struct TF_OpKernelContext {
  const std::vector<FakeTensor>* inputs;
  std::vector<FakeTensor> outputs;
  std::string error;
};

namespace keras_phase {
namespace {

TF_Status* NewStatus() { return new TF_Status; }
void DeleteStatus(TF_Status* s) { delete s; }
void SetStatus(TF_Status* s, TF_Code code, const char* message) {
  s->code = code;
  s->message = message;
}
TF_Code GetCode(const TF_Status* s) { return s->code; }
const char* Message(const TF_Status* s) { return s->message.c_str(); }

// Definitions of ops are of no interest here.
TF_OpDefinitionBuilder* NewOpDefinitionBuilder(const char*) { return nullptr; }
void OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char*) {}
void OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char*) {}
void OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char*) {}
void OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder*,
                                                  void (*)(TF_ShapeInferenceContext*, TF_Status*)) {
}
void RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*) {}
void ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*) {}

TF_KernelBuilder* NewKernelBuilder(const char*, const char*,
                                   void* (*create)(TF_OpKernelConstruction*),
                                   void (*compute)(void*, TF_OpKernelContext*),
                                   void (*destroy)(void*)) {
  return new TF_KernelBuilder{{create, compute, destroy}, 0};
}
void KernelBuilder_TypeConstraint(TF_KernelBuilder* builder, const char*, TF_DataType type,
                                  TF_Status*) {
  builder->type = type;
}
void RegisterKernelBuilder(const char* name, TF_KernelBuilder* builder, TF_Status*) {
  Kernels()[{name, builder->type}] = builder->kernel;
  delete builder;
}

void OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction* construction, const char* name,
                                       int64_t* value, TF_Status* s) {
  const auto found = construction->attributes->find(name);
  if (found == construction->attributes->end()) return SetStatus(s, kInvalidArgument, name);
  *value = found->second;
}
void OpKernelConstruction_Failure(TF_OpKernelConstruction* construction, TF_Status* s) {
  construction->error = s->message;
}
void OpKernelContext_Failure(TF_OpKernelContext* context, TF_Status* s) {
  context->error = s->message;
}
void GetInput(TF_OpKernelContext* context, int i, TF_Tensor** tensor, TF_Status* s) {
  if (i < 0 || i >= static_cast<int>(context->inputs->size())) {
    return SetStatus(s, kInvalidArgument, "no such input");
  }
  *tensor = new TF_Tensor{(*context->inputs)[i]};
}
TF_Tensor* AllocateOutput(TF_OpKernelContext* context, int i, TF_DataType type,
                          const int64_t* sizes, int rank, size_t, TF_Status* s) {
  const std::vector<int64_t> shape(sizes, sizes + rank);
  for (int64_t size : shape) {
    if (size < 0) {
      SetStatus(s, kInvalidArgument, "a negative size");
      return nullptr;
    }
  }
  const int64_t bytes = type == kFloatType ? 4 : 8;
  if (Product(shape) * static_cast<double>(bytes) > kMostBytes) {
    SetStatus(s, kInvalidArgument, "out of memory");
    return nullptr;
  }
  if (static_cast<int>(context->outputs.size()) <= i) context->outputs.resize(i + 1);
  context->outputs[i] = FakeTensor(shape, bytes);
  return new TF_Tensor{context->outputs[i]};
}
int NumDims(const TF_Tensor* t) { return static_cast<int>(t->tensor.shape.size()); }
int64_t Dim(const TF_Tensor* t, int i) { return t->tensor.shape[i]; }
void* TensorData(const TF_Tensor* t) { return t->tensor.data(); }
void DeleteTensor(TF_Tensor* t) { delete t; }

}  // namespace

const TensorFlow* LoadTensorFlow(const char** reason) {
  static TensorFlow api;
#define KERAS_PHASE_SET(name, result, arguments) api.name = name;
  KERAS_PHASE_TF_FUNCTIONS(KERAS_PHASE_SET)
#undef KERAS_PHASE_SET
  *reason = "";
  return &api;
}

FakeResult Run(const std::string& op, int64_t element_size,
               const std::map<std::string, int64_t>& attributes,
               const std::vector<FakeTensor>& inputs) {
  const Kernel& kernel = Kernels().at({op, element_size == 4 ? kFloatType : kDoubleType});
  TF_OpKernelConstruction construction{&attributes, ""};
  void* state = kernel.create(&construction);
  FakeResult result;
  result.error = construction.error;
  if (result.error.empty()) {
    TF_OpKernelContext context{&inputs, {}, ""};
    kernel.compute(state, &context);
    result.error = context.error;
    result.outputs = std::move(context.outputs);
  }
  kernel.destroy(state);
  return result;
}

}  // namespace keras_phase
