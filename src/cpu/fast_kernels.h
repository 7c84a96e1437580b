#pragma once

#include "cpu/kernel_table.h"

namespace octet::cpu {

// Rows of the fast kernel table, one file each.
KernelEntry linear_packed();       // linear.cpp
KernelEntry patch_embedding();     // patch_embedding.cpp
KernelEntry attention_blocked();   // attention.cpp
KernelEntry layer_norm_fused();    // layer_norm.cpp: octet.LayerNorm
KernelEntry layer_norm_rows();     // layer_norm.cpp: LayerNormalization
KernelEntry fake_quantize_rows();  // convert_kernels.cpp
KernelEntry quick_gelu_vector();   // unary_kernels.cpp
KernelEntry gelu_vector();         // unary_kernels.cpp
KernelEntry sigmoid_vector();      // unary_kernels.cpp
KernelEntry add_vector();          // add.cpp
KernelEntry quantize_vector();     // convert_kernels.cpp
KernelEntry dequantize_vector();   // convert_kernels.cpp
KernelEntry cast_vector();         // convert_kernels.cpp
KernelEntry embedding_rows();      // embedding.cpp
KernelEntry pool_last();           // pooling.cpp

}  // namespace octet::cpu
