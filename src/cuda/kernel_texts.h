#pragma once

#include <span>
#include <string_view>

namespace octet::cuda {

/// A file of src/cuda/kernels, embedded when the program is built (cmake/kernel_texts.cmake).
struct KernelText {
  std::string_view file;
  std::string_view text;
};

std::span<const KernelText> all_kernel_texts();

}  // namespace octet::cuda
