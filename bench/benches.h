#pragma once

namespace octet::bench {

// One function per file: measures the peak it compares with and registers its benchmarks.
void register_cpu_kernels();     // cpu_kernels_bench.cpp
void register_operators();       // operators_bench.cpp
void register_encoder_blocks();  // encoder_bench.cpp

}  // namespace octet::bench
