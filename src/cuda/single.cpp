#include "cuda/single.h"

#include "base/error.h"

namespace octet::cuda {

Function only_function(const Device& device, const runtime::KernelChoice& choice,
                       const std::string& entry) {
  if (choice.code.size() != 1) {
    fail_input("the plan holds {} texts for the kernel '{}' instead of one; build it again",
               choice.code.size(), entry);
  }
  return {device, choice.code.front(), entry};
}

std::string text_name(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::f8e4m3:
      return "e4m3";
    case DType::f32:
      return "float";
    default:
      check(false, "kernels do not store {}", name_of(dtype));
      return {};
  }
}

}  // namespace octet::cuda
