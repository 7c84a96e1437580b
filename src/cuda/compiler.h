#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace octet::cuda {

/// One specialised kernel: an embedded text with its numbers filled in.
struct KernelSource {
  std::string file;   ///< name of a text in src/cuda/kernels, such as "layer_norm.cu"
  std::string entry;  ///< its extern "C" kernel
  std::vector<std::pair<std::string, std::string>> defines;  ///< in front of the text, in order
  std::string prelude;  ///< generated text between the defines and the file
  /// Division, square root, exponentials and subnormal numbers as IEEE 754 and the C library have
  /// them, instead of the GPU's fast ones.
  bool precise = false;
};

struct CompiledKernel {
  Tensor cubin;  ///< U8
  std::string log;
  int registers = 0;
  int spill_bytes = 0;  ///< stores and loads
};

/// Is libnvrtc here? Otherwise the reason, in words.
struct CompilerAvailability {
  bool available = false;
  std::string reason;
  std::string version;  ///< "13.0"
};
const CompilerAvailability& compiler();

/// Compiles for one architecture ("sm_90a") with NVRTC; thread-safe, threads compile side by side.
/// Compiled kernels are kept in the folder that knob OCTET_KERNEL_CACHE names. Throws
/// `Error(device_unavailable)` without NVRTC, `Error(failed)` with the compiler's words when the
/// text does not compile.
CompiledKernel compile_kernel(const KernelSource& source, const std::string& arch);

/// Compiles many side by side, so that `compile_kernel` finds them. A text that does not compile is
/// left to the one who asks for it.
void compile_kernels(const std::vector<KernelSource>& sources, const std::string& arch);

/// The text that is compiled: defines, prelude, file.
std::string full_text(const KernelSource& source);

/// An embedded text by its file name; throws logic_error for a name that is not there.
std::string_view kernel_text(std::string_view file);
/// Names of all embedded texts.
std::vector<std::string_view> kernel_texts();

}  // namespace octet::cuda
