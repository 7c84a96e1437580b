#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cuda/compiler.h"
#include "cuda/kernel_table.h"

namespace octet::cuda {

/// Compiles the one kernel of a node that has nothing to choose and puts it into the choice.
void compile_only(const Site& site, const KernelSource& source, runtime::KernelChoice& choice);

/// That kernel, loaded.
Function only_function(const Device& device, const runtime::KernelChoice& choice,
                       const std::string& entry);

/// The name of a storage type in kernel texts: "f16", "e4m3", "float".
std::string text_name(DType dtype);

}  // namespace octet::cuda
