// octet_bench: benchmarks of the library's inner loops and of whole models. Arguments that are no
// options of Google Benchmark are plans and folders of checkpoints to take for the latter.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "bench/benches.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::vector<std::string> models(argv + 1, argv + argc);
  for (const std::string& model : models) {
    if (model.starts_with("-") && benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  }
  try {
    octet::bench::register_cpu_kernels();
    octet::bench::register_operators();
    octet::bench::register_encoder_blocks();
    octet::bench::register_models(models);
    benchmark::RunSpecifiedBenchmarks();
  } catch (const octet::Error& error) {
    fmt::print(stderr, "octet_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
