#pragma once

#include <string>
#include <vector>

namespace octet::bench {

// One function per file: measures the peak it compares with and registers its benchmarks.
void register_cpu_kernels();     // cpu_kernels_bench.cpp
void register_operators();       // operators_bench.cpp
void register_encoder_blocks();  // encoder_bench.cpp
/// Of plans and folders of checkpoints; of ViT-B-32 with random weights when there are none.
void register_models(const std::vector<std::string>& paths);  // model_bench.cpp

}  // namespace octet::bench
