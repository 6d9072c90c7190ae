#include "keras_phase/tf_c_api.h"

#include <dlfcn.h>

#include <cstdio>

namespace keras_phase {
namespace {

// The C functions moved between the two over the versions.
const char* const kLibraries[] = {"libtensorflow_framework.so.2", "libtensorflow_cc.so.2",
                                  "libtensorflow_framework.2.dylib", "libtensorflow_cc.2.dylib"};

void* Find(void* const* handles, int count, const char* name) {
  for (int i = 0; i < count; ++i) {
    void* symbol = handles[i] == nullptr ? nullptr : dlsym(handles[i], name);
    if (symbol != nullptr) return symbol;
  }
  return dlsym(RTLD_DEFAULT, name);
}

}  // namespace

const TensorFlow* LoadTensorFlow(const char** reason) {
  static TensorFlow api;
  static char message[160];
  constexpr int kCount = sizeof(kLibraries) / sizeof(kLibraries[0]);
  void* handles[kCount];
  bool any = false;
  for (int i = 0; i < kCount; ++i) {
    handles[i] = dlopen(kLibraries[i], RTLD_NOLOAD | RTLD_LAZY);
    any |= handles[i] != nullptr;
  }
  if (!any) {
    *reason = "no TensorFlow is loaded in this process";
    return nullptr;
  }
#define KERAS_PHASE_FIND(name, result, arguments)                                           \
  api.name = reinterpret_cast<result(*) arguments>(Find(handles, kCount, "TF_" #name));     \
  if (api.name == nullptr) {                                                                \
    std::snprintf(message, sizeof(message), "this TensorFlow has no function TF_%s", #name); \
    *reason = message;                                                                      \
    return nullptr;                                                                         \
  }
  KERAS_PHASE_TF_FUNCTIONS(KERAS_PHASE_FIND)
#undef KERAS_PHASE_FIND
  *reason = "";
  return &api;
}

}  // namespace keras_phase
