// octet_bench: all benchmarks of the library's inner loops. --benchmark_filter=REGEX chooses some.
#include <benchmark/benchmark.h>

#include "bench/benches.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  octet::bench::register_cpu_kernels();
  octet::bench::register_operators();
  octet::bench::register_encoder_blocks();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
