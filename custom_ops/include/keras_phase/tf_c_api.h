// The part of TensorFlow's C API that the ops use, declared by hand and found at run time.
//
// So building needs no TensorFlow, and one binary serves every version that has these functions
// (2.16 on). Nothing here links: `LoadTensorFlow` looks the functions up in the process.
#ifndef KERAS_PHASE_TF_C_API_H_
#define KERAS_PHASE_TF_C_API_H_

#include <stddef.h>
#include <stdint.h>

extern "C" {
typedef struct TF_Status TF_Status;
typedef struct TF_Tensor TF_Tensor;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
typedef int TF_Code;      // an enum in TensorFlow
typedef int TF_DataType;  // an enum in TensorFlow
}

namespace keras_phase {

constexpr TF_Code kOk = 0;
constexpr TF_Code kInvalidArgument = 3;
constexpr TF_DataType kFloatType = 1;
constexpr TF_DataType kDoubleType = 2;

// function(name without TF_, return type, arguments)
#define KERAS_PHASE_TF_FUNCTIONS(function)                                                       \
  function(NewStatus, TF_Status*, (void))                                                        \
  function(DeleteStatus, void, (TF_Status*))                                                     \
  function(SetStatus, void, (TF_Status*, TF_Code, const char*))                                  \
  function(GetCode, TF_Code, (const TF_Status*))                                                 \
  function(Message, const char*, (const TF_Status*))                                             \
  function(NewOpDefinitionBuilder, TF_OpDefinitionBuilder*, (const char*))                       \
  function(OpDefinitionBuilderAddAttr, void, (TF_OpDefinitionBuilder*, const char*))             \
  function(OpDefinitionBuilderAddInput, void, (TF_OpDefinitionBuilder*, const char*))            \
  function(OpDefinitionBuilderAddOutput, void, (TF_OpDefinitionBuilder*, const char*))           \
  function(OpDefinitionBuilderSetShapeInferenceFunction, void,                                   \
           (TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)))           \
  function(RegisterOpDefinition, void, (TF_OpDefinitionBuilder*, TF_Status*))                    \
  function(ShapeInferenceContextSetUnknownShape, void, (TF_ShapeInferenceContext*, TF_Status*))  \
  function(NewKernelBuilder, TF_KernelBuilder*,                                                  \
           (const char*, const char*, void* (*)(TF_OpKernelConstruction*),                       \
            void (*)(void*, TF_OpKernelContext*), void (*)(void*)))                              \
  function(KernelBuilder_TypeConstraint, void,                                                   \
           (TF_KernelBuilder*, const char*, TF_DataType, TF_Status*))                            \
  function(RegisterKernelBuilder, void, (const char*, TF_KernelBuilder*, TF_Status*))            \
  function(OpKernelConstruction_GetAttrInt64, void,                                              \
           (TF_OpKernelConstruction*, const char*, int64_t*, TF_Status*))                        \
  function(OpKernelConstruction_Failure, void, (TF_OpKernelConstruction*, TF_Status*))           \
  function(OpKernelContext_Failure, void, (TF_OpKernelContext*, TF_Status*))                     \
  function(GetInput, void, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                  \
  function(AllocateOutput, TF_Tensor*,                                                           \
           (TF_OpKernelContext*, int, TF_DataType, const int64_t*, int, size_t, TF_Status*))     \
  function(NumDims, int, (const TF_Tensor*))                                                     \
  function(Dim, int64_t, (const TF_Tensor*, int))                                                \
  function(TensorData, void*, (const TF_Tensor*))                                                \
  function(DeleteTensor, void, (TF_Tensor*))

struct TensorFlow {
#define KERAS_PHASE_MEMBER(name, result, arguments) result(*name) arguments;
  KERAS_PHASE_TF_FUNCTIONS(KERAS_PHASE_MEMBER)
#undef KERAS_PHASE_MEMBER
};

// The functions of the TensorFlow in this process; null with a reason if there is none.
const TensorFlow* LoadTensorFlow(const char** reason);

}  // namespace keras_phase

#endif  // KERAS_PHASE_TF_C_API_H_
