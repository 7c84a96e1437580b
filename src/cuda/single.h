#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cuda/compiler.h"
#include "cuda/kernel_table.h"

namespace octet::cuda {

/// `specialise` of a kernel with nothing to choose: compiles the one text that `sources` names.
template <std::vector<KernelSource> (*sources)(const Site&)>
void compile_only(const Site& site, runtime::KernelChoice& choice) {
  choice.code = {compile_kernel(sources(site).front(), site.device.properties().arch()).cubin};
}

/// That kernel, loaded.
Function only_function(const Device& device, const runtime::KernelChoice& choice,
                       const std::string& entry);

/// Below so many rows a kernel is over before the next one's launch is, so that it pays to let it
/// start early; with more, early blocks only take room from those at work.
inline constexpr int64_t kFewRows = 4096;
/// Can kernels start before the one in front of them has ended (Hopper and later)?
inline bool starts_early(const Device& device) {
  return device.properties().major >= 9;
}

/// The name of a storage type in kernel texts: "f16", "e4m3", "float".
std::string text_name(DType dtype);

}  // namespace octet::cuda
