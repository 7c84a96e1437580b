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

/// The name of a storage type in kernel texts: "f16", "e4m3", "float".
std::string text_name(DType dtype);

}  // namespace octet::cuda
